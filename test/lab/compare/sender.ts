/**
 * A program of the laboratory: delivers numbered letters to one Maildir and reads it, behind the
 * product's bulkhead, until it is told to stop; then it says what it was told of each letter.
 */
import { nodeFs, nameKey, openMaildirs, systemClock, systemRandom } from '#maildir';
import { DeadlineError } from '../../../src/base/deadline.ts';
import { Bulkhead } from '../../../src/volumes/bulkhead.ts';
import { type Attempt, letterOf, LONG, type Report } from './letters.ts';

const PAUSE_MS = 100;
const DEADLINE_MS = 10_000;
const maildir = process.argv[2] ?? '';
const bulkhead = new Bulkhead({ inFlightMax: 16, waitingMax: 2000 });
const attempts: Attempt[] = [];
const acknowledged: string[] = [];
const readErrors: Record<string, number> = {};
const wrongReads: string[] = [];
let reads = 0;
let running = true;

const engine = openMaildirs({
  fs: nodeFs,
  clock: systemClock,
  random: systemRandom,
  node: process.argv[3] ?? '',
  pid: process.pid,
  directorySync: 'never',
});

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

const guard = <T>(what: string, run: () => Promise<T>, onLate?: () => void): Promise<T> =>
  bulkhead.run({ what, deadlineMs: DEADLINE_MS, run, ...(onLate && { onLate }) });

function why(step: string, error: unknown): string {
  const { name, code } = error as NodeJS.ErrnoException;
  return `${step} ${code ?? name}`;
}

async function deliver(base: string, long: boolean): Promise<Pick<Attempt, 'result' | 'why'>> {
  const bytes = Buffer.from(letterOf(base, long));
  const discard = (): void => void engine.discard({ maildir, base }).catch(() => {});
  try {
    const piece = { maildir, base, offset: 0, bytes, last: true };
    await guard('stage', () => engine.stage(piece), discard);
  } catch (error) {
    discard();
    return { result: 'failed', why: why('stage', error) };
  }
  const sizes = { octets: bytes.length, wireOctets: bytes.length };
  try {
    const [published] = await guard('publish', () =>
      engine.publish({ maildir, base, ...sizes, targets: [maildir] }),
    );
    if (published?.error === undefined) return { result: 'ok', why: '' };
    const unknown = published.error.name === 'UnknownResultError';
    return { result: unknown ? 'unknown' : 'failed', why: why('publish', published.error) };
  } catch (error) {
    const unknown = error instanceof DeadlineError;
    return { result: unknown ? 'unknown' : 'failed', why: why('publish', error) };
  }
}

async function send(long: boolean): Promise<void> {
  while (running) {
    const base = engine.uniqueName();
    const beganAt = Date.now();
    const result = await deliver(base, long);
    attempts.push({ base, beganAt, endedAt: Date.now(), ...result });
    if (result.result === 'ok') acknowledged.push(base);
    await pause();
  }
}

async function readAll(): Promise<void> {
  while (running) {
    try {
      const before = [...acknowledged];
      const listed = await guard('list', () => engine.list(maildir));
      const keys = new Set(listed.map(({ name }) => nameKey(name)));
      for (const base of before) if (!keys.has(base)) wrongReads.push(`${base} not listed`);
      const base = before.at(-1);
      const entry = base === undefined ? undefined : listed.find((e) => e.name.startsWith(base));
      if (entry !== undefined) {
        const range = { maildir, entry, offset: 0, length: 2 * LONG };
        const { bytes } = await guard('read', () => engine.read(range));
        const text = letterOf(base ?? '', bytes.length >= LONG);
        if (Buffer.from(bytes).toString() !== text) wrongReads.push(`${base} has other bytes`);
      }
      reads += 1;
    } catch (error) {
      const kind = why('read', error);
      readErrors[kind] = (readErrors[kind] ?? 0) + 1;
    }
    await pause();
  }
}

process.on('message', () => (running = false));
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
await Promise.all([send(false), send(false), send(true), readAll()]);
const report: Report = { attempts, reads, readErrors, wrongReads };
process.send?.(report, () => process.kill(process.pid, 'SIGKILL'));
