import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { readNodeFile } from '../../src/config/node-file.ts';
import { openAdmin } from '../../src/directory/admin/admin.ts';
import { directoryAccess } from '../../src/roles/directory.ts';
import type { Farm } from '../harness/farm.ts';
import { cpuSeconds } from '../harness/processes.ts';

export interface BenchContext {
  /** A directory of this section's own, on a real disk. */
  readonly dir: string;
  /** 1 for the whole, less for a quick look. */
  readonly scale: number;
  /** Of `leaving`, where it was said. */
  readonly letters?: number | undefined;
  readonly waiting?: number | undefined;
  /** Of `imap`: one part of it, one server of the two. */
  readonly part?: string | undefined;
  readonly only?: string | undefined;
}

export interface Measured {
  readonly cpu: number;
  readonly seconds: number;
}

/** CPU of the processes below `pid` while `work` runs, and the wall seconds that `work` reports. */
export async function measure(pid: number, work: () => Promise<number>): Promise<Measured> {
  const before = cpuSeconds([pid]);
  const seconds = await work();
  // The last operations' bookkeeping belongs to them.
  await new Promise((resolve) => setTimeout(resolve, 300));
  return { cpu: cpuSeconds([pid]) - before, seconds };
}

export const benchUsers = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `bench${i}@example.test`);

/** Adds users as an administrator would; one session, because a thousand commands take minutes. */
export async function addUsers(farm: Farm, users: readonly string[]): Promise<void> {
  const file = await readNodeFile(join(farm.dir, 'admin.yaml'));
  if (!file.ok) throw new Error('admin.yaml cannot be read');
  const admin = await openAdmin({ ...directoryAccess(file.value), clock: systemClock });
  try {
    for (const login of users) await admin.users.add({ login, password: 'demo' });
  } finally {
    await admin.close();
  }
}
