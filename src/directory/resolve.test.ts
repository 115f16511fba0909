import { expect, test } from 'vitest';
import { resolveAddress } from './resolve.ts';
import { counted, resolved, smallFarm } from './testing/resolution.ts';
import { DirectoryUnavailable } from './types.ts';

/** The order of the steps in resolve-meaning.ts, on one farm. `@example.test` is left out. */
const FARM = smallFarm({
  users: {
    alice: { addresses: ['al', 'al@north.example.test'] },
    bob: { site: 'north', addresses: ['bobby'] },
    carl: { site: 'south' },
    'rob+bie': {},
    rob: {},
    catcher: {},
    'postmaster@own.test': {},
    'x@chain1.test': {},
    'kept@alias.test': {},
    kept: {},
    'amy@far.test': { site: 'north' },
  },
  lists: { team: { members: ['alice', 'carl'] }, 'team@north.example.test': { members: ['bob'] } },
  domains: [
    'far.test',
    'own.test',
    { name: 'alias.test', aliasOf: 'example.test' },
    { name: 'chain3.test', aliasOf: 'chain2.test' },
    { name: 'chain2.test', aliasOf: 'CHAIN1.test' },
    { name: 'chain1.test' },
    { name: 'loop1.test', aliasOf: 'loop2.test' },
    { name: 'loop2.test', aliasOf: 'loop1.test' },
    { name: 'lost.test', aliasOf: 'gone.test' },
    { name: 'north.example.test', site: 'north' },
    { name: 'deep.south.example.test', site: 'south' },
    { name: 'catch.test', catchAll: 'catcher@example.test' },
    { name: 'catch-list.test', catchAll: 'team@example.test' },
    { name: 'catch-out.test', catchAll: 'box@elsewhere.test' },
    { name: 'catch-self.test', catchAll: 'nobody@catch-self.test' },
    { name: 'catch-loop.test', catchAll: 'x@catch-loop2.test' },
    { name: 'catch-loop2.test', catchAll: 'x@catch-loop.test' },
    { name: 'catch-bad.test', catchAll: 'nobody@far.test' },
    { name: 'alias-catch.test', aliasOf: 'catch.test' },
    { name: 'ruled.test', catchAll: 'catcher@example.test' },
  ],
  rules: [
    ['old\\..*@ruled\\.test', 'host:old.test:25'],
    ['.*@ruled\\.test', 'volume:v1'],
    ['(?:alice|x)@ruled\\.test', 'host:new.test:26'],
    ['alice@example\\.test', 'host:never.test:25'],
  ],
  postmaster: 'carl',
});

const TABLE: readonly [name: string, address: string, result: string][] = [
  ['a user', 'alice', 'alice'],
  ['in any spelling', 'ALICE@Example.TEST', 'alice'],
  ['[S0-36] an alias', 'al', 'alice'],
  ['[P-09] with a detail', 'alice+shop', 'alice'],
  ['[P-09] an alias with a detail', 'al+a+b', 'alice'],
  ['[P-09] the whole address outranks its detail', 'rob+bie', 'rob+bie'],
  ['nobody', 'nobody', 'no user'],
  ['[S1-07] nobody, with a detail', 'nobody+x', 'no user'],
  ['a domain that is not ours', 'alice@elsewhere.test', 'not ours'],
  ['no address', 'a b\u0001@example.test', 'no user'],
  ['no address elsewhere', '@elsewhere.test', 'not ours'],

  ['[S3-13] the official address', 'bob', 'bob'],
  ['[S3-13] the address in the site', 'bob@north.example.test', 'bob'],
  ['[S3-13] with a detail', 'bob+x@north.example.test', 'bob'],
  ['[S3-13] a site below another label', 'carl@deep.south.example.test', 'carl'],
  ['[S3-13] a user of another site', 'carl@north.example.test', 'no user'],
  ['[S3-13] a user of the site in another domain', 'amy@north.example.test', 'no user'],
  ['[S3-14] aliases belong to the main domain', 'bobby@north.example.test', 'no user'],
  ['an alias that is written out', 'al@north.example.test', 'alice'],
  ['[S3-14] lists belong to the main domain', 'team', 'team: alice + carl'],
  ['[S3-14] not to the site', 'team@deep.south.example.test', 'no user'],

  ['[P-09] an alias domain', 'alice@alias.test', 'alice'],
  ['[P-09] an alias domain: alias and detail', 'al+x@alias.test', 'alice'],
  ['[P-09] an alias domain: a list', 'team@alias.test', 'team: alice + carl'],
  ['[P-09] an entry of its own in the alias domain', 'kept@alias.test', 'kept@alias.test'],
  ['[P-09] an alias domain: nobody', 'nobody@alias.test', 'no user'],
  ['[P-09] a chain of alias domains', 'x@chain3.test', 'x@chain1.test'],
  ['[P-09] alias domains in a loop', 'x@loop1.test', 'no user'],
  ['an alias of what is not ours', 'x@lost.test', 'deferred MF-DIR-022'],

  ['postmaster', 'postmaster', 'carl'],
  ['a domain’s own postmaster', 'postmaster@own.test', 'postmaster@own.test'],
  ['postmaster outranks the catch-all', 'postmaster@catch.test', 'carl'],
  ['postmaster of an alias domain', 'postmaster@alias.test', 'carl'],
  ['postmaster elsewhere', 'postmaster@elsewhere.test', 'not ours'],

  ['[S1-03] a rule hands over', 'old.x@ruled.test', 'old.x@ruled.test at old.test:25'],
  [
    '[S1-05] [S1-22] a volume rule hides no host rule',
    'x@ruled.test',
    'x@ruled.test at new.test:26',
  ],
  ['[S1-05] the entry outranks the rule', 'alice', 'alice'],
  ['a rule outranks the catch-all', 'alice@ruled.test', 'alice@ruled.test at new.test:26'],
  ['[P-09] the catch-all after the rules', 'z@ruled.test', 'catcher'],

  ['[P-09] a catch-all', 'whoever@catch.test', 'catcher'],
  ['[P-09] a catch-all that is a list', 'whoever@catch-list.test', 'team: alice + carl'],
  ['[P-09] a catch-all elsewhere', 'whoever@catch-out.test', '>box@elsewhere.test'],
  ['[P-09] the catch-all of the domain behind an alias', 'whoever@alias-catch.test', 'catcher'],
  ['a catch-all that is nobody', 'whoever@catch-bad.test', 'deferred MF-DIR-022'],
  ['a catch-all in its own domain', 'whoever@catch-self.test', 'deferred MF-DIR-022'],
  ['catch-alls in a loop', 'whoever@catch-loop.test', 'deferred MF-DIR-022'],
];

