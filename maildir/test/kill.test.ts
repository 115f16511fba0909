import { expect, test } from 'vitest';
import type { Maildirs } from '../src/index.ts';
import { nameFlags, nameKey, nameWireOctets } from '../src/index.ts';
import { killedAfter } from './call-fs.ts';
import { deliver, engineOn, readAll, ROOT } from './engine.ts';
import { MemoryFs } from './memory-fs.ts';

// Kill between any two system calls, with and without a power cut, then recovery: each scenario
// is stopped before its 0th, 1st, 2nd, … call until it runs through, and for each of these stops
// the power is cut with every possible share of the metadata still unwritten.

const A = `${ROOT}/3f/a2/alice`;
const B = `${ROOT}/3f/a3/bob`;
const OLD = Buffer.from('From: old\n\nA message that must stay.\n');
const NEW = Buffer.from('From: new\n\nThe one under way, with 8-bit \xe9 and NUL \0.', 'latin1');

interface Scenario {
  readonly name: string;
  readonly prepare?: (engine: Maildirs) => Promise<void>;
  /** The operation; what it resolves to is its acknowledgement. */
  readonly act: (engine: Maildirs) => Promise<boolean>;
  /** After recovery: `acked` is what the operation answered before the end, if it did. */
  readonly check: (engine: Maildirs, acked: boolean | undefined) => Promise<void>;
}

const contents = async (engine: Maildirs, maildir: string): Promise<string[]> => {
  const entries = await engine.list(maildir);
  const all = await Promise.all(entries.map((entry) => readAll(engine, maildir, entry)));
  return all.map((bytes) => bytes.toString('latin1')).toSorted((a, b) => (a < b ? 1 : -1));
};
const old = OLD.toString('latin1');
const fresh = NEW.toString('latin1');

/** Each Maildir holds the old message, and the new one whole or not; when acknowledged, whole. */
const deliveredTo =
  (maildirs: readonly string[]): Scenario['check'] =>
  async (engine, acked) => {
    for (const maildir of maildirs) {
      const [first, ...rest] = await contents(engine, maildir);
      expect(first).toBe(old);
      if (acked === true || rest.length > 0) expect(rest).toEqual([fresh]);
    }
  };

const only = async (engine: Maildirs, maildir: string) => {
  const entries = await engine.list(maildir);
  expect(entries).toHaveLength(1);
  const [entry] = entries;
  if (entry === undefined) throw new Error('unreachable');
  return entry;
};

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'deliver to one',
    act: async (engine) => (await deliver(engine, [A], NEW)).errors[0] === undefined,
    check: deliveredTo([A]),
  },
  {
    name: 'deliver to several',
    act: async (engine) =>
      (await deliver(engine, [A, B], NEW)).errors.every((error) => error === undefined),
    check: deliveredTo([A, B]),
  },
  {
    name: 'deliver in pieces',
    act: async (engine) => {
      const base = engine.uniqueName();
      for (let offset = 0; offset < NEW.length; offset += 20) {
        const bytes = NEW.subarray(offset, offset + 20);
        const last = offset + 20 >= NEW.length;
        await engine.stage({ maildir: A, base, offset, bytes, last });
      }
      const request = { maildir: A, base, octets: NEW.length, wireOctets: 0, targets: [A] };
      return (await engine.publish(request))[0]?.error === undefined;
    },
    check: deliveredTo([A]),
  },
  {
    name: 'set flags',
    act: async (engine) => {
      const entry = await only(engine, A);
      await engine.setFlags({ maildir: A, entry, add: 'S', remove: '' });
      return true;
    },
    check: async (engine) => {
      expect(await contents(engine, A)).toEqual([old]);
      expect(['', 'S']).toContain(nameFlags((await only(engine, A)).name));
    },
  },
  {
    name: 'set sizes',
    act: async (engine) => {
      const entry = await only(engine, A);
      await engine.setSizes({ maildir: A, entry, octets: OLD.length, wireOctets: 99 });
      return true;
    },
    check: async (engine) => {
      expect(await contents(engine, A)).toEqual([old]);
      expect([OLD.length + 3, 99]).toContain(nameWireOctets((await only(engine, A)).name));
    },
  },
  {
    name: 'remove',
    prepare: async (engine) => void (await deliver(engine, [A], NEW)),
    act: async (engine) => {
      const entries = await engine.list(A);
      const [error] = await engine.remove({ maildir: A, entries: entries.slice(1) });
      return error === undefined;
    },
    // Removal is not made durable: after a power cut the message may be back.
    check: (engine) => deliveredTo([A])(engine, undefined),
  },
  {
    name: 'create a Maildir',
    act: async (engine) => {
      await engine.create(`${ROOT}/77/88/carol`, { root: ROOT });
      return true;
    },
    check: async (engine, acked) => {
      const carol = `${ROOT}/77/88/carol`;
      if (acked === true) expect(await engine.exists(carol)).toBe(true);
      await engine.create(carol, { root: ROOT }); // Another front end repeats it.
      expect(await engine.exists(carol)).toBe(true);
    },
  },
  {
    name: 'create a folder',
    act: async (engine) => {
      await engine.createFolder(A, 'Sent');
      return true;
    },
    check: async (engine, acked) => {
      if (acked === true) expect(await engine.folders(A)).toEqual(['Sent']);
      await engine.createFolder(A, 'Sent');
      expect(await engine.folders(A)).toEqual(['Sent']);
    },
  },
  {
    name: 'remove a folder',
    prepare: async (engine) => {
      await engine.createFolder(A, 'Trash');
      await deliver(engine, [`${A}/.Trash`], OLD);
      await deliver(engine, [`${A}/.Trash`], OLD);
    },
    act: async (engine) => {
      await engine.removeFolder(A, 'Trash');
      return true;
    },
    check: async (engine, acked) => {
      const folders = await engine.folders(A);
      if (acked === true) expect(folders).toEqual([]);
      // Whole or gone: never a folder that lost some of its messages.
      if (folders.length > 0) expect(await contents(engine, `${A}/.Trash`)).toEqual([old, old]);
      expect(await contents(engine, A)).toEqual([old]);
    },
  },
  {
    name: 'sweep',
    prepare: async (engine) => {
      const base = engine.uniqueName();
      await engine.stage({ maildir: A, base, offset: 0, bytes: NEW, last: false });
    },
    act: async (engine) => (await engine.sweep(A, { olderThanMs: 0 })) > 0,
    check: async (engine) => expect(await contents(engine, A)).toEqual([old]),
  },
];

