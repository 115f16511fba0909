import { expect, test } from 'vitest';
import { defaults, type OptionTable } from './options.ts';
import { renderManual } from './manual.ts';
import { nearest } from './suggest.ts';
import { parseSettings } from './settings.ts';
import { formatValue, isAddressRange, parseValue } from './values.ts';

const A = {
  'smtp.recipients.max': { kind: 'count', default: 1000, min: 100, max: 50_000, doc: 'Many.' },
  'smtp.message.max': {
    kind: 'bytes',
    default: 52_428_800,
    min: 65_536,
    max: 1_073_741_824,
    doc: 'Announced as SIZE.',
  },
  'smtp.command.timeout': {
    kind: 'duration',
    default: 300_000,
    min: 1000,
    max: 3_600_000,
    doc: 'Wait.',
  },
} as const satisfies OptionTable;
const B = {
  'pop3.sessions': { kind: 'choice', default: 'shared', values: ['shared', 'exclusive'], doc: 'x' },
  'net.exempt': { kind: 'list', of: 'address-range', default: ['127.0.0.0/8'], doc: 'Exempt.' },
  'net.peers': { kind: 'list', of: 'address-port', default: [], doc: 'Asked.' },
  'net.banner': { kind: 'text', default: '', doc: 'Shown.' },
} as const satisfies OptionTable;

const GOOD: readonly [option: keyof typeof A | keyof typeof B, given: unknown, value: unknown][] = [
  ['smtp.recipients.max', '100', 100],
  ['smtp.recipients.max', 50_000, 50_000],
  ['smtp.message.max', '64KiB', 65_536],
  ['smtp.message.max', '65536', 65_536],
  ['smtp.message.max', '65536B', 65_536],
  ['smtp.message.max', '50MB', 50_000_000],
  ['smtp.message.max', '50 MB', 50_000_000],
  ['smtp.message.max', '1.5MiB', 1_572_864],
  ['smtp.message.max', '1GiB', 1_073_741_824],
  ['smtp.message.max', '100kB', 100_000],
  ['smtp.command.timeout', '5m', 300_000],
  ['smtp.command.timeout', '30s', 30_000],
  ['smtp.command.timeout', '1000ms', 1000],
  ['smtp.command.timeout', '59m 59s', 3_599_000],
  ['smtp.command.timeout', '1h', 3_600_000],
  ['pop3.sessions', 'exclusive', 'exclusive'],
  ['net.exempt', '10.0.0.0/8, fd00::/8', ['10.0.0.0/8', 'fd00::/8']],
  ['net.exempt', ['192.0.2.7', '::1'], ['192.0.2.7', '::1']],
  ['net.exempt', '', []],
  ['net.peers', '192.0.2.1, 192.0.2.1:53 ::1', ['192.0.2.1', '192.0.2.1:53', '::1']],
  ['net.peers', '[::1]:5353 [::1]', ['[::1]:5353', '[::1]']],
  ['net.banner', 'Welcome to the farm', 'Welcome to the farm'],
];

test.for(GOOD)('%s takes %j as %j', ([name, given, value]) => {
  const { values, problems } = parseSettings([A, B], [[name, given]]);
  expect(problems).toEqual([]);
  expect(values[name]).toEqual(value);
});

