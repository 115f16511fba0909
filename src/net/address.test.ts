import { expect, test } from 'vitest';
import * as address from './address.ts';

const PLAIN: readonly [given: string, plain: string][] = [
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:192.0.2.1', '192.0.2.1'],
  ['192.0.2.1', '192.0.2.1'],
  ['::1', '::1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['::ffff:300.0.0.1', '::ffff:300.0.0.1'],
  ['nonsense', 'nonsense'],
];

test.for(PLAIN)('the plain form of %s is %s', ([given, plain]) => {
  expect(address.normaliseAddress(given)).toBe(plain);
});

test('IPv6 has one spelling (RFC 5952 §4)', () => {
  const given = ['2001:DB8:0:0:1:0:0:1', '0:0:0:0:0:0:0:1', '::ffff:c000:201', '192.0.2.1'];
  expect(given.map(address.canonicalAddress)).toEqual([
    '2001:db8::1:0:0:1',
    '::1',
    '192.0.2.1',
    '192.0.2.1',
  ]);
});

test('ranges hold what lies in them, in any spelling', () => {
  const ranges = address.addressRanges(['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '::1']);
  const inside = ['10.255.0.1', '::ffff:10.1.2.3', '192.0.2.7', 'fd12::1', '::1', '0:0::1'];
  const outside = ['11.0.0.1', '192.0.2.8', 'fe80::1', '::2', '127.0.0.1', 'nonsense', ''];
  expect(inside.filter((a) => !ranges.has(a))).toEqual([]);
  expect(outside.filter((a) => ranges.has(a))).toEqual([]);
  expect(() => address.addressRanges(['localhost'])).toThrow(RangeError);
  expect(address.addressRanges([]).isEmpty && !address.NO_ADDRESSES.has('::1')).toBe(true);
});

const KEYS: readonly [given: string, key: string][] = [
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:2::', '2001:db8:1:2::/64'],
  ['::1', '0:0:0:0::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
];

test.for(KEYS)('a limit counts %s as %s', ([given, key]) => {
  expect(address.limitKey(given)).toBe(key);
});

const LISTEN: readonly [text: string, listen: address.ListenAddress | RegExp][] = [
  ['mx 127.0.0.1:10025', { service: 'mx', host: '127.0.0.1', port: 10_025 }],
  ['pop3s [::1]:10995', { service: 'pop3s', host: '::1', port: 10_995 }],
  ['  POP3   0.0.0.0:110 ', { service: 'pop3', host: '0.0.0.0', port: 110 }],
  ['pop3 *:110', { service: 'pop3', host: '*', port: 110 }],
  ['pop3 [::]:0', { service: 'pop3', host: '::', port: 0 }],
  ['pop3 ::1:110', /is not SERVICE ADDRESS:PORT$/],
  ['pop3 [127.0.0.1]:110', /is not SERVICE ADDRESS:PORT$/],
  ['pop3 localhost:110', /is not SERVICE ADDRESS:PORT$/],
  ['pop3 127.0.0.1', /is not SERVICE ADDRESS:PORT$/],
  ['127.0.0.1:110', /is not SERVICE ADDRESS:PORT$/],
  ['pop3 127.0.0.1:65536', /has a port above 65535$/],
  ['pop3 300.0.0.1:110', /is not SERVICE ADDRESS:PORT$/],
  ['', /is not SERVICE ADDRESS:PORT$/],
];

test.for(LISTEN)('listen value %j', ([text, expected]) => {
  const parsed = address.parseListen(text);
  if (expected instanceof RegExp) expect(parsed).toMatch(expected);
  else expect(parsed).toEqual(expected);
});

test('host and port as one text; loopback', () => {
  expect(address.formatHostPort('127.0.0.1', 25)).toBe('127.0.0.1:25');
  expect(address.formatHostPort('::1', 25)).toBe('[::1]:25');
  const own = ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'];
  const others = ['128.0.0.1', '::2', '10.0.0.1', 'localhost', '127.evil.example'];
  expect(own.filter((a) => !address.isLoopback(a))).toEqual([]);
  expect(others.filter((a) => address.isLoopback(a))).toEqual([]);
});
