import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  emailIdOf,
  encodeUidl,
  hasKey,
  isOwnKey,
  linkBase,
  nameFlags,
  nameKey,
  nodeToken,
  parseName,
  uniqueNames,
  withFlags,
  withSizes,
} from './names.ts';

const KEY = '1700000000.M250P4711Q0R0102030405060708.mx1';

// name, key, base, S=, W=, U=, flags
type Octets = number | undefined;
type Text = string | undefined;
const NAMES: readonly [string, string, string, Octets?, Octets?, Text?, Text?][] = [
  [KEY, KEY, KEY],
  [`${KEY},S=12,W=13`, KEY, `${KEY},S=12,W=13`, 12, 13],
  [`${KEY},S=12,W=13:2,`, KEY, `${KEY},S=12,W=13`, 12, 13, undefined, ''],
  [`${KEY},S=12,W=13:2,FS`, KEY, `${KEY},S=12,W=13`, 12, 13, undefined, 'FS'],
  [
    '1.M2P3_4.host,S=5:2,RSab',
    '1.M2P3_4.host',
    '1.M2P3_4.host,S=5',
    5,
    undefined,
    undefined,
    'RSab',
  ],
  ['1.2.host:2,S', '1.2.host', '1.2.host', undefined, undefined, undefined, 'S'],
  ['1.2.host:1,S=9', '1.2.host', '1.2.host'], // Experimental info is not ours to read.
  ['1.2.host:2,S,S=7', '1.2.host', '1.2.host', undefined, undefined, undefined, 'S'],
  ['k,S=:2,', 'k', 'k,S='],
  ['k,S=x5', 'k', 'k,S=x5'],
  ['k,S=5x', 'k', 'k,S=5x'],
  ['k,S=99999999999999999999', 'k', 'k,S=99999999999999999999'],
  ['k,W=4,S=3', 'k', 'k,W=4,S=3', 3, 4],
  ['k,U=UID1%2C5%25', 'k', 'k,U=UID1%2C5%25', undefined, undefined, 'UID1,5%'],
  ['k,U=bad%zz', 'k', 'k,U=bad%zz'],
  ['k,S=1,U=a/b:2,S', 'k', 'k,S=1,U=a/b', 1, undefined, 'a/b', 'S'],
  ['k:2,,U=x', 'k', 'k'],
];

for (const [name, key, base, octets, wireOctets, uidl, flags = ''] of NAMES) {
  test(`[P-14] parts of ${name}`, () => {
    expect(parseName(name)).toEqual({ key, base, octets, wireOctets, uidl, flags });
    expect(hasKey(name, key)).toBe(true);
    expect(hasKey(`${key}x`, key)).toBe(false);
  });
}

// name, add, remove, expected
const FLAGS: readonly [string, string, string, string][] = [
  ['k', 'S', '', 'k:2,S'],
  ['k', '', '', 'k:2,'],
  ['k:2,FS', 'R', '', 'k:2,FRS'],
  ['k:2,FS', '', 'S', 'k:2,F'],
  ['k:2,FS', 'S', 'S', 'k:2,F'],
  ['k,S=1,W=2:2,Sab', 'Tc', 'a', 'k,S=1,W=2:2,STbc'],
  ['k:2,S,extra', 'F', '', 'k:2,FS,extra'],
  ['k:1,x', 'F', '', 'k:2,F'],
];
for (const [name, add, remove, expected] of FLAGS) {
  test(`flags of ${name}: +${add} -${remove}`, () => {
    expect(withFlags(name, add, remove)).toBe(expected);
  });
}

// name, expected after sizes 10 and 11
const SIZES: readonly [string, string][] = [
  ['k', 'k,S=10,W=11'],
  ['k:2,S', 'k,S=10,W=11:2,S'],
  ['k,S=9:2,S', 'k,S=10,W=11:2,S'],
  ['k,U=u1,W=3', 'k,S=10,W=11,U=u1'],
  ['k,X=y:2,', 'k,S=10,W=11,X=y:2,'],
];
for (const [name, expected] of SIZES) {
  test(`sizes into ${name}`, () => {
    expect(withSizes(name, 10, 11)).toBe(expected);
    expect(nameKey(expected)).toBe(nameKey(name));
  });
}

const NODES: readonly [string, string][] = [
  ['mx1', 'mx1'],
  ['mx1.example.test', 'mx1'],
  ['a-very-long-host-name', 'a-very-long-'],
  ['we:ird/na,me', 'we_ird_na_me'],
  ['.hidden', 'node'],
  ['', 'node'],
  ['höst', 'h_st'],
];
for (const [node, token] of NODES) {
  test(`node token of '${node}'`, () => expect(nodeToken(node)).toBe(token));
}

test('a unique name has the documented form and serves as UIDL (RFC 1939 §7)', () => {
  const bits = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const next = uniqueNames({
    clock: { now: () => 1_700_000_000_000.25, sleep: async () => {} },
    random: { bytes: () => bits },
    node: 'mx1.example.test',
    pid: 4711,
  });
  expect(next()).toBe(KEY);
  expect(next()).toBe(KEY.replace('Q0', 'Q1'));
});

