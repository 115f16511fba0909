import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { corpus } from '../../../test/fixtures/corpus.ts';
import { decodeWords } from '../encoded-word.ts';
import { mailAddresses } from './addresses.ts';
import { parseDate } from './date.ts';
import { htmlToText } from './html-text.ts';
import { withParameters } from './parameters.ts';
import { DEPTH_MAX, parseHead, parseMessage, PARTS_MAX } from './parse.ts';
import { checkParsed, inPieces } from './testing.ts';
import { decodeTransfer } from './transfer.ts';
import type { Extent, LineEnds, MimePart } from './types.ts';

const parsed = (text: string, ends: LineEnds = 'every-lf'): MimePart =>
  parseMessage(Buffer.from(text, 'latin1'), ends).structure;

/** `multipart/mixed(text/plain text/html)`. */
const shape = (part: MimePart): string => {
  const inner = part.message ? [part.message.part] : part.parts;
  const own = `${part.type}/${part.subtype}`;
  return inner.length === 0 ? own : `${own}(${inner.map(shape).join(' ')})`;
};

test('parts lie where they are said to lie, as stored and on the wire', () => {
  const text =
    'Subject: x\nContent-Type: multipart/mixed; boundary="a b"\n\npreamble\n--a b\n\none\ntwo\n' +
    '--a b  \nContent-Type: message/rfc822\n\nSubject: inner\n\nbody\n--a b--\nepilogue\n';
  const cut = ({ offset, end }: Extent): string => text.slice(offset, end);
  const structure = parsed(text);
  const [one, two] = structure.parts as [MimePart, MimePart];
  expect(cut(structure.header)).toBe(text.slice(0, text.indexOf('preamble')));
  expect(cut(one.header)).toBe('\n');
  expect(cut(one.body)).toBe('one\ntwo');
  expect(one.body.wireOctets).toBe(8);
  expect(one.lines).toBe(1);
  expect(cut(two.body)).toBe('Subject: inner\n\nbody');
  expect(two.message?.envelope.subject).toBe('inner');
  expect(cut((two.message as NonNullable<MimePart['message']>).part.body)).toBe('body');
  expect(parseMessage(Buffer.from(text), 'every-lf').octets).toBe(
    text.replaceAll('\n', '\r\n').length,
  );
});

const MIXED = 'Content-Type: multipart/mixed; boundary=a\n\n';

test.each<[string, string, string]>([
  ['nothing', '', 'text/plain'],
  ['no header', '\nbody', 'text/plain'],
  ['rubbish as a type', 'Content-Type: rubbish\n\n', 'text/plain'],
  ['a type with a comment', 'Content-Type: TEXT/Html (yes); charset=x\n\n', 'text/html'],
  ['a multipart without a boundary', 'Content-Type: multipart/mixed\n\n--\n', 'multipart/mixed'],
  ['no delimiter', `${MIXED}text`, 'multipart/mixed'],
  ['a delimiter at the end', `${MIXED}--a`, 'multipart/mixed(text/plain)'],
  ['a delimiter that only begins like one', `${MIXED}--a\n\n--ab\n`, 'multipart/mixed(text/plain)'],
  ['no end', `${MIXED}--a\n\n1\n--a\n\n2`, 'multipart/mixed(text/plain text/plain)'],
  ['text behind the end', `${MIXED}--a\n\n1\n--a--\n--a\n\n2`, 'multipart/mixed(text/plain)'],
  [
    'a header cut by a delimiter',
    `${MIXED}--a\nContent-Type: text/x\n--a--`,
    'multipart/mixed(text/x)',
  ],
  [
    'one that ends with the one around it',
    `${MIXED}--a\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\n1\n--a\n\n2\n--a--`,
    'multipart/mixed(multipart/alternative(text/plain) text/plain)',
  ],
  [
    'the same boundary inside',
    `${MIXED}--a\n${MIXED}--a\n\n1\n--a--\n--a\n\n2\n--a--`,
    'multipart/mixed(multipart/mixed(text/plain) text/plain)',
  ],
  [
    'a digest',
    'Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: x\n\n1\n--a--',
    'multipart/digest(message/rfc822(text/plain))',
  ],
  [
    'a boundary over a fold',
    'Content-Type: multipart/mixed;\n boundary=a\n\n--a\n\n',
    'multipart/mixed(text/plain)',
  ],
])('RFC 2046: the parts of %s', (_, text, expected) => {
  expect(shape(parsed(text))).toBe(expected);
  expect(shape(parsed(text.replaceAll('\n', '\r\n'), 'bare-lf'))).toBe(expected);
});

