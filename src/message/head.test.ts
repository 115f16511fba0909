import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fieldValue, HeadCollector, valueOf, type HeadStep, type MessageHead } from './head.ts';

interface Taken {
  readonly head: MessageHead | undefined;
  readonly body: string;
  readonly held: string;
}

/** Gives a message in pieces of the given sizes. */
function collect(message: Buffer, sizes: readonly number[], octetsMax = 1000): Taken {
  const collector = new HeadCollector({ octetsMax });
  let head: MessageHead | undefined;
  let body = '';
  let at = 0;
  const text = (parts: readonly Uint8Array[]): string => Buffer.concat(parts).toString('latin1');
  for (let turn = 0; at < message.length; turn++) {
    const size = Math.max(1, sizes[turn % Math.max(1, sizes.length)] ?? message.length);
    const piece = Buffer.from(message.subarray(at, at + size)); // A copy, wiped below.
    at += size;
    if (head) {
      body += piece.toString('latin1');
      continue;
    }
    const step: HeadStep = collector.push(piece);
    if (step.kind === 'too-long') {
      return { head: undefined, body: '', held: step.held.toString('latin1') };
    }
    if (step.kind === 'head') {
      head = step.head;
      body = text(step.body);
    }
    piece.fill(0); // The collector may keep nothing of it.
  }
  if (head) return { head, body, held: '' };
  const ended = collector.end();
  return { head: ended.head, body: text(ended.body), held: '' };
}

const whole = (text: string, octetsMax?: number): Taken =>
  collect(Buffer.from(text, 'latin1'), [text.length], octetsMax);
const names = ({ head }: Taken): string[] => (head?.fields ?? []).map(({ name }) => name);

test('fields in order with their raw octets, and the body as it came', () => {
  const taken = whole('Subject: a\n b\nFROM : x@y\n\nline\n\nmore\n');
  expect(names(taken)).toEqual(['subject', 'from']);
  expect(taken.head?.fields.map(({ raw }) => raw.toString())).toEqual([
    'Subject: a\n b\n',
    'FROM : x@y\n',
  ]);
  expect(taken.head).toMatchObject({ octets: 25, separated: true, marked: false });
  expect(taken.body).toBe('line\n\nmore\n');
  expect(taken.head && valueOf(taken.head, 'subject')).toBe('a b');
  expect(taken.head && valueOf(taken.head, 'to')).toBeUndefined();
});

test('a message without header, without body, without anything', () => {
  expect(whole('\nbody\n')).toMatchObject({
    body: 'body\n',
    head: { fields: [], separated: true },
  });
  expect(whole('A: b\n')).toMatchObject({ body: '', head: { separated: false, octets: 5 } });
  expect(whole('A: b\n\n')).toMatchObject({ body: '', head: { separated: true } });
  expect(whole('')).toMatchObject({ body: '', head: { fields: [], separated: false } });
});

test('text without a blank line before it is body, and so is all behind it', () => {
  const taken = whole('Subject: a\nhello there\nFrom: evil@else.test\n\nmore\n');
  expect(names(taken)).toEqual(['subject']);
  expect(taken.head?.separated).toBe(false);
  expect(taken.body).toBe('hello there\nFrom: evil@else.test\n\nmore\n');
});

test('a continuation before the first field is text', () => {
  expect(whole(' folded: x\nA: b\n\n')).toMatchObject({ head: { fields: [], separated: false } });
});

test("a mailbox file's From line is in no field", () => {
  const taken = whole('From me Mon Jan\nA: b\n\nc\n');
  expect(taken.head).toMatchObject({ marked: true, octets: 5 });
  expect(names(taken)).toEqual(['a']);
  expect(whole('From: me\n\n').head?.marked).toBe(false);
});

test('a CR is part of no line end, and an empty name is none', () => {
  expect(names(whole('A: b\r\n\r\nB: c\n\n'))).toEqual(['a']);
  expect(names(whole('A: b\n: c\n\n'))).toEqual(['a']);
  expect(names(whole('A\0B: c\n\n'))).toEqual([]);
});

test('the bound is an octet: as much passes, one more does not', () => {
  const header = `A: ${'x'.repeat(6)}\n`; // 10 octets.
  expect(names(whole(`${header}\nbody`, 10))).toEqual(['a']);
  const long = whole(`${header}\nbody`, 9);
  expect(long.head).toBeUndefined();
  expect(long.held).toBe(`${header}\nbody`);
});

test('a long text without a header is no long header', () => {
  const text = `hello\n${'x'.repeat(5000)}\n`;
  expect(whole(text)).toMatchObject({ body: text, head: { fields: [], separated: false } });
  expect(collect(Buffer.from(text), [7]).body).toBe(text);
});

test('fieldValue unfolds and reads UTF-8', () => {
  const raw = Buffer.from('Subject:  ä\n\t b \n');
  expect(fieldValue({ name: 'subject', raw })).toBe('ä\t b');
});

/** The header's octets again: what a collector took apart. */
function together({ head, body }: Taken): string {
  const fields = (head?.fields ?? []).map(({ raw }) => raw.toString('latin1')).join('');
  return fields + (head?.separated === true ? '\n' : '') + body;
}

const LINES = fc.array(
  fc.constantFrom('A: b', 'Subject: x', ' folded', '', 'text', 'B\t: c', ': d', 'x\r', '\r', '\tc'),
  { maxLength: 12 },
);

test('whatever comes, in whatever pieces: no octet is lost, and pieces change nothing', () => {
  fc.assert(
    fc.property(
      LINES,
      fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 8 }),
      (lines, sizes) => {
        const message = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const taken = collect(message, sizes);
        expect(together(taken)).toBe(message.toString('latin1'));
        const once = collect(message, [message.length]);
        expect(names(taken)).toEqual(names(once));
        expect(taken.head?.separated).toBe(once.head?.separated);
      },
    ),
    { numRuns: 2000 },
  );
});
