import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { nameFlags, nameKey, type FolderState } from '#maildir';
import { asRoot, CLIENTS, callsDuring, type Client } from './inside.ts';
import { type JournalLedger, type JournalOrder, journalsOn, pictureOf } from './journal-host.ts';
import { deliver, SharedMaildir } from './mailboxes.ts';

// The journal by several hosts with real caches: at random, against what each was told; and what
// an operation costs on the wire.

const SECONDS = process.env['MAILFARM_LAB_LONG'] === undefined ? 8 : 600;
const WORKER = join(import.meta.dirname, 'journal-host.ts');
const LETTERS: Readonly<Record<Client, string>> = { c1: 'F', c2: 'R', c3: 'S' };
/** As long as an absence must last to be a proof. */
const PROOF_MS = 11_000;

async function work(order: JournalOrder): Promise<JournalLedger> {
  const child = fork(WORKER, [JSON.stringify(order)], { stdio: 'inherit' });
  const said: JournalLedger[] = [];
  child.on('message', (ledger) => said.push(ledger as JournalLedger));
  await once(child, 'exit');
  const [ledger] = said;
  if (ledger === undefined) throw new Error('a host ended without its ledger');
  return ledger;
}

/** One map from what all say; two that say different things are named. */
function merged(ledgers: readonly (readonly (readonly [string, string])[])[]): string[] {
  const all = new Map<string, string>();
  const wrong: string[] = [];
  for (const [name, value] of ledgers.flat()) {
    if ((all.get(name) ?? value) !== value) wrong.push(`${name}: ${all.get(name)}, ${value}`);
    all.set(name, value);
  }
  return wrong;
}

/** What all hosts and one who has never seen the folder come to, when nobody works any more. */
async function settled(box: SharedMaildir): Promise<FolderState> {
  const hosts = [...CLIENTS, ...CLIENTS].map((client, index) => {
    const { journals } = journalsOn(client, index < CLIENTS.length ? 0 : PROOF_MS);
    return { journals, ref: { maildir: box.on(client), folder: '' } };
  });
  for (const { journals, ref } of hosts) await journals.sync(ref);
  const states = [];
  for (const { journals, ref } of hosts) states.push((await journals.sync(ref)).state);
  for (const state of states) expect(pictureOf(state)).toBe(pictureOf(states[0] as FolderState));
  return states[0] as FolderState;
}

function filesOf(box: SharedMaildir): string[] {
  const names = ['new', 'cur'].flatMap((name) => readdirSync(join(box.atServer, name)));
  return names.map((name) => `${nameKey(name)} ${nameFlags(name)}`).toSorted();
}

test(
  '[N-11] three hosts and two processes more number, flag, append and expunge in one folder',
  async () => {
    const box = new SharedMaildir();
    await box.create('c1');
    box.fill(30);
    const hosts = [...CLIENTS, 'c1', 'c2'] as const;
    const ledgers = await Promise.all(
      hosts.map((client, index) => {
        const host = `${client}-${index}`;
        const letter = index < CLIENTS.length ? LETTERS[client] : '';
        return work({ maildir: box.on(client), host, letter, seed: index, ms: SECONDS * 1000 });
      }),
    );
    const steps = ledgers.reduce((sum, ledger) => sum + ledger.steps, 0);
    process.stdout.write(`   five processes on one folder: ${steps} steps\n`);
    expect(ledgers.flatMap(({ wrong }) => wrong)).toEqual([]);
    expect(merged(ledgers.map(({ numbers }) => numbers))).toEqual([]);
    expect(merged(ledgers.map(({ states }) => states))).toEqual([]);
    expect(steps).toBeGreaterThan(10);

    const state = await settled(box);
    const numbered = state.messages.map(({ key, flags }) => `${key} ${flags}`).toSorted();
    expect(numbered).toEqual(filesOf(box));
    const uids = new Map(state.messages.map((message) => [message.uid, message]));
    const numbers = new Map(ledgers.flatMap((ledger) => ledger.numbers));
    const expunged = new Set(ledgers.flatMap((ledger) => ledger.expunged));
    const expungedKeys = new Set([...expunged].map((number) => numbers.get(number)));
    for (const [number, key] of numbers) {
      const [validity, uid] = number.split('/').map(Number);
      expect(validity).toBe(state.uidValidity);
      if (!expunged.has(number)) expect(uids.get(uid ?? 0)?.key).toBe(key);
    }
    const keys = new Set(state.messages.map(({ key }) => key));
    const lost = ledgers.flatMap(({ added }) =>
      added.filter((key) => !keys.has(key) && !expungedKeys.has(key)),
    );
    expect(lost).toEqual([]);
    for (const [index, { flags, host }] of ledgers.entries()) {
      for (const [number, set] of flags) {
        const message = uids.get(Number(number.split('/')[1]));
        if (message === undefined) continue;
        const letter = index < CLIENTS.length ? LETTERS[hosts[index] as Client] : undefined;
        const what = `${host} ${number}`;
        expect(message.keywords.includes(`k-${host}`), what).toBe(set);
        if (letter !== undefined) expect(message.flags.includes(letter), what).toBe(set);
      }
    }
  },
  SECONDS * 1000 + 120_000,
);

const box = new SharedMaildir();
const ref = { maildir: box.on('c1'), folder: '' };
const { journals, maildirs } = journalsOn('c1');
const other = journalsOn('c2');

async function within(what: string, allowed: number, action: () => Promise<unknown>) {
  const { total, calls } = await callsDuring('c1', action);
  process.stdout.write(`   ${what}: ${total} calls of ${allowed} (${calls})\n`);
  expect(total, `${what}: ${calls}`).toBeLessThanOrEqual(allowed);
  expect(total, `${what}: nothing was counted`).toBeGreaterThan(0);
}

beforeAll(async () => {
  await box.create('c1');
  box.fill(1_000);
  await journals.sync(ref);
});

test('[N-11] calls of the journal: an unchanged folder 3', async () => {
  await journals.sync(ref);
  await within('sync, nothing new', 3, () => journals.sync(ref));
});

test('[N-11] calls of the journal: a new message, flags, keywords, an expunge', async () => {
  const letter = 'Subject: x\n\nx\n';
  await deliver(maildirs, box.on('c1'), letter);
  await journals.sync(ref);
  await journals.sync(ref);
  await deliver(maildirs, box.on('c1'), letter);
  await within('sync after a letter of its own host', 16, () => journals.sync(ref));
  await deliver(other.maildirs, box.on('c2'), letter);
  await within('sync after a letter of another host', 18, () => journals.sync(ref));
  const change = { uids: [1], how: 'add', letters: 'F', keywords: [] } as const;
  await within('a flag', 12, () => journals.store(ref, change));
  const keyword = { uids: [2], how: 'add', letters: '', keywords: ['k'] } as const;
  await within('a keyword', 10, () => journals.store(ref, keyword));
  const ten = Array.from({ length: 10 }, (_, index) => index + 3);
  await within('flags of ten', 30, () => journals.store(ref, { ...change, uids: ten }));
  await within('an expunge', 24, () => journals.expunge(ref, [1]));
});

test('[N-11] calls of the journal: a folder of 1,000 opened by a host that knows nothing', async () => {
  const fresh = journalsOn('c1');
  await within('open, cached', 60, () => fresh.journals.sync(ref));
  await asRoot('sh', '-c', 'sync; echo 3 > /proc/sys/vm/drop_caches');
  await within('open, cold', 80, () => journalsOn('c1').journals.sync(ref));
});
