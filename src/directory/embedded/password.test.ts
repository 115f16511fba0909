import { expect, test } from 'vitest';
import { hashPassword, PasswordVerifier, unverifiable } from './password.ts';

const verifier = new PasswordVerifier('SSHA512');
const check = (stored: string, password: string): Promise<boolean> =>
  verifier.verify([stored], Buffer.from(password));

/** Made by other programs: OpenSSL passwd, slappasswd, the specification's own vectors. */
const FOREIGN: readonly [scheme: string, stored: string, password: string][] = [
  ['SHA', '{SHA}qZk+NkcGgWq6PiVxeFDCbJzQ2J0=', 'abc'],
  ['SSHA', '{SSHA}4/R8kg8rqdwVTN4OaArGrzN1wCEBAgMEBQYHCA==', 'passphrase'],
  [
    'ARGON2id',
    '{ARGON2}$argon2id$v=19$m=4096,t=2,p=1$c29tZXNhbHRzYWx0$l5g86r+iAM3Ya/MJ2kPsYpcB9tiVWjbsYP1AjM77GYI',
    'demo',
  ],
  [
    'CRYPT SHA-512',
    '{CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
    'Hello world!',
  ],
  [
    'CRYPT SHA-256',
    '{CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5',
    'Hello world!',
  ],
  [
    'CRYPT with rounds',
    '{crypt}$6$rounds=10000$saltstringsaltstring$OW1/O6BYHV6BcXZu8QVe' +
      'XbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.',
    'Hello world!',
  ],
];

for (const [name, stored, password] of FOREIGN) {
  test(`[S0-35] a hash that another program made is verified: ${name}`, async () => {
    expect(unverifiable(stored)).toBeUndefined();
    expect(await check(stored, password)).toBe(true);
    expect(await check(stored, `${password} `)).toBe(false);
    expect(await check(stored, '')).toBe(false);
  });
}

for (const scheme of ['ARGON2', 'SSHA512'] as const) {
  test(`a password is stored as ${scheme}, each time with another salt`, async () => {
    const [one, two] = await Promise.all([
      hashPassword('pä😀', scheme),
      hashPassword('pä😀', scheme),
    ]);
    expect(one).not.toBe(two);
    expect(one.startsWith(`{${scheme}}`)).toBe(true);
    expect(await check(one, 'pä😀')).toBe(true);
    expect(await check(one, 'pä')).toBe(false);
  });
}

test('what cannot be verified is refused by its name', () => {
  const refused = [
    '{CRYPT}ab1xyz',
    '{CRYPT}$1$salt$hash',
    '{PBKDF2}x',
    '{SSHA}AAAA',
    '{ARGON2}$argon2d$v=19$m=1,t=1,p=1$AAAA$AAAA',
    '{ARGON2}$argon2id$v=19$m=99999999,t=1,p=1$AAAAAAAAAAAAAAAA$AAAAAAAA',
  ];
  for (const stored of refused) expect(unverifiable(stored), stored).toMatch(/support|length|hash/);
});

test('a password that matched once costs microseconds, until the stored value changes', async () => {
  const fresh = new PasswordVerifier('ARGON2');
  const stored = await hashPassword('demo', 'ARGON2');
  expect(await fresh.verify([stored], Buffer.from('demo'))).toBe(true);
  const before = process.cpuUsage();
  for (let n = 0; n < 1_000; n += 1) await fresh.verify([stored], Buffer.from('demo'));
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(1_000); // One Argon2 is 20,000 µs.
  const changed = await hashPassword('other', 'SSHA512');
  expect(await fresh.verify([changed], Buffer.from('demo'))).toBe(false);
});
