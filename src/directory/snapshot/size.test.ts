import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { readingOf, userOf } from './testing.ts';
import { writeReading } from './write.ts';

/** MAILFARM_TEST_USERS=200000 for the size that the farm is built for. */
const USERS = Number(process.env['MAILFARM_TEST_USERS'] ?? 20_000);
const dir = mkdtempSync(join(tmpdir(), 'mailfarm-snapshot-'));
afterAll(() => rmSync(dir, { recursive: true }));

/** A process of its own that asks `asked` questions, half of them for nobody. */
const program = (path: string, asked: number): string => `
  const { openSnapshot } = await import(${JSON.stringify(join(import.meta.dirname, 'open.ts'))});
  const directory = openSnapshot(${JSON.stringify(path)}, {
    clock: { now: () => 0, sleep: () => Promise.resolve() },
  });
  const ask = async (from, to) => {
    for (let n = from; n < to; n += 1) {
      const user = (n * 7919) % ${USERS};
      const name = n % 2 ? 'user' + user : 'nobody' + n;
      const answer = await directory.resolve(name + '@example.test');
      if ((answer.kind === 'account') !== (n % 2 === 1)) throw new Error(name);
    }
  };
  await ask(0, ${asked / 4});
  gc();
  const before = process.memoryUsage();
  let us = Infinity; // Of the processor, not of the clock; the best of three.
  for (let turn = 0; turn < 3; turn += 1) {
    const began = process.cpuUsage();
    await ask(0, ${asked});
    const { user, system } = process.cpuUsage(began);
    us = Math.min(us, (user + system) / ${asked});
  }
  gc();
  const after = process.memoryUsage();
  const heap = after.heapUsed + after.external - before.heapUsed - before.external;
  process.stdout.write(JSON.stringify({ us, heap, rss: after.rss, all: after.heapUsed }));`;

test('[S2-17] many users cost a process no memory, and a look-up some microseconds', async () => {
  const users = Array.from({ length: USERS }, (_, n) =>
    userOf(n, { mailAlias: `alias${n}@example.test`, mwVolume: `mail${n % 8}` }),
  );
  const path = join(dir, 'large.snapshot');
  const began = performance.now();
  await writeReading(readingOf({ users }), { output: path });
  const seconds = (performance.now() - began) / 1000;
  const ask = async (asked: number) => {
    const argv = ['--expose-gc', '--input-type=module', '-e', program(path, asked)];
    const { stdout } = await promisify(execFile)(process.execPath, argv);
    return JSON.parse(stdout) as { us: number; heap: number; rss: number; all: number };
  };
  const found = await ask(20_000);
  const megabytes = (octets: number): string => (octets / 1e6).toFixed(1);
  process.stderr.write(
    `${USERS} users: built in ${seconds.toFixed(1)} s, ${megabytes(statSync(path).size)} MB, ` +
      `${found.us.toFixed(1)} us a question, heap ${megabytes(found.all)} MB, ` +
      `${megabytes(found.heap)} MB more after 20,000 questions, rss ${megabytes(found.rss)} MB\n`,
  );
  expect(found.heap, 'octets after 20,000 different questions').toBeLessThan(2_000_000);
  expect(found.us).toBeLessThan(500); // It takes some thirty.
  expect(statSync(path).size / USERS).toBeLessThan(1_000);
}, 300_000);
