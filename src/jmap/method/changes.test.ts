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
  | { readonly kind: 'folder' }
  | { readonly kind: 'part'; readonly max: number }
  | { readonly kind: 'look'; readonly max: number };

const place = { at: fc.nat(30), by: fc.constantFrom('jmap' as const, 'imap' as const) };
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ kind: fc.constant('deliver' as const), thread: fc.nat(3) }),
  fc.record({ kind: fc.constantFrom('flag', 'move', 'destroy'), ...place }),
  fc.record({ kind: fc.constant('folder' as const) }),
  fc.record({ kind: fc.constantFrom('part', 'look'), max: fc.integer({ min: 1, max: 4 }) }),
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

/** Objects of one type, as a client knows them. */
class Known {
  readonly #nodes: Nodes;
  readonly #type: string;
  readonly #properties: readonly string[];
  #state = '';
  readonly #objects = new Map<string, Args>();
  /** Created and gone before the first part: nothing more is said of it than that it is gone. */
  isWhole = false;

  constructor(nodes: Nodes, type: string, properties: readonly string[]) {
    this.#nodes = nodes;
    this.#type = type;
    this.#properties = properties;
  }

  async begin(): Promise<void> {
    const { state, list } = await this.#get();
    this.#state = state as string;
    for (const one of list as readonly Args[]) this.#objects.set(one['id'] as string, one);
    this.isWhole = true;
  }

  /** One part of what changed, and the objects that it names. */
  async part(max: number): Promise<void> {
    const sinceState = this.#state;
    const changes = await this.#nodes.ask(`${this.#type}/changes`, { sinceState, maxChanges: max });
    expect(changes['type'], JSON.stringify(changes)).toBeUndefined();
    const [created, updated, destroyed] = ['created', 'updated', 'destroyed'].map(
      (name) => changes[name] as string[],
    ) as [string[], string[], string[]];
    expect(created.length + updated.length + destroyed.length).toBeLessThanOrEqual(max);
    expect(created.filter((id) => this.#objects.has(id))).toEqual([]);
    expect(updated.filter((id) => !this.#objects.has(id))).toEqual([]);
    this.#state = changes['newState'] as string;
    this.isWhole = changes['hasMoreChanges'] === false;
    const { list, notFound } = await this.#get([...created, ...updated]);
    for (const one of list as readonly Args[]) this.#objects.set(one['id'] as string, one);
    for (const id of [...destroyed, ...(notFound as string[])]) this.#objects.delete(id);
  }

  /** All parts; then it knows what is. */
  async look(max: number): Promise<void> {
    let parts = 0;
    do {
      await this.part(max);
      parts += 1;
      expect(parts, this.#type).toBeLessThan(100);
    } while (!this.isWhole);
    const { list } = await this.#get();
    const byId = (a: Args, b: Args): number => (String(a['id']) < String(b['id']) ? -1 : 1);
    expect([...this.#objects.values()].toSorted(byId), this.#type).toEqual(
      (list as Args[]).toSorted(byId),
    );
  }

  #get(ids?: readonly string[]): Promise<Args> {
    return this.#nodes.ask(`${this.#type}/get`, {
      properties: this.#properties,
      ...(ids !== undefined && { ids }),
    });
  }
}

/** What a client knows. */
class Client {
  readonly #nodes: Nodes;
  readonly #known: readonly Known[];
  readonly #results = new Map<Args, { state: string; ids: readonly string[] }>();

  constructor(nodes: Nodes) {
    this.#nodes = nodes;
    this.#known = [
      new Known(nodes, 'Mailbox', ['id', 'name', 'totalEmails', 'unreadEmails']),
      new Known(nodes, 'Email', ['id', 'mailboxIds', 'keywords']),
      new Known(nodes, 'Thread', ['id', 'emailIds']),
    ];
  }

  async begin(): Promise<void> {
    for (const one of this.#known) await one.begin();
    for (const query of QUERIES) this.#results.set(query, await this.#asked(query));
  }

  async part(max: number): Promise<void> {
    for (const one of this.#known) await one.part(max);
  }

  /** Applies what changed, in parts, and holds it against what is. */
  async look(max: number): Promise<void> {
    for (const one of this.#known) await one.look(max);
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
  if (given.kind === 'look' || given.kind === 'part') return;
  if (given.kind === 'folder') return await toggleThird(nodes);
  if (given.kind === 'deliver') {
    const text = `Subject: ${given.thread}\nReferences: <${given.thread}@x.test>\n\nx\n`;
    return await put(nodes, text, { date: 1_700_000_000_000 + given.thread * 1000 });
  }
  await (given.by === 'jmap' ? byJmap(nodes, given) : byImap(nodes, given));
}

/** Comes with nothing in it and goes with all that was moved there. */
async function toggleThird({ mail }: Nodes): Promise<void> {
  const isThere = (await mail.folders()).some(({ name }) => name === 'Third');
  await (isThere ? mail.remove('Third') : mail.create('Third'));
}

type Change = Extract<Act, { readonly at: number }>;

async function byJmap(nodes: Nodes, { kind, at }: Change): Promise<void> {
  const { list } = await nodes.ask('Email/get', { properties: ['mailboxIds', 'keywords'] });
  const all = list as { id: string; mailboxIds: Args; keywords: Args }[];
  const one = all[at % Math.max(1, all.length)];
  if (one === undefined) return;
  if (kind === 'destroy') return void (await nodes.ask('Email/set', { destroy: [one.id] }));
  const { list: boxes } = await nodes.ask('Mailbox/get', { properties: ['id'] });
  const others = (boxes as { id: string }[]).filter(({ id }) => !Object.hasOwn(one.mailboxIds, id));
  const other = others[at % Math.max(1, others.length)];
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

/** Histories that once led to something else than what is. */
const deliver = { kind: 'deliver', thread: 1 } as const;
const HISTORIES: readonly (readonly [string, readonly Act[]])[] = [
  [
    'an email that a thread had when it was asked for goes before it was told',
    [
      deliver,
      { kind: 'look', max: 4 },
      deliver,
      deliver,
      { kind: 'part', max: 1 },
      { kind: 'destroy', at: 2, by: 'imap' },
    ],
  ],
  [
    'the same, and another comes after it',
    [
      deliver,
      { kind: 'look', max: 4 },
      deliver,
      deliver,
      { kind: 'part', max: 1 },
      { kind: 'destroy', at: 2, by: 'imap' },
      { kind: 'deliver', thread: 2 },
      { kind: 'part', max: 1 },
    ],
  ],
];

async function follow(kind: (typeof STORES)[number], acts: readonly Act[]): Promise<void> {
  const nodes = await openNodes(kind);
  try {
    await nodes.mail.create('Other');
    const client = new Client(nodes);
    await client.begin();
    for (const one of acts) {
      await run(nodes, one);
      if (one.kind === 'part') await client.part(one.max);
      if (one.kind === 'look') await client.look(one.max);
    }
    await client.look(3);
  } finally {
    await nodes.close();
  }
}

test.each(HISTORIES)('RFC 8621 §3.2: %s', async (_, acts) => {
  for (const kind of STORES) await follow(kind, acts);
});

test.each(STORES)('changes lead from any state to the next one, on %s', async (kind) => {
  const numRuns = kind === 'memory' ? RUNS : Math.ceil(RUNS / 8);
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 14 }), (acts) => follow(kind, acts)),
    { numRuns },
  );
});
