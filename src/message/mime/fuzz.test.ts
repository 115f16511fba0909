import fc from 'fast-check';
import { expect, test } from 'vitest';
import { htmlToText } from './html-text.ts';
import { parseMessage } from './parse.ts';
import { checkParsed, inPieces } from './testing.ts';
import { decodeTransfer, transferDecoder } from './transfer.ts';
import type { LineEnds } from './types.ts';

const numRuns = Math.ceil(Number(process.env['MAILFARM_FUZZ_RUNS'] ?? 4_000) / 16);
const seeded =
  process.env['FUZZ_SEED'] === undefined ? {} : { seed: Number(process.env['FUZZ_SEED']) };
const options = { numRuns, ...seeded };

/** What structure is made of, and rubbish. */
const token = fc.oneof(
  fc.constantFrom(
    '\n',
    '\r\n',
    '\n\n',
    '\r\n\r\n',
    '\r',
    '--a',
    '--b',
    '--a--',
    '--b--',
    '--',
    '-',
    ' ',
    ';',

    'Content-Type: multipart/mixed; boundary=a\n',
    'Content-Type: multipart/digest; boundary=b\r\n',

    'Content-Type: multipart/mixed; boundary=a\n\n--a\n',
    'Content-Type: multipart/digest; boundary=b\r\n\n--b\n\n',
    'Content-Type: message/rfc822\n',
    'content-type: text/html\n\n',
    'Content-Type: multipart/x\n',

    'Subject: ',
    'From: ',
    'To: ',
    'Date: 1 Jan 2026 00:00 +0100\n',
    'References: <a@b> <c@d>\n',

    '=?utf-8?Q?=C3?=',
    '"',
    '(',
    '<',
    '>',
    '@',
    ':',
    ',',
    'From me\n',
    'text',
    ' folded\n',
    '\t',

    '\u00e4',
    '\xff',
    '\0',
    'Content-Transfer-Encoding: base64\n',
    'QUJD',
    '=',
    "Content-Disposition: attachment; filename*0*=utf-8''%C3;",
    'filename*1*=%A4\n',
    '*',
  ),
  fc.string({ maxLength: 12 }),
);
const message = fc
  .array(token, { maxLength: 60 })
  .map((tokens) => Buffer.from(tokens.join(''), 'latin1'));
const lineEnds = fc.constantFrom<LineEnds>('every-lf', 'bare-lf');

test('whatever a message is, its parts lie where they are said to lie, in pieces of any size too', () => {
  fc.assert(
    fc.property(message, lineEnds, fc.constantFrom(1, 3, 17), (stored, ends, size) => {
      const parsed = parseMessage(stored, ends);
      checkParsed(stored, parsed, ends);
      expect(inPieces(stored, size, ends)).toStrictEqual(parsed);
    }),
    options,
  );
});

test('a body decodes to the same in pieces of any size, whatever it is', () => {
  const body = fc
    .array(
      fc.constantFrom(
        '=',
        '=\n',
        '= \r\n',
        '=C3',
        '=a',
        ' ',
        '\t',
        '\n',
        '\r\n',
        'QUJD',
        'RA==',
        '\xff',
        '-',
      ),
    )
    .map((tokens) => Buffer.from(tokens.join(''), 'latin1'));
  const encoding = fc.constantFrom('base64', 'quoted-printable', '8bit');
  fc.assert(
    fc.property(body, encoding, fc.integer({ min: 1, max: 7 }), (bytes, name, size) => {
      const decoder = transferDecoder(name);
      const out: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        out.push(Buffer.from(decoder.push(bytes.subarray(at, at + size))));
      }
      out.push(decoder.end());
      expect(Buffer.concat(out).toString('latin1')).toBe(
        decodeTransfer(name, bytes).toString('latin1'),
      );
    }),
    options,
  );
});

// Each would take hours if its time grew with the square of its length.
const LONG = 400_000;
test.each<[string, string]>([
  ['delimiters', `Content-Type: multipart/mixed; boundary=a\n\n${'--a\n'.repeat(LONG)}`],
  ['nested multiparts', 'Content-Type: multipart/mixed; boundary=a\n\n--a\n'.repeat(LONG / 40)],
  ['nested messages', 'Content-Type: message/rfc822\n\n'.repeat(LONG / 20)],
  ['hyphens', `Content-Type: multipart/mixed; boundary=a\n\n${'--\n'.repeat(LONG)}`],
  ['folds', `Subject: a\n${' b\n'.repeat(LONG)}\n`],
  ['fields', `${'To: a@b\n'.repeat(LONG / 4)}\n`],
  ['a line without an end', 'x'.repeat(LONG * 4)],
  ['a field without an end', `Subject: ${'x'.repeat(LONG * 4)}`],
  ...['<', '"', '(', '\\', ',', 'a@', ':', '<@,', '(\\', 'a <b@c> '].map(
    (one): [string, string] => [`addresses of ${one}`, `To: ${one.repeat(LONG)}\n\n`],
  ),
  ...[';', '=', 'a="', ';a=b', ';a*0*=%', ';(', '\\"'].map((one): [string, string] => [
    `parameters of ${one}`,
    `Content-Type: text/plain; a=b${one.repeat(LONG)}\nContent-Disposition: x${one.repeat(LONG)}\n\n`,
  ]),
  ...['<', '>', '<a@b', '< '].map((one): [string, string] => [
    `references of ${one}`,
    `References: ${one.repeat(LONG)}\n\n`,
  ]),
])('time grows with the octets alone: %s', (_, text) => {
  const stored = Buffer.from(text);
  const parsed = parseMessage(stored, 'bare-lf');
  expect(parsed.structure.body.end).toBe(stored.length);
});

test.each(['<', '<a ', '<a "', '&', '&#', '<!--', '<style>', '</', '<a \'"', '<script></script '])(
  'text of HTML that is %s again and again',
  (one) => {
    expect(htmlToText(one.repeat(LONG / 4)).length).toBeLessThanOrEqual(one.length * LONG);
  },
);
