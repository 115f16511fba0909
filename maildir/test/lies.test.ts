import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  isErrno,
  nameFlags,
  nameKey,
  UnknownResultError,
  type Entry,
  type Maildirs,
} from '../src/index.ts';
import { deliver, engineOn, readAll, ROOT, wireOctetsOf } from './engine.ts';
import { faults, lyingFs, type Fault } from './lying-fs.ts';
import { MemoryFs } from './memory-fs.ts';

// The engine on a file system that lies: whatever it is told, what it tells is true.
// MAILFARM_TEST_RUNS and MAILFARM_TEST_SEED lengthen and repeat.

const RUNS = Number(process.env['MAILFARM_TEST_RUNS'] ?? 600);
const SEED = Number(process.env['MAILFARM_TEST_SEED'] ?? 20_261_121);
const BOXES = [`${ROOT}/3f/alice`, `${ROOT}/3f/bob`, `${ROOT}/77/carol`];
/** Written by another tool, never touched by any operation here. */
const FOREIGN = '1700000000.M1P2.dovecot,S=8,W=9:2,S';
const FOLDER = 'Sent';
const WHOLE_FOLDER = ['cur', 'maildirfolder', 'new', 'tmp'];

type Op =
  | { readonly op: 'deliver'; readonly boxes: readonly string[]; readonly bytes: Uint8Array }
  | { readonly op: 'list' | 'sweep' | 'exists'; readonly box: string }
  | { readonly op: 'read' | 'remove' | 'size'; readonly box: string; readonly pick: number }
  | { readonly op: 'create-folder' | 'remove-folder' | 'folders'; readonly box: string }
  | FlagOp;
interface FlagOp {
  readonly op: 'flag';
  readonly box: string;
  readonly pick: number;
  readonly add: string;
}

const box = fc.constantFrom(...BOXES);
const ops: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        op: fc.constant('deliver' as const),
        boxes: fc.uniqueArray(box, { minLength: 1, maxLength: 3 }),
        bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
      }),
    },
    fc.record({
      op: fc.constantFrom('create-folder' as const, 'remove-folder' as const, 'folders' as const),
      box,
    }),
    fc.record({ op: fc.constantFrom('list' as const, 'sweep' as const, 'exists' as const), box }),
    {
      weight: 2,
      arbitrary: fc.record({
        op: fc.constantFrom('read' as const, 'remove' as const, 'size' as const),
        box,
        pick: fc.nat({ max: 9 }),
      }),
    },
    fc.record({
      op: fc.constant('flag' as const),
      box,
      pick: fc.nat({ max: 9 }),
      add: fc.constantFrom('S', 'F', 'RS'),
    }),
  ),
  { minLength: 1, maxLength: 14 },
);

type Fate = 'acknowledged' | 'unknown' | 'failed' | 'removed' | 'perhaps-removed';
interface Known {
  readonly bytes: Uint8Array;
  fate: Fate;
  /** Letters that must be there; undefined after a change with unknown result. */
  flags: Set<string> | undefined;
}

/** What the engine said, and whether it was true. */
class Ledger {
  readonly #engine: Maildirs;
  readonly #known = new Map<string, Known>();
  readonly #folders = new Map<string, boolean | undefined>(BOXES.map((each) => [each, false]));

  constructor(engine: Maildirs) {
    this.#engine = engine;
  }

  async run(op: Op): Promise<void> {
    switch (op.op) {
      case 'deliver':
        return this.#deliver(op.boxes, op.bytes);
      case 'list':
        return void (await this.#list(op.box));
      case 'sweep':
        return void (await this.#engine.sweep(op.box, { olderThanMs: 0 }).catch(() => {}));
      case 'exists':
        return this.#exists(op.box);
      case 'create-folder':
      case 'remove-folder':
        return this.#changeFolder(op.op, op.box);
      case 'folders':
        return this.#listFolders(op.box);
      default:
        return this.#message(op);
    }
  }

  async #deliver(boxes: readonly string[], bytes: Uint8Array): Promise<void> {
    const { base, errors } = await deliver(this.#engine, boxes, bytes);
    for (const [index, target] of boxes.entries()) {
      const error = errors[index];
      const unknown = error instanceof UnknownResultError;
      const fate = error === undefined ? 'acknowledged' : unknown ? 'unknown' : 'failed';
      this.#known.set(`${target} ${base}`, { bytes, fate, flags: new Set() });
    }
  }

  /** Every acknowledged message is listed, once; nothing that failed is. */
  async #list(target: string): Promise<readonly Entry[]> {
    const entries = await this.#engine.list(target).catch(() => undefined);
    if (entries === undefined) return [];
    const keys = entries.map((entry) => nameKey(entry.name));
    expect(new Set(keys).size).toBe(keys.length);
    for (const [key, known] of this.#of(target)) {
      if (known.fate === 'acknowledged') expect(keys).toContain(key);
      if (known.fate === 'failed') expect(keys).not.toContain(key);
    }
    return entries.filter((entry) => entry.name !== FOREIGN && this.#get(target, entry));
  }

  async #exists(target: string): Promise<void> {
    const exists = await this.#engine.exists(target).catch(() => undefined);
    expect(exists).not.toBe(false);
  }

  /** Whether the folder is there; undefined after a change with unknown result. */
  async #changeFolder(op: 'create-folder' | 'remove-folder', target: string): Promise<void> {
    const creates = op === 'create-folder';
    try {
      if (creates) await this.#engine.createFolder(target, FOLDER);
      else await this.#engine.removeFolder(target, FOLDER);
      this.#folders.set(target, creates);
    } catch (error) {
      const absent = !creates && !(error instanceof UnknownResultError) && isErrno(error, 'ENOENT');
      this.#folders.set(target, absent ? false : undefined);
    }
  }

