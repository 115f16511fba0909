const [NEWLINE, RETURN, QUOTE] = [10, 13, 34];
const SLICE_BYTES = 1_048_576;

/** A part of a CSV file that begins and ends with a row. */
export interface Slice {
  readonly bytes: Buffer;
  /** Lines before it. */
  readonly lines: number;
}

/**
 * A CSV file in parts of about a megabyte, so that a parser never holds all rows of a large one. A
 * line end within quotes ends no row; a quote counts as one at the beginning of a cell only, as the
 * parser has it, so that a stray one spoils its own row and no other.
 */
export function* csvSlices(bytes: Buffer, delimiter: string): Generator<Slice> {
  const separator = delimiter.charCodeAt(0);
  let state: 'begin' | 'plain' | 'quoted' | 'closing' = 'begin';
  let [from, before, lines] = [0, 0, 0];
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === NEWLINE) lines += 1;
    if (state === 'quoted') {
      if (byte === QUOTE) state = 'closing';
      continue;
    }
    if (byte === QUOTE) {
      state = state === 'begin' || state === 'closing' ? 'quoted' : 'plain';
    } else if (byte === NEWLINE) {
      state = 'begin';
      if (at + 1 - from < SLICE_BYTES) continue;
      yield { bytes: bytes.subarray(from, at + 1), lines: before };
      [from, before] = [at + 1, lines];
    } else {
      state = byte === separator ? 'begin' : byte === RETURN ? state : 'plain';
    }
  }
  if (from < bytes.length) yield { bytes: bytes.subarray(from), lines: before };
}
