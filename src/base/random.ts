import { randomFillSync } from 'node:crypto';

/** Chance is a parameter, so that a test can repeat what it saw. */
export interface Random {
  /** `n` unpredictable bytes, the caller's own. */
  bytes(n: number): Uint8Array;
}

/**
 * A call of the generator costs 9 µs whatever it is asked for; names and ids take 8 to 12 bytes.
 */
const POOL_BYTES = 4096;

/** The machine's generator, asked for many bytes at a time. No byte is given twice. */
export const systemRandom: Random = fromPool();

function fromPool(): Random {
  const pool = Buffer.alloc(POOL_BYTES);
  let used = POOL_BYTES;
  return {
    bytes: (n) => {
      if (n > POOL_BYTES / 4) return randomFillSync(new Uint8Array(n));
      if (used + n > POOL_BYTES) {
        randomFillSync(pool);
        used = 0;
      }
      const bytes = new Uint8Array(pool.subarray(used, used + n)); // A copy.
      pool.fill(0, used, used + n);
      used += n;
      return bytes;
    },
  };
}
