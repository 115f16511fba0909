import { expect, test } from 'vitest';
import { FORWARDS_MAX } from './resolve-expand.ts';
import { resolveAddress, type LeftOut } from './resolve.ts';
import { resolved, smallFarm, type SmallFarm } from './testing/resolution.ts';

const keep = { keepsForwarded: true };
/** `@example.test` is left out. What stands before `→` in a name is where it leads. */
const FARM: SmallFarm = {
  users: {
    plain: { addresses: ['nick'] },
    out: { forwards: ['o@else.test'] },
    'out-kept': { forwards: ['o@else.test', 'O@ELSE.test'], ...keep },
    'to-plain': { forwards: ['plain'] },
    'to-nick': { forwards: ['nick+x', 'plain'], ...keep },
    chain: { forwards: ['to-nick'] },
    'to-self': { forwards: ['to-self', 'o@else.test'] },
    'to-own-alias': { addresses: ['mine'], forwards: ['mine+x', 'o@else.test'] },
    'to-own-domain-alias': { forwards: ['to-own-domain-alias@alias.test', 'o@else.test'] },
    'only-self': { forwards: ['only-self'] },
    ping: { forwards: ['pong'] },
    pong: { forwards: ['ping'] },
    'ping-out': { forwards: ['pong-out', 'o@else.test'] },
    'pong-out': { forwards: ['ping-out'] },
    'ping-kept': { forwards: ['pong-kept'] },
    'pong-kept': { forwards: ['ping-kept'], ...keep },
    one: { forwards: ['two'] },
    two: { forwards: ['three'] },
    three: { forwards: ['one'] },
    'to-loop': { forwards: ['one', 'plain'] },
    'to-nobody': { forwards: ['nobody'] },
    'far-nobody': { forwards: ['to-nobody'] },
    'to-nobody-and': { forwards: ['nobody', 'plain'] },
    'to-rubbish': { forwards: ['', ' ', 'a b@c d', 'plain@', `${'x'.repeat(600)}@else.test`] },
    'to-list': { forwards: ['crew'] },
    'to-own-list': { forwards: ['own-list'] },
    'to-ruled': { forwards: ['x@ruled.test'] },
    'to-catch': { forwards: ['x@catch.test'] },
    'to-postmaster': { forwards: ['postmaster'] },
    catcher: { forwards: ['x@catch.test'] },
    off: { suspended: ['mail'], forwards: ['plain'] },
  },
  lists: {
    crew: { members: ['plain', 'chain', 'm@else.test'] },
    'own-list': { members: ['to-own-list', 'plain'] },
    loops: { members: ['ping', 'pong', 'plain', 'one', 'three'] },
  },
  domains: [
    { name: 'alias.test', aliasOf: 'example.test' },
    { name: 'catch.test', catchAll: 'catcher@example.test' },
    'ruled.test',
  ],
  rules: [['x@ruled.test', 'host:old.test:25']],
  postmaster: 'plain',
};
const ask = smallFarm(FARM);

const TABLE: readonly [name: string, address: string, result: string][] = [
  ['elsewhere', 'out', '>o@else.test'],
  ['kept, and each address once', 'out-kept', 'out-kept + >o@else.test'],
  ['to another user', 'to-plain', 'plain'],
  ['to the same user twice', 'to-nick', 'to-nick + plain'],
  ['a forward of a forward', 'chain', 'to-nick + plain'],
  ['to oneself is kept', 'to-self', 'to-self + >o@else.test'],
  ['to one’s own alias is kept', 'to-own-alias', 'to-own-alias + >o@else.test'],
  ['and in an alias domain', 'to-own-domain-alias', 'to-own-domain-alias + >o@else.test'],
  ['[S0-37] only to oneself', 'only-self', 'only-self'],
  ['[S0-37] two in a circle: the first named', 'ping', 'ping'],
  ['[S0-37] two in a circle: from the other side', 'pong', 'pong'],
  ['[S0-37] a circle with a way out', 'pong-out', '>o@else.test'],
  ['[S0-37] a circle in which one keeps', 'ping-kept', 'pong-kept'],
  ['[S0-37] three in a circle', 'two', 'two'],
  ['[S0-37] into a circle', 'to-loop', 'one + plain'],
  ['[S0-37] circles in a list cost nobody else', 'loops', 'loops: ping + plain + one'],
  ['to nobody: kept', 'to-nobody', 'to-nobody'],
  ['to one who sends to nobody: it ends there', 'far-nobody', 'to-nobody'],
  ['to nobody and somebody', 'to-nobody-and', 'plain'],
  ['to what is no address: kept', 'to-rubbish', 'to-rubbish'],
  ['to a list', 'to-list', 'plain + >m@else.test + to-nick'],
  ['to a list with oneself in it', 'to-own-list', 'to-own-list + plain'],
  ['to what a rule hands over', 'to-ruled', 'x@ruled.test at old.test:25'],
  ['to a catch-all that forwards back', 'to-catch', 'catcher'],
  ['a catch-all that forwards to itself', 'y@catch.test', 'catcher'],
  ['to postmaster', 'to-postmaster', 'plain'],
  ['a suspended user gets nothing sent on', 'off', 'off'],
];
test.each(TABLE)('%s: %s', async (_, address, result) => {
  expect(await resolved(address, ask)).toBe(result);
});

/** Users who hold the letter where it cannot be sent on; `-` where only deferring is right. */
const FALLBACKS: readonly [address: string, result: readonly string[]][] = [
  ['out', ['out']],
  ['out-kept', ['out-kept']],
  ['to-ruled', ['to-ruled']],
  ['crew', ['-']],
  ['to-list', ['to-list']],
  ['x@ruled.test', ['-']],
  ['both-out', ['-']],
  ['two-out', ['out,out-kept']],
];
test.each(FALLBACKS)('who holds what cannot be sent on yet: %s', async (address, result) => {
  const both = { members: ['out', 'o@else.test'] };
  const two = { members: ['out', 'out-kept'] };
  const lists = { ...FARM.lists, 'both-out': both, 'two-out': two };
  const full = address.includes('@') ? address : `${address}@example.test`;
  const found = await resolveAddress(full, smallFarm({ ...FARM, lists }));
  const leaving = found.kind === 'expanded' ? found.destinations : [];
  const texts = leaving.flatMap((one) => {
    if (one.kind === 'mailbox') return [];
    const logins = one.fallback?.map(({ login }) => login.replace(/@.*/, '')).toSorted();
    return [logins?.join(',') ?? '-'];
  });
  expect(texts).toEqual(result);
});

const out = (count: number): string[] => Array.from({ length: count }, (_, n) => `o${n}@else.test`);

test('more forwards than a user may have are not followed: kept, said, and nobody else waits', async () => {
  const said: LeftOut[] = [];
  const users = {
    most: { forwards: out(FORWARDS_MAX) },
    more: { forwards: out(FORWARDS_MAX + 1) },
    plain: {},
  };
  const farm = smallFarm({ users, lists: { both: { members: ['more', 'plain'] } } });
  expect((await resolved('most', farm)).split(' + ')).toHaveLength(FORWARDS_MAX);
  expect(await resolved('more', farm)).toBe('more');
  const onLeftOut = (what: LeftOut): void => void said.push(what);
  expect(await resolved('both', farm, { onLeftOut })).toBe('both: more + plain');
  expect(said).toEqual([
    { by: 'more@example.test', address: '101 forwards', why: 'too-many', code: 'MF-DIR-023' },
  ]);
});
