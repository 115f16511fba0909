import fc from 'fast-check';
import { systemError, type ErrnoName } from '../src/errno.ts';
import { hasKey, nameKey, type Fs } from '../src/index.ts';
import { wrapFs, type Call } from './call-fs.ts';

/**
 * A file system that lies on purpose, in every way that NFS was seen to. Faults are data, made
 * and shrunk by fast-check: each waits for `skip` calls it could apply to, then strikes once.
 *
 * One directory's listings are never wrong twice in a row: two in a row were not observed in
 * the field, and an engine that asks three times cannot survive it.
 */
export const FAULTS = [
  'lost-reply', // Done; says ENOENT (rename, unlink, rmdir) or EEXIST (link, mkdir).
  'done-timeout', // Done; says ETIMEDOUT.
  'timeout', // Not done; says ETIMEDOUT.
  'late', // Says ETIMEDOUT; done two calls later.
  'stale', // Not done; says ESTALE.
  'no-such', // Not done; says ENOENT, from a cache.
  'full', // ENOSPC.
  'quota', // EDQUOT.
  'io', // EIO.
  'short', // Half of the bytes are written or read.
  'listing-misses', // One name is missing.
  'listing-doubles', // One message is there twice, under its last listed name too.
  'listing-stale', // The directory as it was listed the last time.
] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** Calls of a kind it could strike that it lets pass. */
  readonly skip: number;
  /** Which name of a listing. */
  readonly pick: number;
}

const NAMING = ['rename', 'link', 'unlink', 'mkdir', 'rmdir'] as const;
const WRITING = ['create', 'write', 'fsync', 'close', 'mkdir', 'link', 'rename'] as const;
const BY_PATH = ['create', 'openWrite', 'openRead', 'list', 'modified', ...NAMING] as const;

const STRIKES: Readonly<Record<FaultKind, readonly Call[]>> = {
  'lost-reply': NAMING,
  'done-timeout': NAMING,
  timeout: [...BY_PATH, 'write', 'read', 'fsync', 'close'],
  late: ['rename', 'link', 'unlink'],
  stale: [...BY_PATH, 'write', 'read', 'fsync', 'close'],
  'no-such': BY_PATH,
  full: WRITING,
  quota: WRITING,
  io: [...WRITING, 'read', 'list'],
  short: ['write', 'read'],
  'listing-misses': ['list'],
  'listing-doubles': ['list'],
  'listing-stale': ['list'],
};

const ERRORS: Partial<Readonly<Record<FaultKind, ErrnoName>>> = {
  timeout: 'ETIMEDOUT',
  stale: 'ESTALE',
  'no-such': 'ENOENT',
  full: 'ENOSPC',
  quota: 'EDQUOT',
  io: 'EIO',
};

/** Sequences of faults for fast-check. */
export const faults = (maxLength: number): fc.Arbitrary<Fault[]> =>
  fc.array(
    fc.record({
      kind: fc.constantFrom(...FAULTS),
      skip: fc.nat({ max: 12 }),
      pick: fc.nat({ max: 50 }),
    }),
    { maxLength, size: 'max' },
  );

export interface LyingFs {
  readonly fs: Fs;
  /** Performs what was delayed; from then on no fault strikes. */
  settle(): Promise<void>;
  /** Faults that struck. */
  readonly struck: readonly FaultKind[];
}

/** `honest` may lose what was written and not fsynced: that is what a failed fsync means. */
export function lyingFs(honest: Fs & { lose?(fd: number): void }, plan: readonly Fault[]): LyingFs {
  const waiting = plan.map((fault) => ({ ...fault }));
  const struck: FaultKind[] = [];
  const listed = new Map<string, readonly string[]>();
  const wrong = new Set<string>();
  let late: { in: number; perform: () => Promise<unknown> }[] = [];

  const performLate = async (): Promise<void> => {
    for (const call of late) call.in--;
    const due = late.filter((call) => call.in <= 0);
    late = late.filter((call) => call.in > 0);
    for (const call of due) await call.perform().catch(() => {});
  };
  /** The next fault that can strike this call, when its turn has come. */
  const faultFor = (call: Call, path: string): Fault | undefined => {
    const index = waiting.findIndex((fault) => STRIKES[fault.kind].includes(call));
    const fault = waiting[index];
    if (fault === undefined || fault.skip-- > 0) return undefined;
    if (call === 'list' && wrong.has(path)) return undefined;
    waiting.splice(index, 1);
    return fault;
  };

  const fs = wrapFs(honest, async (call, args, perform) => {
    await performLate();
    const path = String(args[0]);
    const fault = faultFor(call, path);
    if (fault !== undefined) struck.push(fault.kind);
    if (call === 'list') {
      const strike = fault?.kind.startsWith('listing') === true ? fault : undefined;
      if (strike === undefined) wrong.delete(path);
      else wrong.add(path);
      if (fault === undefined || strike !== undefined) {
        const names = (await perform()) as string[];
        const told = lieAbout(names, listed.get(path), strike);
        listed.set(path, names);
        return told;
      }
    }
    if (fault === undefined) return perform();
    if (call === 'fsync' || call === 'close') honest.lose?.(args[0] as number);
    return strikeCall(fault, { call, path, perform, args }, (delayed) => {
      late.push({ in: 3, perform: delayed });
    });
  });
  return {
    fs,
    struck,
    settle: async () => {
      waiting.length = 0;
      while (late.length > 0) await performLate();
    },
  };
}

function lieAbout(
  names: readonly string[],
  before: readonly string[] | undefined,
  fault: Fault | undefined,
): string[] {
  const told = [...names];
  if (fault === undefined) return told;
  if (fault.kind === 'listing-stale') return [...(before ?? names)];
  const index = fault.pick % Math.max(1, told.length);
  const name = told[index];
  if (name === undefined) return told;
  if (fault.kind === 'listing-misses') told.splice(index, 1);
  else told.splice(index, 0, before?.find((old) => hasKey(old, nameKey(name))) ?? name);
  return told;
}

interface Struck {
  readonly call: Call;
  readonly path: string;
  readonly args: unknown[];
  readonly perform: () => Promise<unknown>;
}

async function strikeCall(
  fault: Fault,
  { call, path, perform, args }: Struck,
  delay: (perform: () => Promise<unknown>) => void,
): Promise<unknown> {
  switch (fault.kind) {
    case 'lost-reply':
      await perform();
      throw systemError(call === 'link' || call === 'mkdir' ? 'EEXIST' : 'ENOENT', call, path);
    case 'done-timeout':
      await perform();
      throw systemError('ETIMEDOUT', call, path);
    case 'late':
      delay(perform);
      throw systemError('ETIMEDOUT', call, path);
    case 'short':
      args[1] = firstHalf(args[1] as Uint8Array);
      return perform();
    default:
      if (call === 'close') await perform(); // Linux gives the descriptor back all the same.
      throw systemError(ERRORS[fault.kind] ?? 'EIO', call, path);
  }
}

/** Legal for write(2) and read(2). */
const firstHalf = (bytes: Uint8Array): Uint8Array =>
  bytes.subarray(0, Math.max(1, bytes.byteLength >> 1));