  async #listFolders(target: string): Promise<void> {
    const folders = await this.#engine.folders(target).catch(() => undefined);
    const there = this.#folders.get(target);
    if (folders === undefined || there === undefined) return;
    expect(folders).toEqual(there ? [FOLDER] : []);
  }

  async #message(op: Extract<Op, { readonly pick: number }>): Promise<void> {
    const entries = await this.#list(op.box);
    const entry = entries[op.pick % Math.max(1, entries.length)];
    const known = entry && this.#get(op.box, entry);
    if (entry === undefined || known === undefined) return;
    if (op.op === 'read') return this.#read(op.box, entry, known);
    if (op.op === 'remove') return this.#remove(op.box, entry, known);
    if (op.op === 'size') {
      const { length } = known.bytes;
      const sizes = { octets: length, wireOctets: wireOctetsOf(known.bytes) };
      await this.#engine.setSizes({ maildir: op.box, entry, ...sizes }).catch(() => {});
      return;
    }
    if (op.op === 'flag') await this.#flag(op.box, entry, known, op.add);
  }

  async #read(target: string, entry: Entry, known: Known): Promise<void> {
    const bytes = await readAll(this.#engine, target, entry, 16).catch(() => undefined);
    if (bytes !== undefined) expect(bytes).toEqual(Buffer.from(known.bytes));
  }

  async #remove(target: string, entry: Entry, known: Known): Promise<void> {
    const [error] = await this.#engine.remove({ maildir: target, entries: [entry] });
    known.fate = error === undefined ? 'removed' : 'perhaps-removed';
  }

  async #flag(target: string, entry: Entry, known: Known, add: string): Promise<void> {
    try {
      const now = await this.#engine.setFlags({ maildir: target, entry, add, remove: '' });
      for (const letter of add) {
        known.flags?.add(letter);
        expect(nameFlags(now.name)).toContain(letter);
      }
    } catch {
      known.flags = undefined;
    }
  }

  /** The truth, read without the engine. */
  async verify(fs: MemoryFs): Promise<void> {
    expect(fs.openFiles).toBe(0);
    for (const target of BOXES) {
      const paths = new Map<string, string[]>();
      for (const directory of ['new', 'cur']) {
        for (const name of await fs.list(`${target}/${directory}`)) {
          const key = nameKey(name);
          paths.set(key, [...(paths.get(key) ?? []), `${target}/${directory}/${name}`]);
        }
      }
      const there = this.#folders.get(target);
      const names = await fs.list(target);
      if (there !== undefined) expect(names.includes(`.${FOLDER}`)).toBe(there);
      if (there === true) {
        expect(await fs.list(`${target}/.${FOLDER}`)).toEqual(WHOLE_FOLDER);
      }
      expect(paths.get(nameKey(FOREIGN))).toEqual([`${target}/cur/${FOREIGN}`]);
      paths.delete(nameKey(FOREIGN));
      for (const [key, known] of this.#of(target)) verifyOne(fs, known, paths.get(key) ?? []);
      const known = new Set([...this.#of(target)].map(([key]) => key));
      expect([...paths.keys()].filter((key) => !known.has(key))).toEqual([]);
    }
  }

  #get = (target: string, entry: Entry): Known | undefined =>
    this.#known.get(`${target} ${nameKey(entry.name)}`);

  *#of(target: string): Iterable<[string, Known]> {
    for (const [id, known] of this.#known) {
      if (id.startsWith(`${target} `)) yield [id.slice(target.length + 1), known];
    }
  }
}

function verifyOne(fs: MemoryFs, known: Known, paths: readonly string[]): void {
  expect(paths.length).toBeLessThanOrEqual(1);
  const [path] = paths;
  if (known.fate === 'acknowledged') expect(path).toBeDefined();
  if (known.fate === 'failed' || known.fate === 'removed') expect(path).toBeUndefined();
  if (path === undefined) return;
  expect(fs.content(path)).toEqual(Buffer.from(known.bytes)); // Even one that nobody was told of.
  if (known.fate === 'acknowledged') {
    for (const letter of known.flags ?? []) expect(nameFlags(path)).toContain(letter);
  }
}

async function prepared(): Promise<MemoryFs> {
  const fs = new MemoryFs();
  await fs.mkdir(ROOT);
  const engine = engineOn(fs);
  for (const target of BOXES) {
    await engine.create(target, { root: ROOT });
    const fd = await fs.create(`${target}/cur/${FOREIGN}`);
    await fs.close(fd);
  }
  return fs;
}

async function scenario(list: readonly Op[], plan: readonly Fault[]): Promise<void> {
  for (const directorySync of ['always', 'never'] as const) {
    const fs = await prepared();
    const lying = lyingFs(fs, plan);
    const ledger = new Ledger(engineOn(lying.fs, { directorySync }));
    for (const op of list) await ledger.run(op);
    await lying.settle();
    await ledger.verify(fs);
  }
}

test(
  `[N-19] on a lying file system: acknowledged is there once, failed is not (seed ${SEED})`,
  () => fc.assert(fc.asyncProperty(ops, faults(8), scenario), { numRuns: RUNS, seed: SEED }),
  120_000,
);

test('without faults every operation succeeds', () =>
  fc.assert(
    fc.asyncProperty(ops, async (list) => {
      const fs = await prepared();
      const engine = engineOn(fs);
      for (const op of list) {
        if (op.op !== 'deliver') continue;
        const { errors } = await deliver(engine, op.boxes, op.bytes);
        expect(errors.every((error) => error === undefined)).toBe(true);
      }
      for (const target of BOXES) expect(await fs.list(`${target}/tmp`)).toEqual([]);
    }),
    { numRuns: 50, seed: SEED },
  ));