test('the blank line of a header that a delimiter follows is of the header, and within its parents', () => {
  const inner = 'Content-Type: multipart/mixed; boundary=b\n\n';
  const stored = Buffer.from(`${MIXED}--a\n${inner}--b\nX: y\n\n--a--\n`);
  checkParsed(stored, parseMessage(stored, 'every-lf'), 'every-lf');
});

test('in a file of ours a CR is text, in one of others it may end a line', () => {
  const stored = Buffer.from('Subject: a\r\n\r\nbody\r\n');
  const other = parseMessage(stored, 'bare-lf');
  expect([other.header.end, other.octets]).toEqual([14, 20]);
  const ours = parseMessage(stored, 'every-lf');
  // The line of a CR alone is neither blank nor a field: text begins there.
  expect([ours.header.end, ours.octets]).toEqual([12, 23]);
});

test('depth and number of parts are bounded, and nothing is lost at the edge', () => {
  const nested = (depth: number): number => {
    let part: MimePart | undefined = parsed('Content-Type: message/rfc822\n\n'.repeat(depth));
    let found = 0;
    for (; part?.message; part = part.message.part) found += 1;
    return found;
  };
  expect(nested(DEPTH_MAX)).toBe(DEPTH_MAX);
  expect(nested(DEPTH_MAX + 50)).toBe(DEPTH_MAX);
  const many = (count: number): MimePart => parsed(`${MIXED}${'--a\n\nx\n'.repeat(count)}--a--\n`);
  expect(many(PARTS_MAX - 1).parts).toHaveLength(PARTS_MAX - 1);
  const over = many(PARTS_MAX + 5);
  expect(over.parts).toHaveLength(PARTS_MAX - 1);
  expect(over.parts.at(-1)?.body.wireOctets).toBe(2 + 6 * 7 - 1 + 6 * 3);
});

test('a head is read from the start of a file, or it is said that there is more', () => {
  const stored = Buffer.from('Subject: x\nTo: a@b\n\nbody');
  for (let length = 0; length < stored.length; length++) {
    const head = parseHead(stored.subarray(0, length), 'every-lf', 'start');
    if (length < 20) expect(head).toBeUndefined();
    else expect(head?.header).toEqual({ offset: 0, end: 20, wireOctets: 23 });
  }
  expect(parseHead(stored.subarray(0, 10), 'every-lf', 'all')?.header.end).toBe(10);
});

test('the corpus: everything holds, in pieces of 1, 3 and 17 octets too', () => {
  for (const { wire } of corpus({ count: 80, seed: 7, folder: '' })) {
    const forms: [Buffer, LineEnds][] = [
      [Buffer.from(wire.toString('latin1').replaceAll('\r\n', '\n'), 'latin1'), 'every-lf'],
      [wire, 'bare-lf'],
    ];
    for (const [stored, ends] of forms) {
      const whole = parseMessage(stored, ends);
      expect(whole.octets).toBe(wire.length);
      if (stored.length > 10_000) continue;
      checkParsed(stored, whole, ends);
      for (const size of [1, 3, 17]) expect(inPieces(stored, size, ends)).toStrictEqual(whole);
    }
  }
});