test.each(TABLE)('%s: %s', async (_, address, result) => {
  expect(await resolved(address, FARM)).toBe(result);
});

test('a stand-in for postmaster without mail defers: RFC 5321 §4.5.1 wants it accepted', async () => {
  const farm = smallFarm({ users: { carl: { suspended: ['mail'] } }, postmaster: 'carl' });
  expect(await resolved('postmaster', farm)).toBe('deferred MF-DIR-005');
  expect(await resolved('carl', farm)).toBe('carl');
});

test('names without a domain: postmaster only (RFC 5321 §4.1.1.3)', async () => {
  const kinds = ['PostMaster', '"postmaster"', 'alice', '', '@', 'alice@'].map(async (name) => {
    return (await resolveAddress(name, FARM)).kind;
  });
  expect(await Promise.all(kinds)).toEqual([
    'account',
    'account',
    ...Array(4).fill('unknown-domain'),
  ]);
});

/** Each question to the directory costs a round trip where it is not remembered. */
const COSTS: readonly [name: string, address: string, asked: readonly string[]][] = [
  ['a user', 'alice@example.test', ['domain example.test', 'holder alice@example.test']],
  ['an unknown domain', 'alice@elsewhere.test', ['domain elsewhere.test']],
  [
    'nobody',
    'nobody@example.test',
    ['domain example.test', 'holder nobody@example.test', 'list nobody@example.test', 'rules '],
  ],
  [
    '[S3-10] a list: its members are known here',
    'team@example.test',
    [
      'domain example.test',
      'holder team@example.test',
      'list team@example.test',
      'domain example.test',
      'holder alice@example.test',
      'holder carl@example.test',
    ],
  ],
];
test.each(COSTS)('what is asked for %s: %s', async (_, address, expected) => {
  const { ask, asked } = counted(FARM);
  await resolveAddress(address, ask);
  expect(asked).toEqual(expected);
});

test('[S1-03] a bad rule defers addresses without an entry, and no others', async () => {
  const farm = smallFarm({
    users: { alice: {} },
    domains: [{ name: 'catch.test', catchAll: 'alice@example.test' }],
    rules: [
      ['first@.*', 'host:old.test:25'],
      ['(', 'host:bad.test:25'],
      ['.*', 'host:new.test:25'],
    ],
  });
  const results = await Promise.all(
    ['alice', 'first', 'nobody', 'x@catch.test'].map((address) => resolved(address, farm)),
  );
  expect(results).toEqual([
    'alice',
    'first at old.test:25',
    'deferred MF-DIR-021',
    'deferred MF-DIR-021',
  ]);
});

test('a look-up that fails is never an answer', async () => {
  for (const broken of ['domain', 'holder', 'list', 'rules'] as const) {
    const ask = {
      ...FARM,
      [broken]: async () => {
        throw new DirectoryUnavailable('away');
      },
    };
    expect(await resolved('nobody', ask), broken).toBe('deferred away');
  }
});
