import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, linkSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { realEngine, withTree } from './tree.ts';

// A Maildir of 100,000 messages costs little more than the system calls that list it. Ratios in
// one run on one machine: times alone would judge the machine.

const COUNT = 100_000;
const CHILD = fileURLToPath(new URL('processes/listing.ts', import.meta.url));
/** Links to one file: the file system allows 65,000. */
const LINKS = 50_000;

interface Cost {
  readonly count: number;
  readonly peakKiB: number;
  readonly cpuMs: number;
}

async function cost(mode: 'bare' | 'engine', maildir: string): Promise<Cost> {
  const child = fork(CHILD, [mode, maildir], { stdio: 'inherit' });
  const said: Cost[] = [];
  child.on('message', (message) => said.push(message as Cost));
  await once(child, 'exit');
  const [first] = said;
  if (first === undefined) throw new Error('The child ended without a word');
  return first;
}

test(
  'listing 100,000 messages: CPU and memory as a ratio to bare readdir',
  () =>
    withTree(async (root) => {
      const engine = realEngine();
      const maildir = `${root}/large`;
      await engine.create(maildir, { root });
      for (let index = 0; index < COUNT; index++) {
        const directory = index % 20 === 0 ? 'new' : 'cur';
        const info = directory === 'cur' ? ':2,S' : '';
        const file = `${root}/file${Math.floor(index / LINKS)}`;
        if (index % LINKS === 0) closeSync(openSync(file, 'wx'));
        linkSync(file, `${maildir}/${directory}/${engine.uniqueName()},S=4096,W=4200${info}`);
      }
      const bare = await cost('bare', maildir);
      const ours = await cost('engine', maildir);
      expect([bare.count, ours.count]).toEqual([COUNT, COUNT]);
      const ratios = { cpu: ours.cpuMs / bare.cpuMs, memory: ours.peakKiB / bare.peakKiB };
      process.stdout.write(`listing 100,000: ${JSON.stringify({ bare, ours, ratios })}\n`);
      expect(ratios.cpu).toBeLessThan(2);
      expect(ratios.memory).toBeLessThan(2);
    }),
  120_000,
);
