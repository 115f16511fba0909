/** Three hosts at work in the same mailboxes, against what each of them knows. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { nameFlags, nameKey } from '#maildir';
import type { Ledger, Order } from '../../maildir/test/processes.test.ts';
import { CLIENTS, type Client, type VolumeName } from './inside.ts';
import { SharedMaildir } from './mailboxes.ts';

const WORKER = join(import.meta.dirname, '../../maildir/test/processes/worker.ts');
const LETTERS: Readonly<Record<Client, string>> = { c1: 'F', c2: 'R', c3: 'S' };

async function work(order: Order): Promise<Ledger> {
  const child = fork(WORKER, [JSON.stringify(order)], { stdio: 'inherit' });
  const said: Ledger[] = [];
  child.on('message', (ledger) => said.push(ledger as Ledger));
  await once(child, 'exit');
  const [ledger] = said;
  if (ledger === undefined) throw new Error('a host’s worker ended without its ledger');
  return ledger;
}

/** Every file of new/ and cur/ on the server's disk, by key. */
function filesOf(box: SharedMaildir): Map<string, string[]> {
  const files = new Map<string, string[]>();
  for (const directory of ['new', 'cur']) {
    for (const name of readdirSync(join(box.atServer, directory))) {
      const path = join(box.atServer, directory, name);
      files.set(nameKey(name), [...(files.get(nameKey(name)) ?? []), path]);
    }
  }
  return files;
}

/** They deliver, flag, read and remove for so long; then nothing is lost, doubled or changed. */
export async function expectNothingLost(volume: VolumeName, seconds: number): Promise<void> {
  const boxes = [new SharedMaildir(volume), new SharedMaildir(volume), new SharedMaildir(volume)];
  for (const box of boxes) await box.create('c1');
  const orders = CLIENTS.map((client, index) => ({
    maildirs: boxes.map((box) => box.on(client)),
    seed: index + 1,
    letter: LETTERS[client],
    ms: seconds * 1000,
  }));
  const ledgers = await Promise.all(orders.map(work));
  const count = (pick: (ledger: Ledger) => number): number =>
    ledgers.reduce((sum, ledger) => sum + pick(ledger), 0);
  const steps = count((ledger) => ledger.steps);
  const left = count((ledger) => ledger.messages.length);
  const missed = count((ledger) => ledger.missedWhileRenamed);
  process.stdout.write(
    `   three hosts on ${volume}: ${steps} steps, ${left} letters left, ${missed} missed\n`,
  );
  expect(ledgers.flatMap(({ wrong }) => wrong)).toEqual([]);
  expect(steps).toBeGreaterThan(10);
  for (const box of boxes) expectWhole(box, ledgers);
  // A message that others rename again and again may be missed; it must stay rare.
  expect(missed).toBeLessThanOrEqual(Math.max(2, steps / 100));
}

/** A mailbox is what its hosts made of it. */
function expectWhole(box: SharedMaildir, ledgers: readonly Ledger[]): void {
  const files = filesOf(box);
  const of = <T extends { maildir: string }>(all: readonly T[]): T[] =>
    all.filter(({ maildir }) => maildir.endsWith(`/${box.name}`));
  const expected = of(ledgers.flatMap(({ messages }) => messages));
  expect([...files.keys()].toSorted()).toEqual(expected.map(({ key }) => key).toSorted());
  for (const { key, sha } of expected) {
    const paths = files.get(key) ?? [];
    expect(paths).toHaveLength(1);
    expect(readFileSync(paths[0] ?? '', 'latin1').split('\n', 1)[0]).toBe(sha);
  }
  for (const { key, letter, set } of of(ledgers.flatMap(({ flags }) => flags))) {
    const [path] = files.get(key) ?? [];
    if (path !== undefined) expect(nameFlags(path).includes(letter)).toBe(set);
  }
}
