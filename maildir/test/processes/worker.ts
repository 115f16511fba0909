import { createHash } from 'node:crypto';
import { nameFlags, nameKey, type Entry } from '../../src/index.ts';
import { deliver, readAll } from '../engine.ts';
import { realEngine } from '../tree.ts';
import type { Ledger, Order } from '../processes.test.ts';

// A child of processes.test.ts: one of several that work on the same Maildirs at once. It
// delivers, lists, reads, sets a flag letter that only it uses, and removes only what it
// delivered itself. So it knows what must be true whatever the others do. What it finds wrong,
// it says; at the end it hands over its ledger.

const order = JSON.parse(process.argv[2] ?? '') as Order;
const engine = realEngine(`w${order.letter}`);
const ledger: Ledger = { messages: [], flags: [], wrong: [], steps: 0, missedWhileRenamed: 0 };
const random = seeded(order.seed);
const pick = (count: number): number => Math.floor(random() * count);

/** Own messages by Maildir and key: those not removed must be listed. */
const own = new Map<string, Map<string, string>>(order.maildirs.map((box) => [box, new Map()]));
const flags = new Map<string, boolean>();

/** A busy machine makes them late, not idle. */
const STEPS_MIN = 10;
const end = performance.now() + order.ms;
while (performance.now() < end || ledger.steps < STEPS_MIN) await step();
for (const [maildir, messages] of own) {
  for (const [key, sha] of messages) ledger.messages.push({ maildir, key, sha });
}
for (const [id, set] of flags) {
  const [maildir = '', key = ''] = id.split(' ');
  ledger.flags.push({ maildir, key, letter: order.letter, set });
}
process.send?.(ledger, () => process.disconnect());

async function step(): Promise<void> {
  ledger.steps++;
  const maildir = order.maildirs[pick(order.maildirs.length)] as string;
  const dice = random();
  if (dice < 0.35) return deliverOne();
  const entries = await engine.list(maildir);
  check(maildir, entries);
  const entry = entries[pick(entries.length)];
  if (entry === undefined) return undefined;
  if (dice < 0.6) return flag(maildir, entry);
  if (dice < 0.8) return read(maildir, entry);
  if (dice < 0.95) return remove(maildir, entry);
  return undefined;
}

/** The message carries the hash of its body, so that any process can judge what it reads. */
async function deliverOne(): Promise<void> {
  const body = Buffer.from(Array.from({ length: 1 + pick(3000) }, () => pick(256)));
  const sha = hash(body);
  const bytes = Buffer.concat([Buffer.from(`${sha}\n`), body]);
  const first = pick(order.maildirs.length);
  const targets = order.maildirs.slice(first, first + 1 + pick(2));
  const { base, errors } = await deliver(engine, targets, bytes);
  for (const error of errors) if (error !== undefined) wrong(`delivery: ${error.message}`);
  for (const target of targets) own.get(target)?.set(base, sha);
}

/** Own messages are all there, once. Those that only we may rename are never missed. */
function check(maildir: string, entries: readonly Entry[]): void {
  const keys = new Set(entries.map((entry) => nameKey(entry.name)));
  if (keys.size !== entries.length) wrong('a message is listed twice');
  for (const key of own.get(maildir)?.keys() ?? []) {
    if (keys.has(key)) continue;
    if (isQuiet(key)) wrong(`${key} is not listed, though nothing touched it`);
    else ledger.missedWhileRenamed++;
  }
}

/** Half of all messages are never flagged by anyone. */
function isQuiet(key: string): boolean {
  return /Q\d*[02468]R/.test(key);
}

async function flag(maildir: string, entry: Entry): Promise<void> {
  const key = nameKey(entry.name);
  if (isQuiet(key)) return;
  const set = random() < 0.5;
  const change = set ? { add: order.letter, remove: '' } : { add: '', remove: order.letter };
  try {
    const now = await engine.setFlags({ maildir, entry, ...change });
    flags.set(`${maildir} ${key}`, set);
    if (nameFlags(now.name).includes(order.letter) !== set) wrong('flag not as asked');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    flags.delete(`${maildir} ${key}`);
    if (code !== 'ENOENT' && code !== 'EAGAIN') wrong(`flags: ${String(error)}`);
    if (code === 'ENOENT' && own.get(maildir)?.has(key)) wrong('own message gone at flags');
  }
}

async function read(maildir: string, entry: Entry): Promise<void> {
  const key = nameKey(entry.name);
  try {
    const bytes = await readAll(engine, maildir, entry, 1000);
    const line = bytes.indexOf('\n');
    const right = hash(bytes.subarray(line + 1)) === bytes.subarray(0, line).toString();
    if (!right) wrong(`${key} is not as it was delivered`);
  } catch (error) {
    const gone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (!gone || own.get(maildir)?.has(key)) wrong(`read of ${key}: ${String(error)}`);
  }
}

async function remove(maildir: string, entry: Entry): Promise<void> {
  const key = nameKey(entry.name);
  if (!own.get(maildir)?.has(key)) return;
  const [error] = await engine.remove({ maildir, entries: [entry] });
  if (error !== undefined) return wrong(`remove: ${error.message}`);
  own.get(maildir)?.delete(key);
  flags.delete(`${maildir} ${key}`);
}

function wrong(what: string): void {
  if (ledger.wrong.length < 20) ledger.wrong.push(`worker ${order.letter}: ${what}`);
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Mulberry32: the same steps for the same seed, as far as the other processes let it. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
