import { expect, test } from 'vitest';
import { etrnNames, etrnSourceIsSafe, mayEtrn, parseEtrn } from './etrn.ts';
import { memoryAccount, memoryDirectory } from './memory.ts';
import { formatTransport, parseTransport, selectorIsSafe, vacationOf } from './transport.ts';

test.each([
  ['example.test', { domain: 'example.test', below: false }],
  ['@Example.TEST', { domain: 'example.test', below: true }],
  ['bücher.test', { domain: 'xn--bcher-kva.test', below: false }],
  ['@', undefined],
  ['@@example.test', undefined],
  ['#queue', undefined],
  ['a b', undefined],
  ['', undefined],
  ['.', undefined],
])('an ETRN of %j', (argument, wanted) => {
  expect(parseEtrn(argument)).toEqual(wanted);
});

test('below a domain is a matter of whole labels', () => {
  const named = { domain: 'example.test', below: true };
  expect(
    ['example.test', 'a.example.test', 'b.a.example.test'].map((n) => etrnNames(named, n)),
  ).toEqual([true, true, true]);
  expect(['xexample.test', 'test', 'example.test.evil'].map((n) => etrnNames(named, n))).toEqual([
    false,
    false,
    false,
  ]);
});

test('[S4-15] who may ask: by address, by network, by login; a value that is broken lets nobody in', () => {
  const etrnFrom = [
    '192.0.2.7',
    '198.51.100.0/24',
    '2001:db8::/32',
    'Tevie@Example.test',
    'broken',
    '0.0.0.0/99',
    '',
  ];
  const may = (who: Parameters<typeof mayEtrn>[1]): boolean => mayEtrn({ etrnFrom }, who);
  for (const address of [
    '192.0.2.7',
    '::ffff:192.0.2.7',
    '198.51.100.255',
    '2001:db8:1::5',
    '2001:DB8::1%eth0',
  ]) {
    expect(may({ address }), address).toBe(true);
  }
  for (const address of ['192.0.2.8', '203.0.113.1', '::1', 'broken', '', '192.0.2.7.evil.test']) {
    expect(may({ address }), address).toBe(false);
  }
  expect(may({ login: 'tevie@EXAMPLE.test' })).toBe(true);
  for (const login of ['tevie', 'tevie+x@example.test', 'xtevie@example.test', '', '192.0.2.7']) {
    expect(may({ login }), login).toBe(false);
  }
  expect(may({})).toBe(false);
  expect(mayEtrn({ etrnFrom: [] }, { address: '127.0.0.1', login: 'tevie@example.test' })).toBe(
    false,
  );
  expect(etrnFrom.map(etrnSourceIsSafe)).toEqual([true, true, true, true, false, false, false]);
});

test.each([
  ['mx', { kind: 'mx' }, 'mx'],
  [' MX ', { kind: 'mx' }, 'mx'],
  [
    'Mail.Example.test:2525',
    { kind: 'host', host: 'mail.example.test', port: 2525, protocol: 'smtp' },
    undefined,
  ],
  [
    'lmtp:[2001:DB8::1]:24',
    { kind: 'host', host: '2001:db8::1', port: 24, protocol: 'lmtp' },
    undefined,
  ],
  ['192.0.2.1:25', { kind: 'host', host: '192.0.2.1', port: 25, protocol: 'smtp' }, undefined],
])('a transport %j', (text, wanted, printed) => {
  const transport = parseTransport(text);
  expect(transport).toEqual(wanted);
  expect(transport && formatTransport(transport)).toBe(printed ?? text.toLowerCase());
});

test.each([
  '',
  'host',
  'host:',
  ':25',
  'a:b',
  'a:70000',
  'lmtp:mx',
  '[::1]',
  '::1:25',
  '[fe80::1%eth0]:25',
  'a\0b:25',
  'a b:25',
  '[1.2.3.4]:25',
])('no transport: %j', (text) => {
  expect(parseTransport(text)).toBeUndefined();
});

test('a selector is labels of a name, nothing that ends one', () => {
  for (const good of ['s1', 'k2027', 'a-b', 'mail.s1'])
    expect(selectorIsSafe(good), good).toBe(true);
  for (const bad of ['', '-a', 'a-', 'a_b', 'a..b', '.a', 'a;b', 'a b', 'A'.repeat(64), 'a/../b']) {
    expect(selectorIsSafe(bad), bad).toBe(false);
  }
});

test('an answer in absence that cannot be read is none: nobody’s mail waits for it', () => {
  const nothing = { subject: undefined, from: undefined, until: undefined };
  expect(vacationOf({ ...nothing, text: 'a\r\nb\rc' })?.text).toBe('a\nb\nc');
  for (const text of [undefined, '', '  \n', 'x'.repeat(8_193)]) {
    expect(vacationOf({ ...nothing, text })).toBeUndefined();
  }
  expect(vacationOf({ ...nothing, text: 'x', from: 'soon' })).toBeUndefined();
  expect(vacationOf({ ...nothing, text: 'x', until: '20269999000000Z' })).toBeUndefined();
  const subject = 'Away\r\nBcc: victim@far.test';
  expect(vacationOf({ ...nothing, text: 'x', subject })?.subject).toBe('Away Bcc: victim@far.test');
  expect(vacationOf({ ...nothing, text: 'x', subject: 'y'.repeat(501) })?.subject).toBeUndefined();
});

test('[S3-14] nobody and nothing in a customer’s domain is ours: users, lists, rules, catch-alls', async () => {
  const ghost = memoryAccount({ login: 'ghost@customer.test' });
  const anna = memoryAccount({
    login: 'anna@example.test',
    addresses: ['anna@customer.test'],
    forwards: ['ghost@customer.test', 'anna@customer.test'],
  });
  const directory = memoryDirectory({
    accounts: [ghost, anna],
    domains: [
      'example.test',
      {
        name: 'customer.test',
        transport: { kind: 'mx' },
        catchAll: 'anna@example.test',
        all: 'anyone',
      },
      { name: 'again.test', aliasOf: 'customer.test' },
    ],
    rules: [
      { name: 'r', order: 1, pattern: '.*', target: { kind: 'host', host: 'h.test', port: 25 } },
    ],
    administrators: ['anna@example.test'],
  });
  const remote = (address: string, fallback?: unknown): unknown => ({
    kind: 'expanded',
    destinations: [{ kind: 'remote', address, fallback }],
    list: undefined,
    moderated: false,
  });
  for (const local of ['ghost', 'anna', 'anna+x', 'nobody', 'all', 'postmaster', '"a b"', 'Groß']) {
    expect(await directory.resolve(`${local}@customer.test`)).toEqual(
      remote(`${local}@customer.test`),
    );
    expect(await directory.resolve(`${local}@Again.test`)).toEqual(
      remote(`${local}@customer.test`),
    );
  }
  // A user's forwards through it leave, with the user's mailbox as the last resort.
  expect(await directory.resolve('anna@example.test')).toEqual({
    kind: 'expanded',
    destinations: ['ghost', 'anna'].map((local) => ({
      kind: 'remote',
      address: `${local}@customer.test`,
      fallback: [anna],
    })),
    list: undefined,
    moderated: false,
  });
});
