import type { Fs } from '../src/index.ts';

/** The calls of Fs as data, so that a wrapper around all of them is written once. */
export const CALLS = [
  'create',
  'openWrite',
  'openRead',
  'write',
  'read',
  'size',
  'fsync',
  'close',
  'rename',
  'link',
  'unlink',
  'mkdir',
  'rmdir',
  'list',
  'modified',
  'changed',
  'identity',
] as const satisfies readonly (keyof Fs)[];
export type Call = (typeof CALLS)[number];

/** What stands around a call: may throw before it, or replace its answer. */
export type Around = (
  call: Call,
  args: unknown[],
  perform: () => Promise<unknown>,
) => Promise<unknown>;

/** `fs` with `around` about every call. */
export function wrapFs(fs: Fs, around: Around): Fs {
  const wrapped: Record<string, unknown> = {};
  for (const call of CALLS) {
    const perform = fs[call].bind(fs) as (...args: unknown[]) => Promise<unknown>;
    wrapped[call] = (...args: unknown[]) => around(call, args, () => perform(...args));
  }
  return wrapped as unknown as Fs;
}

/** Records every call made, in order. */
export function recordCalls(fs: Fs): { readonly fs: Fs; readonly calls: Call[] } {
  const calls: Call[] = [];
  const recording = wrapFs(fs, (call, _args, perform) => {
    calls.push(call);
    return perform();
  });
  return { fs: recording, calls };
}

/** The process ended before this call. */
export class KilledError extends Error {}

/** Performs the first `calls` calls; from then on nothing, as if the process had been killed. */
export function killedAfter(fs: Fs, calls: number): { readonly fs: Fs; killed: boolean } {
  let left = calls;
  const result = { fs, killed: false };
  result.fs = wrapFs(fs, async (_call, _args, perform) => {
    if (left-- > 0) return perform();
    result.killed = true;
    throw new KilledError('killed');
  });
  return result;
}
