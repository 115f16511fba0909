/**
 * Letters that users write, in stored form (LF line ends), piece by piece: what is attached is read
 * while it is written, so a letter of any size takes some pieces of memory.
 */
import type { Random } from '../base/random.ts';
import { boundary, encodedText } from './body.ts';

/** A part as it is to be written. Fields are whole lines; the encoding is added to them. */
export type Composed =
  | {
      readonly kind: 'multipart';
      /** Makes the fields around its boundary. */
      readonly fields: (boundary: string) => string;
      readonly parts: readonly Composed[];
    }
  /** Text in UTF-8 with LF line ends. */
  | { readonly kind: 'text'; readonly fields: string; readonly text: string }
  | {
      readonly kind: 'octets';
      readonly fields: string;
      /** `as-is`: lines of a message, which no encoding may hide (RFC 2046 §5.2.1). */
      readonly encoding: 'base64' | 'as-is';
      readonly octets: () => AsyncIterable<Uint8Array>;
    };

/** Octets of a line of base64, and of the piece in which lines are written. */
const LINE_OCTETS = 57;
const PIECE_OCTETS = LINE_OCTETS * 1024;

/** The message; `fields` are those before the ones of its first part. */
export async function* composed(
  fields: string,
  part: Composed,
  random: Random,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from(fields);
  yield* written(part, random);
}

async function* written(part: Composed, random: Random): AsyncGenerator<Uint8Array> {
  switch (part.kind) {
    case 'text': {
      const { encoding, body } = encodedText(part.text);
      yield Buffer.from(`${part.fields}Content-Transfer-Encoding: ${encoding}\n\n${body}`);
      return;
    }
    case 'octets':
      yield Buffer.from(`${part.fields}Content-Transfer-Encoding: ${nameOf(part.encoding)}\n\n`);
      yield* part.encoding === 'base64' ? base64Lines(part.octets()) : part.octets();
      return;
    case 'multipart': {
      const mark = boundary(random);
      yield Buffer.from(`${part.fields(mark)}\n`);
      for (const one of part.parts) {
        yield Buffer.from(`\n--${mark}\n`);
        yield* written(one, random);
      }
      yield Buffer.from(`\n--${mark}--\n`);
    }
  }
}

const nameOf = (encoding: 'base64' | 'as-is'): string =>
  encoding === 'base64' ? 'base64' : '8bit';

async function* base64Lines(octets: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held = Buffer.alloc(0);
  for await (const piece of octets) {
    held = Buffer.concat([held, piece]);
    while (held.length >= PIECE_OCTETS) {
      yield linesOf(held.subarray(0, PIECE_OCTETS));
      held = held.subarray(PIECE_OCTETS);
    }
  }
  if (held.length > 0) yield linesOf(held);
}

/** RFC 2045 §6.8, each line with its end. */
function linesOf(octets: Buffer): Buffer {
  const lines: string[] = [];
  for (let at = 0; at < octets.length; at += LINE_OCTETS) {
    lines.push(octets.toString('base64', at, Math.min(at + LINE_OCTETS, octets.length)));
  }
  return Buffer.from(`${lines.join('\n')}\n`);
}
