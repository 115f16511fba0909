/**
 * The header of a message while it streams by. Whoever must know or change the header before the
 * body goes on holds back what came until the blank line, with a bound, and nothing after it: the
 * rest of the piece with the blank line and all later pieces pass as they are, without a copy.
 *
 * Stored form: lines end in LF. A CR before it is an octet like any other, and none of a line end.
 */

/** One field, as it came. */
export interface HeaderField {
  /** In lower case; '' for a line that is no field. */
  readonly name: string;
  /** Name, colon, value and all folded lines, with the LF at the end: exactly its octets. */
  readonly raw: Buffer;
}

/** The header of a message: fields in order; all of them together are its octets. */
export interface MessageHead {
  readonly fields: readonly HeaderField[];
  /** Octets of all fields, without the blank line. */
  readonly octets: number;
  /** False when the message ended, or text began, without a blank line. */
  readonly separated: boolean;
}

export type HeadStep =
  /** Nothing to do: the octets are kept. */
  | { readonly kind: 'more' }
  /** The header is whole. `rest` is what follows the blank line: a view of the given piece. */
  | { readonly kind: 'head'; readonly head: MessageHead; readonly rest: Uint8Array }
  /** Longer than it may be. Everything so far: a header of that length is not looked at. */
  | { readonly kind: 'too-long'; readonly held: Buffer };

/** Collects a header out of the pieces of a message. One for each message. */
export class HeadCollector {
  constructor(_options: { readonly octetsMax: number }) {}
  /** Takes the next piece; copied. Not to be called again after `head` or `too-long`. */
  push(_piece: Uint8Array): HeadStep {
    throw new Error('not yet');
  }
  /** The message ended before a blank line. */
  end(): MessageHead {
    throw new Error('not yet');
  }
}

/** The value of a field: unfolded, without the name, trimmed; octets as latin1. */
export function fieldValue(_field: HeaderField): string {
  throw new Error('not yet');
}
