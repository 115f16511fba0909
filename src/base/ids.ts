import type { Random } from './random.ts';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'; // Crockford's base 32: nothing to misread.

/**
 * A trace id: 12 characters, 60 bits. One is made for each session; it stands in every log
 * line, in the Received header and in error replies, so that all three can be joined.
 */
export function traceId(random: Random): string {
  let id = '';
  for (const byte of random.bytes(12)) id += ALPHABET[byte & 31];
  return id;
}
