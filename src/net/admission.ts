/**
 * Who may connect: a total, a number for each address, a rate for each address.
 *
 * The rate is a bucket: `ratePerMinute` tokens, refilled evenly. Memory is bounded: an address
 * is forgotten when it has no connection and its bucket is full again, and beyond a number of
 * entries new addresses are not tracked by rate (the total still holds them).
 */
import type { Clock } from '../base/clock.ts';
import { limitKey, type AddressRanges } from './address.ts';
import type { RefusalReason } from './refusal.ts';

export interface AdmissionLimits {
  readonly total: number;
  readonly perAddress: number;
  /** New connections a minute from one address. */
  readonly ratePerMinute: number;
  /** Addresses without limits of their own; the total counts them too. */
  readonly exempt: AddressRanges;
}

export interface Admission {
  /** Counts a connection in, or says which limit forbids it. */
  admit(address: string): Admitted | RefusalReason;
  readonly open: number;
  readonly addresses: number;
}

/** A connection that was counted in. */
export interface Admitted {
  /** Counts it out; a second call does nothing. */
  release(): void;
}

interface Entry {
  open: number;
  tokens: number;
  filledAt: number;
}

const MINUTE_MS = 60_000;
const ENTRIES_MAX = 100_000;
const PRUNE_MS = 10_000;

export function createAdmission(limits: AdmissionLimits, clock: Clock): Admission {
  const entries = new Map<string, Entry>();
  let open = 0;
  let prunedAt = clock.now();

  const prune = (now: number): void => {
    prunedAt = now;
    for (const [key, entry] of entries) {
      refill(entry, now);
      if (entry.open === 0 && entry.tokens >= limits.ratePerMinute) entries.delete(key);
    }
  };
  const refill = (entry: Entry, now: number): void => {
    const more = (Math.max(0, now - entry.filledAt) / MINUTE_MS) * limits.ratePerMinute;
    entry.tokens = Math.min(limits.ratePerMinute, entry.tokens + more);
    entry.filledAt = now;
  };
  const find = (key: string, now: number): Entry | undefined => {
    const known = entries.get(key);
    if (known) return known;
    if (now - prunedAt >= PRUNE_MS) prune(now);
    if (entries.size >= ENTRIES_MAX) return undefined;
    const entry = { open: 0, tokens: limits.ratePerMinute, filledAt: now };
    entries.set(key, entry);
    return entry;
  };
  const admitted = (entry: Entry | undefined): Admitted => {
    open++;
    if (entry) entry.open++;
    let isOpen = true;
    return {
      release: () => {
        if (!isOpen) return;
        isOpen = false;
        open--;
        if (entry) entry.open--;
      },
    };
  };
  return {
    admit: (address) => {
      if (open >= limits.total) return 'total';
      if (limits.exempt.has(address)) return admitted(undefined);
      const now = clock.now();
      const entry = find(limitKey(address), now);
      if (!entry) return admitted(undefined);
      if (entry.open >= limits.perAddress) return 'address';
      refill(entry, now);
      if (entry.tokens < 1) return 'rate';
      entry.tokens--;
      return admitted(entry);
    },
    get open() {
      return open;
    },
    get addresses() {
      return entries.size;
    },
  };
}