const BAD: readonly [option: string, given: unknown, message: RegExp][] = [
  ['smtp.recipients.max', '99', /^smtp\.recipients\.max: "99" is not within 100 to 50000$/],
  ['smtp.recipients.max', 50_001, /50001 is not within 100 to 50000$/],
  ['smtp.recipients.max', 'many', /"many" is not a whole number, 100 to 50000$/],
  ['smtp.recipients.max', '1e3', /not a whole number/],
  ['smtp.recipients.max', 1000.5, /not a whole number/],
  ['smtp.recipients.max', '9999999999999999999', /not a whole number/],
  ['smtp.recipients.max', Number.NaN, /not a whole number/],
  ['smtp.message.max', '64K', /"64K" is not a size such as 64KiB or 50MB, 64KiB to 1GiB$/],
  ['smtp.message.max', '63KiB', /not within 64KiB to 1GiB$/],
  ['smtp.message.max', '-1', /not a size/],
  ['smtp.message.max', '2TiB', /not within/],
  [
    'smtp.command.timeout',
    '300000',
    /is not a duration such as 250ms, 30s, 5m or 1h30m, 1s to 1h$/,
  ],
  ['smtp.command.timeout', 30, /30 is not a duration/],
  ['smtp.command.timeout', '999ms', /is not within 1s to 1h$/],
  ['smtp.command.timeout', '5 minutes', /not a duration/],
  ['smtp.command.timeout', '1h1', /not a duration/],
  ['smtp.command.timeout', '', /not a duration/],
  ['pop3.sessions', 'Exclusive', /"Exclusive" is not one of shared, exclusive$/],
  ['net.exempt', '10.0.0.0/33', /is not a list of addresses or CIDR ranges \(10\.0\.0\.0\/33\)$/],
  ['net.exempt', ['localhost'], /\(localhost\)$/],
  ['net.peers', 'dns.example.net', /is not a list of ADDRESS, ADDRESS:PORT .*\(dns\.example/],
  ['net.peers', '192.0.2.1:0, 192.0.2.1:65536, [192.0.2.1]:53', /\(\S+, \S+, \S+\)$/],
  ['net.peers', '[::1]:, ::1]:53, 1.2.3, [], :53', /\(\S+, \S+, \S+, \S+, \S+\)$/],
  ['net.exempt', 7, /is not a list/],
  ['net.banner', 'a\r\nb', /^net\.banner: "a\\r\\nb" is not a text on one line$/],
  ['net.banner', 5, /5 is not a text/],
  [
    'smtp.mesage.max',
    '50MB',
    /^"smtp\.mesage\.max" is not an option; did you mean smtp\.message\.max\?$/,
  ],
  ['__proto__', 'x', /^"__proto__" is not an option$/],
  ['constructor', 'x', /is not an option$/],
  ['evil\u001b[31m\u009b', 'x', /^"evil\\u001b\[31m\\u009b" is not an option$/],
];

test.for(BAD)('%s refuses %j', ([name, given, message]) => {
  const { values, problems } = parseSettings([A, B], [[name, given]]);
  expect(problems).toHaveLength(1);
  expect(problems[0]?.message).toMatch(message);
  expect(problems[0]?.isUnknown).toBe(message.source.includes('is not an option'));
  expect(values).toEqual({ ...defaults(A), ...defaults(B) }); // The default stays.
});

test('every problem is reported in one run', () => {
  const { problems } = parseSettings(
    [A, B],
    BAD.map(([name, given]): [string, unknown] => [name, given]),
  );
  expect(problems.length).toBeGreaterThanOrEqual(BAD.length);
});

test('an option set twice is a problem', () => {
  const { problems } = parseSettings(
    [B],
    [
      ['net.banner', 'a'],
      ['net.banner', 'b'],
    ],
  );
  const message = 'net.banner is set twice';
  expect(problems).toEqual([{ name: 'net.banner', isUnknown: false, message }]);
});

test('two tables cannot declare one name', () => {
  expect(() => parseSettings([A, A], [])).toThrow('declared in two tables');
});

test('what is formatted reads back the same', () => {
  for (const row of Object.values({ ...A, ...B })) {
    expect(parseValue(row, formatValue(row, row.default))).toEqual({
      ok: true,
      value: row.default,
    });
  }
  const row = A['smtp.message.max'];
  const values = [65_536, 65_537, 1_000_000, 1_048_576, 1_073_741_824];
  const texts = ['64KiB', '65537B', '1MB', '1MiB', '1GiB'];
  expect(values.map((value) => formatValue(row, value))).toEqual(texts);
});

test('ranges', () => {
  const good = ['10.0.0.0/8', '::1', 'fd00::/8', '0.0.0.0/0', '::/0', '192.0.2.1/32'];
  const bad = ['10.0.0.0/', '10/8', '::/129', 'fe80::1%eth0', '1.2.3.4/8/8', '1.2.3.4/-1', ''];
  expect(good.filter((text) => !isAddressRange(text))).toEqual([]);
  expect(bad.filter((text) => isAddressRange(text))).toEqual([]);
});

test('the nearest name is suggested, a far one is not, a huge one costs nothing', () => {
  expect(nearest('smtp.recipient.max', Object.keys(A))).toBe('smtp.recipients.max');
  expect(nearest('xyz', Object.keys(A))).toBeUndefined();
  expect(nearest('s'.repeat(1e6), Object.keys(A))).toBeUndefined();
});

test('the manual names each option with kind, default, bounds and prose', () => {
  const manual = renderManual([
    { title: 'SMTP', table: A },
    { title: 'Others', table: B },
  ]);
  expect(manual.match(/^# /gm)).toHaveLength(1);
  expect(manual).toContain(
    '### smtp.message.max\n\nSize; default `50MiB`; `64KiB` to `1GiB`.\n\nAnnounced as SIZE.\n',
  );
  expect(manual).toContain('Choice; default `shared`; one of `shared`, `exclusive`.');
  for (const name of Object.keys({ ...A, ...B })) expect(manual).toContain(`### ${name}\n`);
});