test('the longest unique name has at most 70 octets', () => {
  const next = uniqueNames({
    clock: { now: () => 9_999_999_999_999.75, sleep: async () => {} },
    random: { bytes: (n) => new Uint8Array(n).fill(255) },
    node: 'abcdefghijklmnop',
    pid: 4_194_304, // The most that Linux gives.
  });
  let name = next();
  for (let i = 0; i < 1000; i++) name = next();
  expect(name.replace('Q1000', 'Q99999999').length).toBeLessThanOrEqual(70);
});

test('two sources differ though clock and random are the same', () => {
  const options = {
    clock: { now: () => 0, sleep: async () => {} },
    random: { bytes: (n: number) => new Uint8Array(n) },
    node: 'n',
  };
  const [a, b] = [uniqueNames({ ...options, pid: 1 }), uniqueNames({ ...options, pid: 2 })];
  const names = [a(), a(), b(), b()];
  expect(new Set(names).size).toBe(4);
});

test('any UIDL survives the way into a name and back', () => {
  const char = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
  fc.assert(
    fc.property(fc.array(char, { minLength: 1, maxLength: 70 }), (chars) => {
      const uidl = chars.join('');
      const name = `k,S=1,U=${encodeUidl(uidl)}:2,S`;
      expect(name).not.toContain('/');
      expect(parseName(name)).toMatchObject({ key: 'k', octets: 1, uidl, flags: 'S' });
    }),
  );
});

test('flags and sizes never change the key, whatever the name', () => {
  const name = fc.string({ minLength: 1 }).filter((text) => !/[/\0]/.test(text));
  fc.assert(
    fc.property(name, (text) => {
      expect(nameKey(withFlags(text, 'S', ''))).toBe(nameKey(text));
      expect(nameKey(withSizes(text, 1, 2))).toBe(nameKey(text));
      expect(nameFlags(withFlags(text, 'S', ''))).toContain('S');
    }),
  );
});

test('the EMAILID of a name of ours is its random part; of any other a hash (RFC 8474 §5.1)', () => {
  expect(emailIdOf(KEY)).toBe('e0102030405060708');
  for (const key of ['x', '1.2.host', `${KEY}x.y`, '1.M2P3_4.host', '1.M1P1Q1R01.host']) {
    expect(emailIdOf(key)).toMatch(/^h[\w-]{16}$/);
    expect(isOwnKey(key)).toBe(false);
  }
  expect(emailIdOf('x')).not.toBe(emailIdOf('y'));
});

test('a message that moves stays the same email, whoever named it; a copy is another', () => {
  const unique = (): string => `1800000000.M1P2Q3R${random(16)}.mx2`;
  const random = (length: number): string =>
    fc
      .sample(
        fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdef')), minLength: length }),
        1,
      )
      .join('')
      .slice(0, length);
  for (const name of [
    `${KEY},S=1,W=2:2,S`,
    '1600000000.x.host,S=1:2,',
    'odd',
    '5.M1P1Q1R1Iabc.h',
  ]) {
    const [key, id] = [nameKey(name), emailIdOf(nameKey(name))];
    const once = linkBase(unique(), name, 'moved');
    const twice = linkBase(unique(), `${once}:2,FS`, 'moved');
    const copy = linkBase(unique(), twice, 'copied');
    const [a, b, c] = [once, twice, copy].map(nameKey) as [string, string, string];
    expect([emailIdOf(a), emailIdOf(b)]).toEqual([id, id]);
    expect(emailIdOf(c)).not.toBe(id);
    expect(emailIdOf(c)).toMatch(/^e/);
    expect(new Set([key, a, b, c]).size).toBe(4);
    // Who wrote the file does not change either, nor the date, nor the sizes.
    expect([a, b, c].map(isOwnKey)).toEqual(Array.from({ length: 3 }, () => isOwnKey(key)));
    const seconds = /^(\d+)\./.exec(name)?.[1] ?? '1800000000';
    for (const base of [once, twice, copy]) {
      expect(base.startsWith(`${seconds}.`)).toBe(true);
      expect(parseName(base).octets).toBe(parseName(name).octets);
      expect(base.length).toBeLessThan(100);
    }
  }
});

test('a name that a file system would not take loses the UIDL of its import, nothing else', () => {
  const name = `${KEY},S=12,U=${'%FF'.repeat(50)},W=13:2,S`;
  const base = linkBase('1800000000.M1P2Q3R1122334455667788.mx2', name, 'moved');
  expect(parseName(base)).toMatchObject({ octets: 12, wireOctets: 13, uidl: undefined });
  const short = linkBase('1800000000.M1P2Q3R1122334455667788.mx2', 'k,U=a', 'moved');
  expect(parseName(short).uidl).toBe('a');
});
