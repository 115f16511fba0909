import { randomBytes } from 'node:crypto';

/** Chance is a parameter, so that a test can repeat what it saw. */
export interface Random {
  /** `n` unpredictable bytes. */
  bytes(n: number): Uint8Array;
}

export const systemRandom: Random = { bytes: (n) => randomBytes(n) };
