import { expect, test } from 'vitest';
import { resolveAddress, type LeftOut } from './resolve.ts';
import { counted, resolved, smallFarm, type SmallFarm } from './testing/resolution.ts';

/** `@example.test` is left out; so is the name of a user whose entry says nothing. */
const FARM: SmallFarm = {
  users: {
    alice: { addresses: ['al'] },
    bob: { site: 'north' },
    carl: { site: 'north', suspended: ['mail'] },
    dora: { forwards: ['dora@elsewhere.test'] },
    eve: { forwards: ['staff'] },
    max: { forwards: ['secret'] },
    moe: {},
    'zoe@other.test': { site: 'north' },
  },
  lists: {
    team: { members: ['alice', 'AL', 'al+x', 'bob@north.example.test', 'bob', 'friend@else.test'] },
    nested: { members: ['team', 'carl', 'nested'] },
    gone: { members: ['nobody', 'bob', 'not an address\u0000', 'x@'] },
    empty: { members: ['nobody'] },
    north: { filter: '(mwSite=north)' },
    mixed: { filter: '(&(mwSite=north)(!(mwSuspended=mail)))', members: ['bob', 'moe'] },
    broken: { filter: '(mwSite=north', members: ['bob'] },
    staff: { members: ['alice', 'bob', 'inner', 'friend@else.test'], posting: 'members' },
    inner: { members: ['moe'] },
    closed: { members: ['staff'], posting: 'members' },
    selected: { filter: '(mwSite=north)', posting: 'members' },
    secret: { members: ['moe'], posting: 'members' },
    news: { members: ['alice', 'bob'], posting: 'moderated', moderators: ['moe', 'ed@else.test'] },
    owned: { members: ['alice'], posting: 'moderated', owner: 'moe' },
    alone: { members: ['alice'], posting: 'moderated' },
    open: { members: ['secret', 'news'] },
    both: { members: ['max', 'secret'] },
    everybody: { members: ['all'] },
    northern: { members: ['all@north.example.test'], posting: 'members' },
    forwarding: { members: ['dora', 'bob'] },
  },
  domains: [
    'other.test',
    { name: 'north.example.test', site: 'north' },
    { name: 'example.test', all: 'members' },
    { name: 'alias.test', aliasOf: 'example.test' },
    { name: 'open.test', all: 'anyone' },
    { name: 'taken.test', all: 'anyone' },
    { name: 'catch.test', catchAll: 'secret@example.test' },
  ],
};

