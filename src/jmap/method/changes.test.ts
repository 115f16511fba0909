/**
 * Whoever applies changes to what was known has what is: at any time, whatever node is asked,
 * whatever programs do beside JMAP. Random histories, each told in steps.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openNodes, STORES, type Nodes } from '../testing/nodes.ts';
import { put } from '../testing/suite.ts';
import type { Args } from '../types.ts';

type Act =
  | { readonly kind: 'deliver'; readonly thread: number }
  | {
      readonly kind: 'flag' | 'move' | 'destroy';
      readonly at: number;
      readonly by: 'jmap' | 'imap';
    }
  | { readonly kind: 'look' };

const place = { at: fc.nat(30), by: fc.constantFrom('jmap' as const, 'imap' as const) };
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ kind: fc.constant('deliver' as const), thread: fc.nat(3) }),
  fc.record({ kind: fc.constantFrom('flag', 'move', 'destroy'), ...place }),
  fc.record({ kind: fc.constant('look' as const) }),
);

const FOLDERS = ['INBOX', 'Other'];
const RUNS = Number(process.env['JMAP_CHANGES_RUNS'] ?? 40);

/** Queries whose result is followed: of one folder, of all, by keyword, of threads. */
const QUERIES: readonly Args[] = [
  { filter: { inMailbox: 'inbox' } },
  { sort: [{ property: 'subject' }] },
  { filter: { hasKeyword: '$flagged' } },
  { filter: { inMailbox: 'inbox' }, collapseThreads: true },
];

/** What a client knows. */
class Client {
  readonly #nodes: Nodes;
  #state = '';
  #ids = new Set<string>();
  readonly #results = new Map<Args, { state: string; ids: readonly string[] }>();

  constructor(nodes: Nodes) {
    this.#nodes = nodes;
  }

  async begin(): Promise<void> {
    const { state, list } = await this.#nodes.ask('Email/get', { properties: ['id'] });
    this.#state = state as string;
    this.#ids = new Set((list as { id: string }[]).map(({ id }) => id));
    for (const query of QUERIES) this.#results.set(query, await this.#asked(query));
  }

  /** Applies what changed, and holds it against what is. */
  async look(): Promise<void> {
    const changes = await this.#nodes.ask('Email/changes', { sinceState: this.#state });
    expect(changes['type']).toBeUndefined();
    const [created, updated, destroyed] = ['created', 'updated', 'destroyed'].map(
      (name) => changes[name] as string[],
    ) as [string[], string[], string[]];
    for (const id of [...created, ...updated]) this.#ids.add(id);
    for (const id of destroyed) this.#ids.delete(id);
    this.#state = changes['newState'] as string;
    const { list } = await this.#nodes.ask('Email/get', { properties: ['id'] });
    expect([...this.#ids].toSorted()).toEqual(
      (list as { id: string }[]).map(({ id }) => id).toSorted(),
    );
    for (const query of QUERIES) await this.#follow(query);
  }

  async #follow(query: Args): Promise<void> {
    const known = this.#results.get(query);
    const sinceQueryState = known?.state;
    const changes = await this.#nodes.ask('Email/queryChanges', { ...query, sinceQueryState });
    const now = await this.#asked(query);
    if (changes['type'] === undefined) {
      const removed = new Set(changes['removed'] as string[]);
      const ids = (known?.ids ?? []).filter((id) => !removed.has(id));
      for (const { id, index } of changes['added'] as { id: string; index: number }[]) {
        ids.splice(index, 0, id);
      }
      expect(ids, JSON.stringify(query)).toEqual(now.ids);
    } else expect(query['collapseThreads'], JSON.stringify(changes)).toBe(true);
    this.#results.set(query, now);
  }

  async #asked(query: Args): Promise<{ state: string; ids: readonly string[] }> {
    const { queryState, ids } = await this.#nodes.ask('Email/query', query);
    return { state: queryState as string, ids: ids as string[] };
  }
}

async function run(nodes: Nodes, given: Act): Promise<void> {
  if (given.kind === 'look') return;
  if (given.kind === 'deliver') {
    const text = `Subject: ${given.thread}\nReferences: <${given.thread}@x.test>\n\nx\n`;
    return await put(nodes, text, { date: 1_700_000_000_000 + given.thread * 1000 });
  }
  await (given.by === 'jmap' ? byJmap(nodes, given) : byImap(nodes, given));
}

type Change = Extract<Act, { readonly at: number }>;

async function byJmap(nodes: Nodes, { kind, at }: Change): Promise<void> {
  const { list } = await nodes.ask('Email/get', { properties: ['mailboxIds', 'keywords'] });
  const all = list as { id: string; mailboxIds: Args; keywords: Args }[];
  const one = all[at % Math.max(1, all.length)];
  if (one === undefined) return;
  if (kind === 'destroy') return void (await nodes.ask('Email/set', { destroy: [one.id] }));
  const { list: boxes } = await nodes.ask('Mailbox/get', { properties: ['id'] });
  const other = (boxes as { id: string }[]).find(({ id }) => !Object.hasOwn(one.mailboxIds, id));
  const isFlagged = one.keywords['$flagged'] === true;
  const patch =
    kind === 'move'
      ? { mailboxIds: { [other?.id ?? '']: true } }
      : { 'keywords/$flagged': isFlagged ? null : true };
  const set = await nodes.ask('Email/set', { update: { [one.id]: patch } });
  expect(set['notUpdated']).toBeNull();
}

async function byImap({ mail }: Nodes, { kind, at }: Change): Promise<void> {
  const name = FOLDERS[at % 2] ?? 'INBOX';
  const folder = await mail.open(name);
  const { messages } = await folder.refresh();
  const one = messages[at % Math.max(1, messages.length)];
  if (one !== undefined) {
    const uids = [one.uid];
    const how = one.flags.includes('F') ? 'remove' : 'add';
    if (kind === 'flag') await folder.store({ uids, how, letters: 'F', keywords: [] });
    if (kind === 'move') await folder.move(uids, name === 'INBOX' ? 'Other' : 'INBOX');
    if (kind === 'destroy') await folder.expunge(uids);
  }
  folder.close();
}

test.each(STORES)('changes lead from any state to the next one, on %s', async (kind) => {
  const numRuns = kind === 'memory' ? RUNS : Math.ceil(RUNS / 8);
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 14 }), async (acts) => {
      const nodes = await openNodes(kind);
      try {
        await nodes.mail.create('Other');
        const client = new Client(nodes);
        await client.begin();
        for (const one of acts) {
          await run(nodes, one);
          if (one.kind === 'look') await client.look();
        }
        await client.look();
      } finally {
        await nodes.close();
      }
    }),
    { numRuns },
  );
});
