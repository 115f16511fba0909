import fc from 'fast-check';
import { expect, test } from 'vitest';
import { killedAfter } from '../../test/call-fs.ts';
import { ARCHIVE, BOX, factsOf, INBOX, Yard, type Host } from '../../test/journal-yard.ts';
import { faults, lyingFs, type Fault } from '../../test/lying-fs.ts';
import type { FolderRef, FolderState, Numbered } from './types.ts';

// Several processes on one mailbox, on file systems that lie, fail and stop; other tools between.
// MAILFARM_TEST_RUNS and MAILFARM_TEST_SEED lengthen and repeat.

const RUNS = Number(process.env['MAILFARM_TEST_RUNS'] ?? 20);
const SEED = Number(process.env['MAILFARM_TEST_SEED'] ?? 20_261_122);
const HOSTS = 3;

interface Op {
  readonly op:
    | 'add'
    | 'deliver'
    | 'sync'
    | 'claim'
    | 'store'
    | 'keyword'
    | 'expunge'
    | 'copy'
    | 'move'
    | 'foreign-flag'
    | 'foreign-delete'
    | 'wait';
  readonly host: number;
  readonly pick: number;
  readonly archive: boolean;
}

const op: fc.Arbitrary<Op> = fc.record({
  op: fc.constantFrom<Op['op'][]>(
    'add',
    'add',
    'deliver',
    'sync',
    'sync',
    'claim',
    'store',
    'store',
    'keyword',
    'expunge',
    'copy',
    'move',
    'foreign-flag',
    'foreign-delete',
    'wait',
  ),
  host: fc.nat({ max: HOSTS - 1 }),
  pick: fc.nat({ max: 9 }),
  archive: fc.boolean(),
});

/** What every client may rely on, from all states that were shown. */
class Truth {
  readonly #keys = new Map<string, string>();
  readonly #uids = new Map<string, Set<number>>();
  readonly #next = new Map<string, number>();
  /** Highest MODSEQ shown by a process for a folder. */
  readonly #modseqs = new Map<string, number>();
  readonly #validities = new Map<string, number>();

  show(who: string, ref: FolderRef, state: FolderState): void {
    const folder = `${ref.folder} ${state.uidValidity}`;
    let before = 0;
    for (const { uid, key } of state.messages) {
      expect(uid).toBeGreaterThan(before);
      before = uid;
      const id = `${folder} ${uid}`;
      expect(this.#keys.get(id) ?? key).toBe(key); // I1
      this.#keys.set(id, key);
      this.#uids.set(
        `${folder} ${key}`,
        (this.#uids.get(`${folder} ${key}`) ?? new Set()).add(uid),
      );
    }
    expect(state.uidNext).toBeGreaterThan(before);
    this.#forward(this.#modseqs, `${who} ${folder}`, state.modseq);
    this.#forward(this.#next, `${who} ${folder}`, state.uidNext);
    this.#forward(this.#validities, `${who} ${ref.folder}`, state.uidValidity);
  }

  /** Nothing comes back here: a message whose file was there all the time kept its UID. */
  keptUids(keys: Iterable<string>): void {
    for (const [id, uids] of this.#uids) {
      for (const key of keys) if (id.endsWith(` ${key}`)) expect([id, ...uids]).toHaveLength(2);
    }
  }

  /** Nothing that a process has shown goes back. */
  #forward(map: Map<string, number>, id: string, value: number): void {
    expect(value).toBeGreaterThanOrEqual(map.get(id) ?? 0);
    map.set(id, value);
  }
}

class World {
  readonly yard: Yard;
  readonly hosts: Host[] = [];
  readonly truth = new Truth();
  /** Files that other tools or expunges may have removed. */
  readonly removed = new Set<string>();
  /** Folder by key of what `add` said is there. */
  readonly acknowledged = new Map<string, string>();

  constructor(yard: Yard) {
    this.yard = yard;
  }

  async run({ op: what, host: index, pick, archive }: Op): Promise<void> {
    const host = this.hosts[index] as Host;
    const { journals } = host;
    const ref = archive ? ARCHIVE : INBOX;
    const other = archive ? INBOX : ARCHIVE;
    const known = journals.known(ref)?.messages ?? [];
    const one = known[pick % Math.max(1, known.length)];
    const uids = one === undefined ? [] : [one.uid];
    this.yard.now += 7;
    switch (what) {
      case 'add':
        return this.#add(host, ref);
      case 'deliver':
        return void (await this.yard.deliver(host));
      case 'sync':
      case 'claim': {
        const { state } = await journals.sync(ref, { claim: what === 'claim' });
        return this.truth.show(String(index), ref, state);
      }
      case 'store':
      case 'keyword': {
        const how = (['add', 'remove', 'replace'] as const)[pick % 3] ?? 'add';
        const keywords = what === 'store' ? [] : ['$Junk', 'word'].slice(0, 1 + (pick % 2));
        const letters = what === 'store' ? 'SF'.slice(0, 1 + (pick % 2)) : '';
        const stored = await journals.store(ref, { uids, how, letters, keywords });
        return this.truth.show(String(index), ref, stored.state);
      }
      case 'expunge':
        if (one !== undefined) this.removed.add(one.key);
        return this.truth.show(String(index), ref, await journals.expunge(ref, uids));
      case 'copy':
      case 'move': {
        if (what === 'move' && one !== undefined) this.removed.add(one.key);
        const copied = await journals[what](ref, uids, other);
        return this.truth.show(String(index), other, copied.state);
      }
      case 'wait':
        this.yard.now += 11_000;
        return;
      default:
        return this.#foreign(what, ref, one);
    }
  }

