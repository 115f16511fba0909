import type { Random } from '../base/random.ts';

/**
 * Which volume a new user gets: by chance, in proportion to weight and room. Chance, because many
 * front ends choose at once without talking: the emptiest volume of all would get everybody.
 */
export interface Candidate {
  readonly name: string;
  /** From the volume's entry; 0 takes no new users. */
  readonly weight: number;
  readonly freeBytes: number;
  /** Undefined where the file system makes inodes as it needs them. */
  readonly freeInodes: number | undefined;
}

/** A message takes an inode; a volume of free bytes without inodes has no room. */
const OCTETS_PER_INODE = 16_384;
const CHANCE_BYTES = 6;
const CHANCES = 2 ** (8 * CHANCE_BYTES);

/** Pure: 0 for a volume that takes nobody. */
export function score(candidate: Candidate): number {
  const { weight, freeBytes, freeInodes } = candidate;
  const byInodes = freeInodes === undefined ? freeBytes : freeInodes * OCTETS_PER_INODE;
  return Math.max(0, weight) * Math.max(0, Math.min(freeBytes, byInodes));
}

/** The name of the volume chosen; undefined when none takes new users. */
export function chooseVolume(candidates: readonly Candidate[], random: Random): string | undefined {
  const scored = candidates.map((candidate) => ({ name: candidate.name, at: score(candidate) }));
  const takers = scored.filter(({ at }) => at > 0);
  const total = takers.reduce((sum, { at }) => sum + at, 0);
  let left = chance(random) * total;
  for (const { name, at } of takers) {
    left -= at;
    if (left < 0) return name;
  }
  return takers.at(-1)?.name; // Rounding.
}

/** From 0 up to, not including, 1. */
function chance(random: Random): number {
  let value = 0;
  for (const byte of random.bytes(CHANCE_BYTES)) value = value * 256 + byte;
  return value / CHANCES;
}