/** A tree with one message in each Maildir, all of it durable; then the scenario's own. */
async function prepared(scenario: Scenario): Promise<MemoryFs> {
  const fs = new MemoryFs();
  await fs.mkdir(ROOT);
  const engine = engineOn(fs);
  for (const maildir of [A, B]) await engine.create(maildir, { root: ROOT });
  await deliver(engine, [A], OLD);
  await deliver(engine, [B], OLD);
  await scenario.prepare?.(engine);
  return fs;
}

/** Runs the scenario up to `calls` calls. */
async function runKilled(scenario: Scenario, calls: number) {
  const fs = await prepared(scenario);
  const process = killedAfter(fs, calls);
  let acked: boolean | undefined;
  try {
    acked = await scenario.act(engineOn(process.fs, { node: 'mx2' }));
  } catch {
    acked = undefined; // Nobody heard it.
  }
  // What a killed process "answers" after its end is not an answer.
  return { fs, acked: process.killed ? undefined : acked, killed: process.killed };
}

async function recovered(fs: MemoryFs, scenario: Scenario, acked: boolean | undefined) {
  const engine = engineOn(fs, { node: 'mx3' });
  await scenario.check(engine, acked);
  for (const maildir of [A, B]) await engine.sweep(maildir, { olderThanMs: 0 });
  expect(await fs.list(`${A}/tmp`)).toEqual([]);
  expect(await fs.list(`${B}/tmp`)).toEqual([]);
  await scenario.check(engine, acked);
}

for (const scenario of SCENARIOS) {
  test(`${scenario.name}: killed before any call, every invariant holds`, async () => {
    let calls = 0;
    for (let killed = true; killed; calls++) {
      const run = await runKilled(scenario, calls);
      killed = run.killed;
      if (!killed) expect(run.acked).toBe(true);
      await recovered(run.fs, scenario, run.acked);
    }
    expect(calls).toBeGreaterThan(1);
  });

  test(`${scenario.name}: power cut before any call, every invariant holds`, async () => {
    for (let killed = true, calls = 0; killed; calls++) {
      let atRisk = 0;
      for (let kept = 0; kept <= atRisk; kept++) {
        const run = await runKilled(scenario, calls);
        ({ killed } = run);
        atRisk = run.fs.atRisk;
        run.fs.powerCut(kept);
        await recovered(run.fs, scenario, run.acked);
      }
    }
  });
}

test('without the directory fsync a power cut loses an acknowledged message', async () => {
  const fs = await prepared({ name: '', act: async () => true, check: async () => {} });
  const engine = engineOn(fs, { directorySync: 'never' });
  expect((await deliver(engine, [A], NEW)).errors).toEqual([undefined]);
  fs.powerCut(0); // So the model can tell; on NFS the server commits names itself.
  expect((await engine.list(A)).map((entry) => nameKey(entry.name))).toHaveLength(1);
});
