import type { Letter } from './letter.ts';

/** A letter on its way that a busy farm did not take yet. */
export interface Attempt {
  /** As it was saved last, or as it is to be saved. */
  readonly current: Letter;
  readonly isSaved: boolean;
  readonly tries: number;
  /** When it was tried first, in ms since 1970. */
  readonly since: number;
}

/** Between attempts, the last again and again. */
const PAUSES_MS = [1000, 2000, 4000, 8000, 15_000, 30_000] as const;
/** Then it comes back to whoever wrote it. */
const PATIENCE_MS = 600_000;

/** @returns the pause before the next attempt in ms; undefined: it was tried long enough */
export function pauseOf({ tries, since }: Attempt, now: number): number | undefined {
  if (now - since > PATIENCE_MS) return undefined;
  return PAUSES_MS[Math.min(tries, PAUSES_MS.length) - 1] ?? PAUSES_MS[0];
}

export const nextOf = (
  before: Attempt | undefined,
  now: number,
): Pick<Attempt, 'tries' | 'since'> => ({
  tries: (before?.tries ?? 0) + 1,
  since: before?.since ?? now,
});