const TEAM = 'alice + bob + >friend@else.test';
const STAFF = 'staff: alice + bob + >friend@else.test + moe';
const NEWS = 'moderators of news: moe + >ed@else.test';
// Whose forwards are refused keeps it: max always, eve where a stranger writes.
const ALL = 'alice + bob + carl + max + moe + >dora@elsewhere.test + >friend@else.test';
const ALL_FROM_OUTSIDE = 'alice + bob + carl + eve + max + moe + >dora@elsewhere.test';
const TABLE: readonly [name: string, address: string, sender: string, result: string][] = [
  ['each member once, however it is named', 'team', '', `team: ${TEAM}`],
  ['lists in lists, and in themselves', 'nested', '', `nested: carl + ${TEAM}`],
  ['members that are not there are left out', 'gone', '', 'gone: bob'],
  ['nobody is left', 'empty', '', 'refused no-members'],
  ['[S3-10] members by a filter', 'north', '', 'north: bob + carl + zoe@other.test'],
  ['by name and by filter', 'mixed', '', 'mixed: bob + zoe@other.test + moe'],
  ['a filter that is none', 'broken', '', 'deferred MF-DIR-004'],
  ['a member who forwards', 'forwarding', '', 'forwarding: bob + >dora@elsewhere.test'],

  ['members only: a stranger', 'staff', 'x@else.test', 'refused members-only'],
  ['members only: the null sender', 'staff', '', 'refused members-only'],
  ['members only: a member', 'staff', 'bob', STAFF],
  ['members only: by alias', 'inner', 'al', 'inner: moe'],
  ['members only: by alias of the member', 'staff', 'AL', STAFF],
  ['members only: by site address', 'secret', 'moe@north.example.test', 'refused members-only'],
  ['members only: by own site address', 'staff', 'bob@north.example.test', STAFF],
  ['members only: with a detail', 'staff', 'bob+x', STAFF],
  ['members only: in an alias domain', 'staff', 'bob@alias.test', STAFF],
  ['members only: a member elsewhere', 'staff', 'Friend@ELSE.test', STAFF],
  ['members only: a member of a list in it', 'staff', 'moe', STAFF],
  [
    'members only: two lists down',
    'closed',
    'moe',
    'closed: alice + bob + >friend@else.test + moe',
  ],
  ['members only: one of ours who is none', 'staff', 'carl', 'refused members-only'],
  ['members only: a member by filter', 'selected', 'carl', 'selected: bob + carl + zoe@other.test'],
  ['members only: no member by filter', 'selected', 'alice', 'refused members-only'],
  ['members only: a member by all@', 'northern', 'bob', 'northern: bob + carl'],
  ['members only: no member by all@', 'northern', 'moe', 'refused members-only'],
  ['members only: a stranger to all@', 'northern', 'x@else.test', 'refused members-only'],
  ['members only: through a catch-all', 'x@catch.test', 'alice', 'refused members-only'],
  ['members only: nobody may be assumed', 'staff', 'undefined', 'refused members-only'],

  ['moderated: to its moderators', 'news', 'alice', NEWS],
  ['moderated: the null sender', 'news', '', NEWS],
  ['moderated: a moderator', 'news', 'moe', 'news: alice + bob'],
  ['moderated: a moderator elsewhere', 'news', 'ed@else.test', 'news: alice + bob'],
  ['moderated: to the owner where nobody moderates', 'owned', 'alice', 'moderators of owned: moe'],
  ['moderated by nobody', 'alone', 'alice', 'refused no-members'],

  ['who may write to a list may write to those in it', 'open', '', 'open: moe + alice + bob'],
  ['a forward is no way around', 'max', 'x@else.test', 'max'],
  ['a forward of a member', 'max', 'moe', 'moe'],
  ['by the list, and not by the forward', 'both', 'x@else.test', 'both: max + moe'],

  ['[S3-15] all@ the domain', 'all', 'alice', ALL],
  ['[S3-15] all@ an alias domain', 'all@alias.test', 'al', ALL],
  ['[S3-15] all@: a stranger', 'all', 'x@else.test', 'refused members-only'],
  ['[S3-15] all@: nobody may be assumed', 'all', 'undefined', 'refused members-only'],
  ['[S3-15] all@ the site', 'all@north.example.test', 'moe', 'bob + carl'],
  ['[S3-15] all@ the site: a stranger', 'all@north.example.test', '', 'refused members-only'],
  ['[S3-15] all@, where there is none', 'all@other.test', 'alice', 'no user'],
  ['[S3-15] all@ for anybody, of nobody', 'all@open.test', '', 'refused no-members'],
  ['all@ as a member', 'everybody', '', `everybody: ${ALL_FROM_OUTSIDE}`],
];

test.each(TABLE)('%s: %s from <%s>', async (_, address, sender, result) => {
  const from = sender === '' || sender.includes('@') ? sender : `${sender}@example.test`;
  const context = sender === 'undefined' ? {} : { sender: from };
  expect(await resolved(address, smallFarm(FARM), { context })).toBe(result);
});

test('a sender that nobody vouches for is no moderator, whatever it says', async () => {
  for (const sender of ['moe@example.test', 'ed@else.test']) {
    const resolve = (unproven: boolean): Promise<string> =>
      resolved('news', smallFarm(FARM), { context: { sender, unproven } });
    expect(await resolve(false)).not.toContain('moderators');
    expect(await resolve(true)).toBe(NEWS);
  }
});

test('who is left out is said, with the list that names them', async () => {
  const said: LeftOut[] = [];
  const onLeftOut = (what: LeftOut): void => void said.push(what);
  await resolved('gone', smallFarm(FARM), { onLeftOut });
  await resolved('max', smallFarm(FARM), { onLeftOut });
  expect(said.map(({ by, address, why }) => `${by}: ${address}: ${why}`)).toEqual([
    'gone@example.test: not an address\u0000@example.test: malformed',
    'gone@example.test: x@: malformed',
    'gone@example.test: nobody@example.test: unknown',
    'max@example.test: secret@example.test: refused',
  ]);
});

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `u${n}`);
const many = (count: number, more: SmallFarm['lists'] = {}): SmallFarm => ({
  users: Object.fromEntries(names(count).map((name) => [name, {}])),
  lists: { big: { members: names(count) }, some: { filter: '(cn=u*)' }, ...more },
});

