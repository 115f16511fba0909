import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
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
  const [said] = (await once(child, 'message')) as [unknown];
  child.kill('SIGKILL');
  const [code, signal] = (await exited) as [number | null, string | null];
  expect([code, signal]).toEqual([null, 'SIGKILL']);
  return said;
}

test(
  '[N-19] a delivery killed before any call leaves nothing, or the whole message',
  () =>
    withTree(async (root) => {
      const engine = realEngine();
      for (let call = 0; call <= CALLS; call++) {
        const maildirs = [`${root}/${call}/a`, `${root}/${call}/b`];
        for (const maildir of maildirs) await engine.create(maildir, { root });
        const said = await killedBefore(call, maildirs);
        expect(said).toBe(call < CALLS ? 'stopped' : 'acknowledged');
        const counts: number[] = [];
        for (const maildir of maildirs) {
          const entries = await engine.list(maildir);
          for (const entry of entries) {
            expect((await readAll(engine, maildir, entry)).toString()).toBe(CONTENT);
          }
          counts.push(entries.length);
          await engine.sweep(maildir, { olderThanMs: 0 });
          expect(await readdir(`${maildir}/tmp`)).toEqual([]);
          expect(await engine.list(maildir)).toEqual(entries);
        }
        // Linked before the sixth call, renamed before the seventh.
        expect(counts).toEqual([call > 4 ? 1 : 0, call > 5 ? 1 : 0]);
      }
    }),
  60_000,
);
