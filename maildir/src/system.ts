import { randomBytes } from 'node:crypto';
import type { Clock, Random } from './types.ts';

/** The machine's clock, for programs that have none of their own to pass. */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/** The machine's randomness. */
export const systemRandom: Random = { bytes: (n) => randomBytes(n) };
