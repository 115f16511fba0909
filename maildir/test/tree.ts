import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeFs, openMaildirs, systemClock, systemRandom, type Maildirs } from '../src/index.ts';

/** A directory of its own on the real disk, removed when `use` is over. */
export async function withTree<T>(use: (root: string) => Promise<T>): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), 'maildir-'));
  try {
    return await use(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** The engine as programs use it. */
export const realEngine = (node = 'test'): Maildirs =>
  openMaildirs({
    fs: nodeFs,
    clock: systemClock,
    random: systemRandom,
    node,
    pid: process.pid,
    directorySync: 'always',
  });
