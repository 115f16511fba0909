/** What the experiment's host does on a volume, and what it measures of it. */
import type { VolumeCalls } from './calls.ts';

export interface LoadRequest {
  readonly kind: 'deliver' | 'read';
  readonly maildirs: readonly string[];
  readonly lanes: number;
  /** So many operations, or as many as fit into this time. */
  readonly count?: number;
  readonly ms?: number;
}

export interface Measured {
  readonly done: number;
  readonly failed: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly firstError: string | undefined;
}

const SIZE = 5120;
const LETTER = Buffer.alloc(SIZE, 'Subject: A letter of the experiment\n\n');
export const LETTERS_READ = 10;

async function deliver(calls: VolumeCalls, maildir: string): Promise<void> {
  const base = calls.uniqueName();
  await calls.stage({ maildir, base, offset: 0, bytes: LETTER, last: true });
  const [result] = await calls.publish({
    maildir,
    base,
    octets: SIZE,
    wireOctets: SIZE + 2 * Math.ceil(SIZE / 37),
    targets: [maildir],
  });
  if (result?.error) throw result.error;
}

/** As POP3 does: a listing, then the letters. */
async function readLetters(calls: VolumeCalls, maildir: string): Promise<void> {
  const entries = await calls.list(maildir);
  for (const entry of entries.slice(0, LETTERS_READ)) {
    const { bytes } = await calls.read({ maildir, entry, offset: 0, length: 65_536 });
    if (bytes.length !== SIZE) throw new Error(`${entry.name} has ${bytes.length} octets`);
  }
}

const WORK = { deliver, read: readLetters } as const;

export function summary(times: number[]): Pick<Measured, 'p50' | 'p99' | 'max'> {
  times.sort((a, b) => a - b);
  const at = (share: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

export async function runLoad(calls: VolumeCalls, request: LoadRequest): Promise<Measured> {
  const { kind, maildirs, lanes, count = Infinity, ms = Infinity } = request;
  const began = performance.now();
  const times: number[] = [];
  let started = 0;
  let failed = 0;
  let firstError: string | undefined;
  const lane = async (): Promise<void> => {
    while (started < count && performance.now() - began < ms) {
      const maildir = maildirs[started++ % maildirs.length] ?? '';
      const at = performance.now();
      try {
        await WORK[kind](calls, maildir);
      } catch (error) {
        failed += 1;
        firstError ??= String(error);
      }
      times.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const seconds = (performance.now() - began) / 1000;
  return { done: times.length - failed, failed, seconds, ...summary(times), firstError };
}
