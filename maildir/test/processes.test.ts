import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { nameFlags, nameKey } from '../src/index.ts';
import { realEngine, withTree } from './tree.ts';

// Four processes on the same Maildirs against what each of them knows. Longer with
// MAILFARM_TEST_SECONDS, again with MAILFARM_TEST_SEED.

export interface Order {
  readonly maildirs: readonly string[];
  readonly seed: number;
  readonly letter: string;
  readonly ms: number;
}
export interface Ledger {
  /** Delivered, acknowledged and not removed. */
  readonly messages: { maildir: string; key: string; sha: string }[];
  /** What the worker last made of its own flag letter. */
  readonly flags: { maildir: string; key: string; letter: string; set: boolean }[];
  readonly wrong: string[];
  steps: number;
  missedWhileRenamed: number;
}

const SECONDS = Number(process.env['MAILFARM_TEST_SECONDS'] ?? 3);
const SEED = Number(process.env['MAILFARM_TEST_SEED'] ?? process.pid);
const WORKER = fileURLToPath(new URL('processes/worker.ts', import.meta.url));
const LETTERS = ['F', 'R', 'S', 'a'];

/** File locks the kernel holds for a process, of whatever kind. */
const locksOf = (pid: number | undefined): string[] =>
  readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .filter((line) => line.split(/\s+/)[4] === String(pid));

async function work(order: Order, locks: string[]): Promise<Ledger> {
  const child = fork(WORKER, [JSON.stringify(order)], { stdio: 'inherit' });
  const said: Ledger[] = [];
  child.on('message', (ledger) => said.push(ledger as Ledger));
  const watch = setInterval(() => locks.push(...locksOf(child.pid)), 20);
  await once(child, 'exit');
  clearInterval(watch);
  const [ledger] = said;
  if (ledger === undefined) throw new Error('A worker ended without its ledger');
  return ledger;
}

/** Every file of new/ and cur/ by key. */
async function filesOf(maildir: string): Promise<Map<string, string[]>> {
  const files = new Map<string, string[]>();
  for (const directory of ['new', 'cur']) {
    for (const name of await readdir(`${maildir}/${directory}`)) {
      const paths = files.get(nameKey(name)) ?? [];
      files.set(nameKey(name), [...paths, `${maildir}/${directory}/${name}`]);
    }
  }
  return files;
}

async function verify(maildirs: readonly string[], ledgers: readonly Ledger[]): Promise<void> {
  const messages = ledgers.flatMap((ledger) => ledger.messages);
  const letters = ledgers.flatMap((ledger) => ledger.flags);
  for (const maildir of maildirs) {
    const files = await filesOf(maildir);
    const expected = messages.filter((message) => message.maildir === maildir);
    // No more, no fewer: nothing lost, nothing doubled, nothing that was removed came back.
    expect([...files.keys()].toSorted()).toEqual(expected.map((each) => each.key).toSorted());
    for (const { key, sha } of expected) {
      const paths = files.get(key) ?? [];
      expect(paths).toHaveLength(1);
      const line = (await readFile(paths[0] ?? '', 'latin1')).split('\n', 1)[0];
      expect(line).toBe(sha);
    }
    for (const { key, letter, set } of letters.filter((each) => each.maildir === maildir)) {
      const [path] = files.get(key) ?? [];
      if (path !== undefined) expect(nameFlags(path).includes(letter)).toBe(set);
    }
    expect(await readdir(`${maildir}/tmp`)).toEqual([]);
  }
}

test(
  `[S2-03] [S2-28] four processes on one tree, no lock, nothing lost (MAILFARM_TEST_SEED=${SEED})`,
  () =>
    withTree(async (root) => {
      const engine = realEngine();
      const maildirs = ['a', 'b', 'c'].map((name) => `${root}/${name}`);
      for (const maildir of maildirs) await engine.create(maildir, { root });
      const orders = LETTERS.map((letter, index) => ({
        maildirs,
        seed: SEED * 10 + index,
        letter,
        ms: SECONDS * 1000,
      }));
      const locks: string[] = [];
      const ledgers = await Promise.all(orders.map((order) => work(order, locks)));
      expect(locks).toEqual([]);
      expect(ledgers.flatMap((ledger) => ledger.wrong)).toEqual([]);
      expect(ledgers.every((ledger) => ledger.steps >= 10)).toBe(true);
      await verify(maildirs, ledgers);
      // A message that others rename again and again may be missed; it must stay rare.
      const steps = ledgers.reduce((sum, ledger) => sum + ledger.steps, 0);
      const missed = ledgers.reduce((sum, ledger) => sum + ledger.missedWhileRenamed, 0);
      expect(missed).toBeLessThanOrEqual(steps / 100);
    }),
  SECONDS * 1000 + 120_000,
);
