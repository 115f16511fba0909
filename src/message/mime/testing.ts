import { expect } from 'vitest';
import { wireCount } from '../../mailbox/wire.ts';
import { MessageParser, parseHead, type ParsedMessage } from './parse.ts';
import type { Extent, LineEnds, MimePart } from './types.ts';

/** The message out of pieces of `size`. */
export function inPieces(stored: Buffer, size: number, lineEnds: LineEnds): ParsedMessage {
  const parser = new MessageParser(lineEnds);
  for (let at = 0; at < stored.length; at += size) parser.push(stored.subarray(at, at + size));
  return parser.end();
}

/** Whatever is in a message, this holds of what is said of it. */
export function checkParsed(stored: Buffer, parsed: ParsedMessage, lineEnds: LineEnds): void {
  const wireAt = wireOffsets(stored, lineEnds);
  const check = ({ offset, end, wireOctets }: Extent): void => {
    expect(0 <= offset && offset <= end && end <= stored.length).toBe(true);
    expect(wireOctets).toBe((wireAt[end] as number) - (wireAt[offset] as number));
  };
  const visit = (part: MimePart): void => {
    const { header, body } = part;
    check(header);
    check(body);
    expect(body.offset).toBe(header.end);
    expect(part.lines).toBe(lineFeeds(stored, body));
    let from = body.offset;
    for (const inner of part.message ? [part.message.part] : part.parts) {
      expect(inner.header.offset).toBeGreaterThanOrEqual(from);
      expect(inner.body.end).toBeLessThanOrEqual(body.end);
      from = inner.body.end;
      visit(inner);
    }
  };
  visit(parsed.structure);
  expect(parsed.structure.header.offset).toBe(0);
  expect(parsed.structure.body.end).toBe(stored.length);
  expect(parsed.octets).toBe(wireAt[stored.length]);
  const { envelope, references, partial, header } = parsed;
  expect(parseHead(stored, lineEnds, 'all')).toStrictEqual({
    envelope,
    references,
    partial,
    header,
  });
}

/** What `wire.ts` makes of each start of the file; an octet that it adds comes before its LF. */
function wireOffsets(stored: Buffer, lineEnds: LineEnds): Float64Array {
  const offsets = new Float64Array(stored.length + 1);
  const count = wireCount(lineEnds);
  for (let at = 0; at < stored.length; at++) {
    offsets[at] = count.wireOctets;
    count.add(stored.subarray(at, at + 1));
  }
  offsets[stored.length] = count.wireOctets;
  return offsets;
}

const lineFeeds = (stored: Buffer, { offset, end }: Extent): number =>
  stored.subarray(offset, end).toString('latin1').split('\n').length - 1;
