import { expect, test } from 'vitest';
import {
  isInternational,
  mailLine,
  parseExtensions,
  rcptLine,
  sizeLimit,
  wireAddress,
  xtext,
} from './parameters.ts';
import type { ClientTransaction } from './types.ts';

const letter: ClientTransaction = {
  sender: 'a@b.test',
  recipients: [],
  wireOctets: 1234,
  smtpUtf8: true,
  eightBit: true,
  ret: 'hdrs',
  envid: 'a+b=c d',
  content: async function* () {},
};

test('EHLO keywords in any case, odd lines left out', () => {
  const found = parseExtensions(['host', 'size 1000', 'AUTH=LOGIN PLAIN', '8BITMIME', '--', '']);
  expect([...found]).toEqual([
    ['SIZE', ['1000']],
    ['AUTH', ['LOGIN', 'PLAIN']],
    ['8BITMIME', []],
  ]);
  expect(sizeLimit(found)).toBe(1000);
  expect(sizeLimit(parseExtensions(['h', 'SIZE 0']))).toBeUndefined();
  expect(sizeLimit(parseExtensions(['h', 'SIZE 9x']))).toBeUndefined();
});

test('parameters only where they were announced', () => {
  expect(mailLine('a@b.test', letter, parseExtensions(['h']))).toBe('MAIL FROM:<a@b.test>\r\n');
  const all = parseExtensions(['h', 'SIZE', '8BITMIME', 'SMTPUTF8', 'DSN']);
  expect(mailLine('', letter, all)).toBe(
    'MAIL FROM:<> SIZE=1234 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+3Dc+20d\r\n',
  );
  const recipient = { address: 'x@y', original: 'rfc822;x@y', notify: ['delay'] } as const;
  expect(rcptLine('x@y', recipient, all)).toBe('RCPT TO:<x@y> NOTIFY=DELAY ORCPT=rfc822;x@y\r\n');
  expect(rcptLine('x@y', recipient, parseExtensions(['h']))).toBe('RCPT TO:<x@y>\r\n');
});

test('nothing in an address, ENVID or ORCPT ends a line or a path', () => {
  expect(wireAddress('a@b\r\nRCPT TO:<x@y>')).toBeUndefined();
  expect(wireAddress('a@b> SIZE=1')).toBeUndefined();
  expect(wireAddress('"a b"@c.test')).toBe('"a b"@c.test');
  expect(xtext('a\r\nb+=\x7f')).toBe('a+0D+0Ab+2B+3D+7F');
  const dsn = parseExtensions(['h', 'DSN']);
  const original = 'x y;a\r\n';
  expect(rcptLine('x@y', { address: 'x@y', original }, dsn)).toBe('RCPT TO:<x@y>\r\n');
});

test.each([
  '"x"@d.test> NOTIFY=NEVER RET=FULL',
  '"x"@d.test>',
  '"x" y@d.test',
  '"x"y@d.test',
  '"x@d.test',
  '"x\\"@d.test',
  '"x',
  'x@d.test SIZE=1',
  'x@d<.test',
  'x@d>.test',
  'x@d\t.test',
  'x@d.te\u0085st',
  'x@d\uff1e.test', // A full-width sign that an A-label makes a `>`.
  'x@d\u2028.test',
  'x\ud800@d.test',
  'x@',
  'x@-d.test',
  'x@[d.test]',
  'x@[127.0.0.1]>',
  'x@[IPv6:fe80::1%a> SIZE=1]',
  'x@@d.test',
  'x',
  `x@${'d'.repeat(64)}.test`,
  `x@${'d.'.repeat(130)}test`,
  `x@${'b\u00fc'.repeat(31)}.test`, // Too long as an A-label.
  `${'x'.repeat(260)}@d.test`,
])('%j cannot be sent: not one address', (address) => {
  expect(wireAddress(address)).toBeUndefined();
});

test.each(['', 'x@d.test', 'a..b.@d.test', '"a b>\\""@d_1.test', 'x@[IPv6:::1]', 'postmaster'])(
  '%j goes as it is',
  (address) => {
    expect(wireAddress(address)).toBe(address);
  },
);

test('domains go in A-labels; only the local part needs SMTPUTF8', () => {
  expect(wireAddress('bob@bücher.test')).toBe('bob@xn--bcher-kva.test');
  expect(isInternational(wireAddress('bøb@bücher.test') ?? '')).toBe(true);
  expect(isInternational(wireAddress('bob@bücher.test') ?? '')).toBe(false);
});