  async #add(host: Host, ref: FolderRef): Promise<void> {
    const maildir = ref.folder === '' ? BOX : `${BOX}/.${ref.folder}`;
    const message = await this.yard.staged(host, maildir, { keywords: ['mine'] });
    await host.journals.add(ref, [message]);
    this.acknowledged.set(message.base, ref.folder);
  }

  async #foreign(what: string, ref: FolderRef, one: Numbered | undefined): Promise<void> {
    if (one === undefined) return;
    const maildir = ref.folder === '' ? BOX : `${BOX}/.${ref.folder}`;
    const names = await this.yard.fs.list(`${maildir}/cur`);
    const name = names.find((each) => each.startsWith(one.key));
    if (name === undefined) return;
    const path = `${maildir}/cur/${name}`;
    if (what === 'foreign-delete') {
      this.removed.add(one.key);
      await this.yard.fs.unlink(path);
    } else if (!name.endsWith('T')) await this.yard.fs.rename(path, `${path}T`);
  }

  /** When all rest, journal and files say the same, to old and new processes. */
  async settle(): Promise<void> {
    const fresh = this.yard.host();
    for (const ref of [INBOX, ARCHIVE]) {
      for (let look = 0; look < 4; look++) {
        await fresh.journals.sync(ref);
        this.yard.now += 11_000;
      }
      const { state } = await fresh.journals.sync(ref);
      this.truth.show('fresh', ref, state);
      await this.#matchesFiles(ref, state);
      const newest = await this.yard.host().journals.sync(ref);
      expect(factsOf(newest.state)).toEqual(factsOf(state));
      for (const [index, { journals }] of this.hosts.entries()) {
        const seen = (await journals.sync(ref)).state;
        this.truth.show(String(index), ref, seen);
        expect(factsOf(seen)).toEqual(factsOf(state));
      }
    }
  }

  async #matchesFiles(ref: FolderRef, state: FolderState): Promise<void> {
    const maildir = ref.folder === '' ? BOX : `${BOX}/.${ref.folder}`;
    const files: string[] = [];
    for (const directory of ['new', 'cur']) {
      for (const name of await this.yard.fs.list(`${maildir}/${directory}`)) {
        files.push(`${directory}/${name}`);
      }
    }
    const shown = state.messages.map(({ entry }) => `${entry.directory}/${entry.name}`);
    expect(shown.toSorted()).toEqual(files.toSorted());
    const keys = new Set(state.messages.map(({ key }) => key));
    this.truth.keptUids([...this.acknowledged.keys()]);
    for (const [key, folder] of this.acknowledged) {
      if (folder === ref.folder && !this.removed.has(key)) expect(keys).toContain(key);
    }
  }
}

const RULES = { snapshotEvery: 4, namesMax: 3 };

async function worldOf(
  plans: readonly (readonly Fault[])[],
): Promise<World & { calm(): Promise<void> }> {
  const yard = await Yard.make();
  const world = new World(yard);
  const settles: (() => Promise<void>)[] = [];
  for (let index = 0; index < HOSTS; index++) {
    const lying = lyingFs(yard.fs, plans[index] ?? []);
    settles.push(() => lying.settle());
    world.hosts.push(yard.host(RULES, lying.fs));
  }
  return Object.assign(world, {
    calm: async () => {
      for (const settle of settles) await settle();
    },
  });
}

/** Operations of hosts side by side, in groups; what storage trouble they meet is their own. */
async function play(world: World, groups: readonly (readonly Op[])[]): Promise<void> {
  for (const group of groups) {
    const done = await Promise.allSettled(group.map((each) => world.run(each)));
    for (const each of done) if (each.status === 'rejected') onlyStorage(each.reason);
  }
}

/** A failed expectation is an error of ours; all else has an errno. */
function onlyStorage(error: unknown): void {
  if (typeof error === 'object' && error !== null && 'errno' in error) return;
  throw error;
}

const groups = fc.array(fc.array(op, { minLength: 1, maxLength: 3 }), {
  minLength: 3,
  maxLength: 14,
});

test('[N-01] whatever a lying file system says, no UID means two messages and all agree in the end', async () => {
  const plans = fc.array(faults(6), { minLength: HOSTS, maxLength: HOSTS });
  await fc.assert(
    fc.asyncProperty(groups, plans, async (steps, each) => {
      const world = await worldOf(each);
      await play(world, steps);
      await world.calm();
      await world.settle();
      expect(world.yard.fs.openFiles).toBe(0);
    }),
    { numRuns: RUNS, seed: SEED },
  );
}, 600_000);

test('[N-01] processes that are killed at any call leave a journal that the others go on with', async () => {
  await fc.assert(
    fc.asyncProperty(groups, fc.nat({ max: 120 }), op, async (steps, calls, last) => {
      const world = await worldOf([]);
      await play(world, steps);
      const dying = killedAfter(world.yard.fs, calls);
      const healthy = world.hosts[0] as Host;
      world.hosts[0] = world.yard.host(RULES, dying.fs);
      await world.run({ ...last, op: 'sync', host: 0 }).catch(() => {});
      await world.run({ ...last, host: 0 }).catch(() => {});
      world.hosts[0] = healthy;
      await world.settle();
    }),
    { numRuns: RUNS, seed: SEED },
  );
}, 600_000);
