import fc from 'fast-check';
import { expect, test } from 'vitest';
import { resolveAddress } from './resolve.ts';
import { destinationText, full, smallFarm } from './testing/resolution.ts';

/**
 * Resolution against the simplest thing that could be right: for each user apart, everything that
 * can be reached from him, by sets of names, with no regard to cost.
 */
interface Model {
  /** Where a user sends his mail on to, and whether he keeps it. */
  readonly users: Readonly<
    Record<string, { readonly to: readonly string[]; readonly keeps: boolean }>
  >;
  readonly lists: Readonly<Record<string, readonly string[]>>;
}

const USERS = ['u0', 'u1', 'u2', 'u3', 'u4', 'u5', 'u6'];
const LISTS = ['l0', 'l1', 'l2', 'l3'];
/** Each way to write an address of the model, and what it stands for there. */
const spelled = fc.oneof(
  ...[
    (name: string) => name,
    (name: string) => `${name}+x`,
    (name: string) => `${name}@alias.test`,
  ].map((write) =>
    fc.constantFrom(...USERS, ...LISTS).map((name) => ({ text: write(name), name })),
  ),
  fc.constantFrom(...USERS).map((name) => ({ text: `a-${name}`, name })),
  fc.constantFrom(...USERS).map((name) => ({ text: `${name}@north.example.test`, name })),
  fc.constantFrom('>r0@else.test', '>r1@else.test').map((name) => ({ text: name.slice(1), name })),
  fc.constant({ text: 'any@catch.test', name: 'u0' }),
  fc.constant({ text: 'nobody', name: 'nobody' }),
);
const names = fc.array(spelled, { maxLength: 4 });
const farms = fc.record({
  users: fc.tuple(...USERS.map(() => fc.record({ to: names, keeps: fc.boolean() }))),
  lists: fc.tuple(...LISTS.map(() => names)),
  first: spelled,
});
type Farm = typeof farms extends fc.Arbitrary<infer T> ? T : never;

const modelOf = (farm: Farm): Model => ({
  users: Object.fromEntries(
    USERS.map((user, n) => [
      user,
      { to: farm.users[n]!.to.map(({ name }) => name), keeps: farm.users[n]!.keeps },
    ]),
  ),
  lists: Object.fromEntries(LISTS.map((list, n) => [list, farm.lists[n]!.map(({ name }) => name)])),
});

/** Everything on from a name: through lists always, through users unless told otherwise. */
function reached(model: Model, from: readonly string[], through: 'all' | 'lists'): Set<string> {
  const seen = new Set<string>();
  const open = [...from];
  for (let name = open.shift(); name !== undefined; name = open.shift()) {
    if (seen.has(name)) continue;
    seen.add(name);
    open.push(...(model.lists[name] ?? []));
    if (through === 'all') open.push(...(model.users[name]?.to ?? []));
  }
  return seen;
}

const ends = (model: Model, name: string): boolean => {
  if (name.startsWith('>')) return true;
  const user = model.users[name];
  if (!user) return false;
  return user.to.length === 0 || user.keeps || reached(model, user.to, 'lists').has(name);
};

test('[S0-37] random forwards, lists, sites: it ends, and nobody is lost or doubled', async () => {
  const one = async (farm: Farm): Promise<void> => {
    const model = modelOf(farm);
    const addresses = (user: string) => [`a-${user}`];
    const ask = smallFarm({
      users: Object.fromEntries(
        USERS.map((user, n) => {
          const { to, keeps } = farm.users[n]!;
          const forwards = to.map(({ text }) => text);
          const more = { forwards, keepsForwarded: keeps, site: 'north' };
          return [user, { ...more, addresses: addresses(user) }];
        }),
      ),
      lists: Object.fromEntries(
        LISTS.map((list, n) => [list, { members: farm.lists[n]!.map(({ text }) => text) }]),
      ),
      domains: [
        { name: 'alias.test', aliasOf: 'example.test' },
        { name: 'north.example.test', site: 'north' },
        { name: 'catch.test', catchAll: 'u0@example.test' },
      ],
    });
    const found = await resolveAddress(full(farm.first.text), ask);
    const { name } = farm.first;
    const all = reached(model, [name], 'all');
    const certain = [...all].filter((each) => ends(model, each)).toSorted();
    const texts =
      found.kind === 'expanded'
        ? found.destinations.map(destinationText)
        : found.kind === 'account'
          ? [destinationText({ kind: 'mailbox', account: found.account })]
          : [];
    expect(new Set(texts).size, 'each once').toBe(texts.length);
    const refused = name.startsWith('>') ? 'unknown-domain' : name === 'nobody' && 'unknown-user';
    if (refused !== false) {
      expect(found.kind).toBe(refused);
      return;
    }
    expect(texts, 'nobody is lost').toEqual(expect.arrayContaining(certain));
    // What is there beyond it: users whose ways lead nowhere, and only as many as it takes.
    const extra = texts.filter((text) => !certain.includes(text));
    for (const text of extra) {
      expect(all.has(text) && model.users[text], text).toBeTruthy();
      const way = [...reached(model, [text], 'all')];
      expect(
        way.some((each) => ends(model, each)),
        `${text} had an end`,
      ).toBe(false);
      expect(
        way.filter((each) => extra.includes(each)),
        'one is enough',
      ).toEqual([text]);
    }
    for (const user of all) {
      if (!model.users[user]) continue;
      const way = [...reached(model, [user], 'all')];
      expect(
        way.some((each) => texts.includes(each)),
        `${user} gets it somewhere`,
      ).toBe(true);
    }
  };
  await fc.assert(fc.asyncProperty(farms, one), { numRuns: 1_000 });
});