test('an expansion is bounded: at the limit it works, beyond it is deferred and names the list', async () => {
  const limits = { destinations: 50 };
  for (const list of ['big', 'some']) {
    expect((await resolved(list, smallFarm(many(50)), { limits })).split(' + ')).toHaveLength(50);
    expect(await resolved(list, smallFarm(many(51)), { limits })).toBe('deferred MF-DIR-020');
  }
  const outer = many(51, { outer: { members: ['big'] } });
  const work = resolveAddress('outer@example.test', smallFarm(outer), { limits });
  await expect(work).rejects.toThrow(/outer@example.test.*MF-DIR-020/);
});

test('lists of lists of the same members are bounded work', async () => {
  const lists = (count: number): SmallFarm['lists'] =>
    Object.fromEntries(
      Array.from({ length: count }, (_, n) => [`l${n}`, { members: names(400) }] as const),
    );
  const outer = (count: number): SmallFarm => {
    const members = Object.keys(lists(count) ?? {});
    const inside = { open: { members }, closed: { members, posting: 'members' as const } };
    return many(400, { ...lists(count), ...inside });
  };
  const context = { sender: 'stranger@example.test' };
  expect(await resolved('open', smallFarm(outer(30)))).toMatch(/^open: u0 \+ u1 /);
  expect(await resolved('open', smallFarm(outer(300)))).toBe('deferred MF-DIR-020');
  expect(await resolved('closed', smallFarm(outer(30)), { context })).toBe('refused members-only');
  expect(await resolved('closed', smallFarm(outer(300)), { context })).toBe('deferred MF-DIR-020');
});

test('names of nobody are bounded too, and so is the depth', async () => {
  const limits = { destinations: 50, depth: 5 };
  const absent = (count: number): SmallFarm => ({
    users: { u: {} },
    lists: { big: { members: ['u', ...names(count)] } },
  });
  expect(await resolved('big', smallFarm(absent(200)), { limits })).toBe('big: u');
  expect(await resolved('big', smallFarm(absent(300)), { limits })).toBe('deferred MF-DIR-020');
  const chain = (length: number): SmallFarm => ({
    users: { u: {} },
    lists: Object.fromEntries(
      Array.from({ length }, (_, n) => [
        `l${n}`,
        { members: [n === length - 1 ? 'u' : `l${n + 1}`] },
      ]),
    ),
  });
  expect(await resolved('l0', smallFarm(chain(5)), { limits })).toBe('l0: u');
  expect(await resolved('l0', smallFarm(chain(6)), { limits })).toBe('deferred MF-DIR-020');
});

test('a dense graph of lists below users who forward is bounded work', async () => {
  const users = names(900).map((name) => [name, { forwards: ['l0'] }] as const);
  const below = (n: number): string[] =>
    Array.from({ length: 24 }, (_, k) => `l${(n + 1 + k * 37) % 950}`);
  const lists = Array.from({ length: 950 }, (_, n) => [`l${n}`, { members: below(n) }] as const);
  const farm = smallFarm({
    users: Object.fromEntries(users),
    lists: { ...Object.fromEntries(lists), top: { members: names(900) } },
  });
  expect(await resolved('top', farm)).toBe('deferred MF-DIR-020');
});

test('a list of addresses elsewhere asks for each of their domains once', async () => {
  const members = names(100).map((name, n) => `${name}@d${n % 3}.test`);
  const { ask, asked } = counted(smallFarm({ lists: { far: { members, posting: 'members' } } }));
  const context = { sender: 'u7@d1.test' };
  expect((await resolved('far', ask, { context })).split(' + ')).toHaveLength(100);
  expect(await resolved('far', ask, { context: { sender: 'x@else.test' } })).toMatch(
    'members-only',
  );
  const domains = asked.filter((text) => text.startsWith('domain ') && !text.includes('example'));
  expect(domains).toHaveLength(3 + 1 + 3);
});
