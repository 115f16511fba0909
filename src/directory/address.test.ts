import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressKey, addressSpellings, domainKey, keyText, withoutDetail } from './address.ts';
import { memoryAccount, memoryDirectory } from './memory.ts';
import { DirectoryUnavailable } from './types.ts';

test('two ways to write an address have one key', () => {
  const same = [
    'Alice@Example.TEST',
    '"alice"@example.test',
    'alice@example.test.',
    '"\\a\\lice"@EXAMPLE.test',
  ];
  expect(
    new Set(same.map((text) => keyText(addressKey(text) ?? { local: '', domain: '' }))).size,
  ).toBe(1);
  expect(addressKey('"a@b"@c.test')).toEqual({ local: 'a@b', domain: 'c.test' });
});

test('what cannot be an address of ours has no key', () => {
  const none = [
    '',
    '@',
    'a@',
    '@b',
    'a\0@b',
    'a\r@b',
    'a@b..c',
    'a@-b c',
    'a@[127.0.0.1]',
    `a@${'x'.repeat(64)}.test`,
    'x'.repeat(600),
    '\ud800@b',
    'a@b/c',
    'a@b\uff0fc',
    'a@b\uff1fc',
    'a@b\uff03c',
    'a@ü:80',
    'a@ü/c',
    'a@c\uff20ü',
    '""@b',
  ];
  for (const text of none) expect(addressKey(text), JSON.stringify(text)).toBeUndefined();
});

test('a domain is never taken for an address of a host', () => {
  expect(domainKey('127.1')).toBe('127.1');
  expect(domainKey('0x7f.1')).toBe('0x7f.1');
  expect(domainKey('BÜCHER.test')).toBe('xn--bcher-kva.test');
  expect(addressSpellings({ local: 'a', domain: 'xn--bcher-kva.test' })).toEqual([
    'a@xn--bcher-kva.test',
    'a@bücher.test',
  ]);
});

test('a key is its own key, whatever was given', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.domain(), (local, domain) => {
      const key = addressKey(`${local}@${domain}`);
      if (!key) return;
      expect(keyText(key)).toBe(keyText(key).normalize('NFC').toLowerCase());
      const plain = withoutDetail(key);
      if (plain) expect(key.local.startsWith(`${plain.local}+`)).toBe(true);
    }),
    { seed: 1, numRuns: 2_000 },
  );
});

test('[S0-36] the memory directory answers as the one behind LDAP does', async () => {
  const directory = memoryDirectory({
    accounts: [
      memoryAccount({
        login: 'alice@example.test',
        addresses: ['sales@example.test', 'a+b@example.test'],
      }),
      memoryAccount({ login: 'admin@example.test' }),
    ],
    passwords: { 'alice@example.test': 'demo' },
    administrators: ['admin@example.test'],
  });
  const kinds = {
    'SALES+x@example.test': 'account',
    'a@example.test': 'unknown-user',
    'a+b@example.test': 'account',
    'alice@far.test': 'unknown-domain',
    'a\0@example.test': 'unknown-user',
    Postmaster: 'account',
    'postmaster@example.test': 'account',
    alice: 'unknown-domain',
  };
  for (const [address, kind] of Object.entries(kinds)) {
    expect((await directory.resolve(address)).kind, address).toBe(kind);
  }
  const alice = await directory.account('ALICE@example.test');
  if (!alice) throw new Error('no alice');
  expect(await directory.account('sales@example.test')).toBeUndefined();
  expect(await directory.verifyPassword(alice, 'demo')).toBe('accepted');
  expect(await directory.verifyPassword(alice, '')).toBe('refused');
  expect(await directory.assignVolume(alice, 'mail1')).toBe('mail1');
  expect(await directory.assignVolume(alice, 'mail2')).toBe('mail1');
  directory.down = true;
  await expect(directory.resolve('alice@example.test')).rejects.toThrow(DirectoryUnavailable);
});

test('the short way for plain addresses gives what the long way gives', () => {
  const label = fc.stringMatching(/^[a-z0-9_-]{0,5}$|^a{62,65}$/);
  const domain = fc.array(label, { maxLength: 6 }).map((labels) => labels.join('.'));
  const plain = fc.tuple(fc.stringMatching(/^[a-z0-9._+-]{0,9}$|^b{240,256}$/), domain);
  fc.assert(
    fc.property(plain, ([local, name]) => {
      const address = `${local}@${name}`;
      // Capitals take the long way. Where there is no letter both take the same.
      expect(addressKey(address)).toEqual(addressKey(address.toUpperCase()));
    }),
    { numRuns: 2_000 },
  );
});
