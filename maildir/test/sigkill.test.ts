import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Maildirs } from '../src/index.ts';
import { readAll } from './engine.ts';
import { realEngine, withTree } from './tree.ts';

// A real process, killed with SIGKILL before each of its system calls, on the real disk.

const CHILD = fileURLToPath(new URL('processes/paused.ts', import.meta.url));
const CONTENT = 'Subject: killed\n\nWhole or not at all.\n';
/** create, write, fsync, close, link, rename, and two directories opened, synced, closed. */
const CALLS = 12;

/** @returns what the child said before it was killed. */
async function killedBefore(call: number, maildirs: readonly string[]): Promise<unknown> {
  const child = fork(CHILD, [String(call), CONTENT, ...maildirs], { stdio: 'inherit' });
  const exited = once(child, 'exit');
  let said: unknown;
  child.once('message', (message) => {
    said = message;
    child.kill('SIGKILL');
  });
  const [code, signal] = (await exited) as [number | null, string | null];
  expect([code, signal]).toEqual([null, 'SIGKILL']);
  return said;
}

async function recovered(engine: Maildirs, maildir: string): Promise<number> {
  const entries = await engine.list(maildir);
  for (const entry of entries) {
    expect((await readAll(engine, maildir, entry)).toString()).toBe(CONTENT);
  }
  await engine.sweep(maildir, { olderThanMs: 0 });
  expect(await readdir(`${maildir}/tmp`)).toEqual([]);
  expect(await engine.list(maildir)).toEqual(entries);
  return entries.length;
}

async function killAt(engine: Maildirs, root: string, call: number): Promise<void> {
  const maildirs = [`${root}/${call}/a`, `${root}/${call}/b`];
  for (const maildir of maildirs) await engine.create(maildir, { root });
  expect(await killedBefore(call, maildirs)).toBe(call < CALLS ? 'stopped' : 'acknowledged');
  const counts = [];
  for (const maildir of maildirs) counts.push(await recovered(engine, maildir));
  // Linked before the sixth call, renamed before the seventh.
  expect(counts).toEqual([call > 4 ? 1 : 0, call > 5 ? 1 : 0]);
}

test(
  '[N-19] a delivery killed before any call leaves nothing, or the whole message',
  () =>
    withTree(async (root) => {
      const engine = realEngine();
      for (let call = 0; call <= CALLS; call += 4) {
        const some = [call, call + 1, call + 2, call + 3].filter((each) => each <= CALLS);
        await Promise.all(some.map((each) => killAt(engine, root, each)));
      }
    }),
  60_000,
);
