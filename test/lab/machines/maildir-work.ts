/**
 * Work of the storage engine as a process of a front end: `deliver MAILDIR COUNT` makes the Maildir
 * and puts letters there; `hold MAILDIR` keeps all of them open, read in part; `clear MAILDIR`
 * renames and removes all, and says how many ms the slowest step took.
 */
import { openSync, readSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { nodeFs, openMaildirs, systemClock, systemRandom } from '#maildir';

const LETTER = Buffer.from(`Subject: held\n\n${'x'.repeat(200_000)}\n`);
const PART = 1000;

const [verb = '', maildir = '', count = '0'] = process.argv.slice(2);
const engine = openMaildirs({
  fs: nodeFs,
  clock: systemClock,
  random: systemRandom,
  node: hostname(),
  pid: process.pid,
  directorySync: 'never',
});

async function deliver(): Promise<void> {
  await engine.create(maildir, { root: dirname(maildir) });
  const octets = LETTER.length;
  const wireOctets = octets + LETTER.filter((octet) => octet === 10).length;
  for (let i = 0; i < Number(count); i++) {
    const base = engine.uniqueName();
    await engine.stage({ maildir, base, offset: 0, bytes: LETTER, last: true });
    const letter = { maildir, base, octets, wireOctets, targets: [maildir] };
    const [result] = await engine.publish(letter);
    if (result?.error) throw result.error;
  }
}

async function hold(): Promise<void> {
  const entries = await engine.list(maildir);
  for (const { directory, name } of entries) {
    const file = openSync(join(maildir, directory, name), 'r');
    readSync(file, Buffer.alloc(PART), 0, PART, 0);
  }
  process.stdout.write(`holds ${entries.length}\n`);
  setInterval(() => undefined, 60_000);
}

async function clear(): Promise<void> {
  let slowest = 0;
  const timed = async <T>(step: Promise<T>): Promise<T> => {
    const began = performance.now();
    const value = await step;
    slowest = Math.max(slowest, performance.now() - began);
    return value;
  };
  const entries = await engine.list(maildir);
  for (const entry of entries) {
    const seen = await timed(engine.setFlags({ maildir, entry, add: 'S', remove: '' }));
    const [error] = await timed(engine.remove({ maildir, entries: [seen] }));
    if (error !== undefined) throw error;
  }
  const left = await engine.list(maildir);
  const result = { cleared: entries.length, left: left.length, slowest: Math.round(slowest) };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

const WORK: Readonly<Record<string, () => Promise<void>>> = { deliver, hold, clear };
if (!Object.hasOwn(WORK, verb)) throw new Error(`no work called ${verb}`);
await WORK[verb]?.();