test.each<[string, (string | undefined)[][]]>([
  ['a@b', [[undefined, 'a', 'b']]],
  [
    'A B <a@b>, "C, D" <c@d>',
    [
      ['A B', 'a', 'b'],
      ['C, D', 'c', 'd'],
    ],
  ],
  ['a@b (A B)', [['A B', 'a', 'b']]],
  ['"q \\" r" <a@b>', [['q " r', 'a', 'b']]],
  ['=?utf-8?Q?=C3=A4?= =?utf-8?Q?b?= <a@b>', [['=?utf-8?Q?=C3=A4?= =?utf-8?Q?b?=', 'a', 'b']]],
  ['<@x,@y:a@b>', [[undefined, 'a', 'b']]],
  ['"john doe"@b', [[undefined, 'john doe', 'b']]],
  ['<"a@b"@c>', [[undefined, 'a@b', 'c']]],
  ['a (x (y) z) @ b (c)', [['c', 'a', 'b']]],
  ['a . b @ c . d', [[undefined, 'a.b', 'c.d']]],
  ['John Doe john@b', [['John Doe', 'john', 'b']]],
  ['a@[127.0.0.1]', [[undefined, 'a', '[127.0.0.1]']]],
  ['undisclosed recipients', [[undefined, 'undisclosed recipients', '']]],
  [
    'G: a@b, C <c@d>;, e@f',
    [
      [undefined, 'G', undefined],
      [undefined, 'a', 'b'],
      ['C', 'c', 'd'],
      [undefined, undefined, undefined],
      [undefined, 'e', 'f'],
    ],
  ],
  [
    'undisclosed-recipients:;',
    [
      [undefined, 'undisclosed-recipients', undefined],
      [undefined, undefined, undefined],
    ],
  ],
  ['A <a@b', [['A', 'a', 'b']]],
  [
    'A <a@b> B <c@d>',
    [
      ['A', 'a', 'b'],
      ['B', 'c', 'd'],
    ],
  ],
  ['ceo@bank.test <me@b>', [['ceo@bank.test', 'me', 'b']]],
  ['A <>', [['A', '', '']]],
  [',,;,', []],
  ['<>', []],
])('RFC 5322 \u00a73.4: the addresses of %s', (value, expected) => {
  const given = mailAddresses(value).map(({ name, local, domain }) => [name, local, domain]);
  expect(given).toEqual(expected);
});

test.each<[string, string, [string, string][]]>([
  ['text/plain', 'text/plain', []],
  ['Text/Plain; Charset="UTF-8"', 'text/plain', [['charset', 'UTF-8']]],
  [
    'a/b; name=My File (draft).pdf; x=1',
    'a/b',
    [
      ['name', 'My File.pdf'],
      ['x', '1'],
    ],
  ],
  ['a/b; name="a;\\"b"', 'a/b', [['name', 'a;"b']]],
  ["a/b; name*=utf-8'en'%e2%82%ac%20rates", 'a/b', [['name', '\u20ac rates']]],
  ["a/b; name=old; name*=iso-8859-1''%e4", 'a/b', [['name', '\u00e4']]],
  ['a/b; n*1*=%b6; n*0*=utf-8\'\'%c3; n*2=" z"', 'a/b', [['n', '\u00f6 z']]],
  ['a/b; URL*0="ftp://"; URL*1="x"', 'a/b', [['url', 'ftp://x']]],
  ["a/b; n*=no-such''%ff", 'a/b', [['n', '\u00ff']]],
  ['a/b;;; =x; y', 'a/b', []],
  ['a/b; x="no end', 'a/b', [['x', 'no end']]],
  ['a/b; x=1; x=2', 'a/b', [['x', '1']]],
])('RFC 2045 \u00a75.1, RFC 2231: %s', (field, value, parameters) => {
  expect(withParameters(field)).toEqual({ value, parameters });
});

test.each<[string, string, string]>([
  ['base64', 'QUJD\nREVG', 'ABCDEF'],
  ['base64', 'Q!U*JD=', 'ABC'],
  ['base64', 'QQ==QkI=', 'ABB'],
  ['base64', 'QUJDR', 'ABC'],
  ['quoted-printable', 'a=\nb=3D=3d  \nc', 'ab==\nc'],
  ['quoted-printable', 'a=zz=', 'a=zz'],
  ['quoted-printable', 'a= \t\r\nb', 'ab'],
  ['8bit', 'a=3D', 'a=3D'],
  ['x-unknown', 'QUJD', 'QUJD'],
])('RFC 2045 \u00a76: %s of %j is %j', (encoding, body, text) => {
  expect(decodeTransfer(encoding, Buffer.from(body)).toString('latin1')).toBe(text);
});

