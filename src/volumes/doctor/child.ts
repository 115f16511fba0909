/**
 * Examines one volume in a process of its own. A call on a dead mount never comes back and holds
 * its thread: then this process is abandoned, and the one that prints the report is not in it.
 * Says before each call what it is about to do, and each thing as soon as it knows it.
 */
import { nodeFs } from '#maildir';
import { systemClock as clock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { readText } from '../host-facts.ts';
import { readSentinel, SENTINEL_NAME } from '../sentinel.ts';
import { askHosts } from './ask.ts';
import type { ExamineTask, FromChild } from './examine.ts';
import { look, lookBelow, lookRoom, lookRoot } from './look.ts';
import { parseCalls } from './mounts.ts';
import { runTrial } from './trial.ts';
import type { Failed, SentinelSeen, TrialFacts, VolumeFacts } from './types.ts';

const tell = (message: FromChild): void => void process.send?.(message);

/** Runs a step and tells what it found, or how it failed. */
async function step<T>(
  name: string,
  work: (at: (call: string) => void) => Promise<T>,
  facts: (found: T) => Partial<VolumeFacts>,
): Promise<T | undefined> {
  let at = name;
  const note = (call: string): void => {
    at = `${name}: ${call}`;
    tell({ at });
  };
  tell({ at });
  try {
    const found = await work(note);
    tell({ facts: facts(found) });
    return found;
  } catch (error) {
    tell({ failed: failure(at, error) });
    return undefined;
  }
}

function failure(at: string, error: unknown): Failed {
  const { code, message, errno } = error as NodeJS.ErrnoException;
  // ESTALE and EDQUOT have no code of their own in Node.
  const unnamed: Readonly<Record<number, string>> = { 116: 'ESTALE', 122: 'EDQUOT' };
  const name = unnamed[Math.abs(errno ?? 0)] ?? code ?? '';
  return { at, code: name, message: String(message ?? error) };
}

async function seeSentinel(path: string): Promise<SentinelSeen> {
  const found = await readSentinel(nodeFs, path);
  if (found !== undefined) return { kind: 'whole', ...found };
  const there = (await nodeFs.list(path)).includes(SENTINEL_NAME);
  return { kind: there ? 'torn' : 'none' };
}

async function examine(task: ExamineTask): Promise<void> {
  const { path, identity, waitMs } = task;
  const sentinel = await step(
    'sentinel',
    () => seeSentinel(path),
    (found) => ({ sentinel: found }),
  );
  await step(
    'free space',
    () => lookRoom(path),
    (room) => ({ room }),
  );
  await step(
    'owner of the root',
    () => lookRoot(path),
    (root) => ({ root }),
  );
  await step(
    'owners of directories',
    () => lookBelow(path),
    (below) => ({ below }),
  );
  const ours =
    sentinel?.kind === 'whole' && (identity === undefined || sentinel.identity === identity);
  if (!ours) return; // Nothing is written on what may be another's.
  const trial = await tryIt(path);
  const skew = trial?.skew ?? [0, 0];
  const skewMs = (skew[0] + skew[1]) / 2;
  await step(
    'other hosts',
    (at) => askHosts({ fs: nodeFs, clock, random, root: path, at, waitMs, skewMs }),
    (hosts) => ({ hosts }),
  );
}

const tryIt = (path: string): Promise<TrialFacts | undefined> =>
  step(
    'trial',
    (at) => {
      const calls = async () => parseCalls(await readText('/proc/self/mountstats'), path);
      return runTrial({ fs: nodeFs, look, clock, random, root: path, at, calls });
    },
    (trial) => ({ trial }),
  );

process.once('message', (task: ExamineTask) => {
  void examine(task).finally(() => {
    process.send?.({ done: true } satisfies FromChild, () => process.disconnect());
  });
});
// Whoever asked is gone: exit(3) would wait for a thread that hangs.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
tell({ at: 'start' });