test.each<[string, string | undefined]>([
  ['Sun, 22 Nov 2026 12:00:00 +0100', '2026-11-22T11:00:00'],
  ['22 Nov 26 12:00 EST', '2026-11-22T17:00:00'],
  ['Sunday, 22-Nov-99 12:00:00 GMT', '1999-11-22T12:00:00'],
  ['Sun, 22 Nov 2026 12:00:00 -0800 (PST)', '2026-11-22T20:00:00'],
  ['22 Nov 2026 (comment) 01:02', '2026-11-22T01:02:00'],
  ['32 Nov 2026 12:00', undefined],
  ['22 Foo 2026', undefined],
  ['yesterday', undefined],
])('RFC 5322 \u00a73.3, \u00a74.3: %s', (field, expected) => {
  const time = parseDate(field)?.time;
  expect(time === undefined ? undefined : new Date(time).toISOString().slice(0, 19)).toBe(expected);
});

test.each<[string, string, string]>([
  [
    'plain text',
    'Content-Type: text/plain; charset=iso-8859-1\n\n> quoted\nHello\n\xe4  there',
    'Hello \u00e4 there',
  ],
  ['HTML', 'Content-Type: text/html\n\n<style>x{}</style><p>A&amp;B<br>C', 'A&B C'],
  ['no attachment', `${MIXED}--a\nContent-Disposition: attachment\n\nno\n--a\n\nyes\n--a--`, 'yes'],
  [
    'the first that says something',
    `${MIXED}--a\n\n \n--a\nContent-Type: text/html\n\n<b>yes</b>\n--a--`,
    'yes',
  ],
  ['one line without controls', '\n\na\x1b[2J\u0007b', 'a [2J b'],
])('a preview shows %s', (_, text, preview) => {
  expect(parseMessage(Buffer.from(text, 'latin1'), 'every-lf').preview).toBe(preview);
});

test('a preview is 200 characters at most, whole ones', () => {
  const { preview } = parseMessage(Buffer.from(`\n${'\u{1f4ec}'.repeat(400)}`), 'every-lf');
  expect(Array.from(preview)).toHaveLength(200);
  expect(preview.isWellFormed()).toBe(true);
});

test('HTML is text without tags, scripts and comments', () => {
  expect(htmlToText('a<!-- <b> -->b<SCRIPT>x<</Script>c 1 < 2 &lt;i&gt; &#228;&#xe4;&nope;')).toBe(
    'abc 1 < 2 <i> \u00e4\u00e4&nope;',
  );
  expect(htmlToText('<a title=">">x</a><div>y</div>').trim()).toBe('x\ny');
  expect(htmlToText('\u0130<style>z</style>w')).toBe('\u0130w');
});

const python = spawnSync('python3', ['-c', 'import email']).status === 0;
const SCRIPT = `
import base64, email, email.header, json, sys
def shape(part):
    inner = part.get_payload() if part.is_multipart() else []
    own = part.get_content_type()
    return own if not inner else own + "(" + " ".join(shape(one) for one in inner) + ")"
out = []
for line in sys.stdin:
    message = email.message_from_bytes(base64.b64decode(line))
    subject = message["subject"]
    out.append([shape(message), str(subject) if subject is not None else None])
print(json.dumps(out))
`;
/** Python reads on where a header has a line that is no field, or a bare CR for a line end. */
const OTHERWISE = new RegExp(
  'delivery report|NUL|CR|broken|folded|octet|8-bit|From_|no blank line|dot|' +
    'invalid MIME|latin|utf-8|LF',
);

test.skipIf(!python)('Python sees the same parts and subjects in the corpus', () => {
  const messages = corpus({ count: 120, seed: 11, folder: '' });
  const compared = messages.filter(({ kind }) => !OTHERWISE.test(kind));
  expect(compared.length).toBeGreaterThan(60);
  const input = compared.map(({ wire }) => wire.toString('base64')).join('\n');
  const { stdout } = spawnSync('python3', ['-c', SCRIPT], { input: `${input}\n`, maxBuffer: 1e9 });
  const theirs = JSON.parse(stdout.toString()) as [string, string | null][];
  for (const [at, { wire, name }] of compared.entries()) {
    const { structure, envelope } = parseMessage(wire, 'bare-lf');
    const own = [
      shape(structure),
      envelope.subject === undefined ? null : decodeWords(envelope.subject),
    ];
    const [parts = '', subject] = theirs[at] ?? [];
    expect([name, ...own]).toEqual([name, parts, subject?.replace(/\r?\n/g, '').trim() ?? null]);
  }
});
