/**
 * What this node counted, day by day (S3-30): recipients received, accepted, delivered, sent, of
 * the last days and over restarts. The supervisor keeps it in a file on the node's own disk, beside
 * the last good settings: no volume and no directory is asked or told, so it is right while both
 * are away, and it costs the farm nothing. It goes with the host: a node that is removed takes its
 * history along, and whoever wants it for good has Prometheus.
 *
 * Invariant: a day's row is the sum of the growth of the node's counters between two looks of that
 * day. Counters of a process never go down while it runs (metrics/export.ts keeps those of workers
 * that ended), so growth is new minus old, and after a start all that is there is growth.
 *
 * What can go wrong: killed, the node loses what came since the last look (LOOK_MS). What it
 * counted around midnight (UTC) may stand one look late, in the next day. A file that cannot be
 * read counts as none, one that cannot be written costs the days after the next start. Looks do not
 * overlap: one that hangs in gathering has a deadline of its own (the supervisor's). Two
 * supervisors on one state folder would each forget what the other counted; the folder is one
 * node's.
 */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../log/types.ts';
import { sumOf, type Sample } from '../metrics/text.ts';

export const COUNTED = ['received', 'accepted', 'delivered', 'sent'] as const;
export type Counted = (typeof COUNTED)[number];
export type Counts = Readonly<Record<Counted, number>>;
/** Date (UTC, `2026-11-22`) to counts, at most DAYS_MAX of them. */
export type Days = Readonly<Record<string, Counts>>;

const NAME = 'days.json';
const DAYS_MAX = 40;
const LOOK_MS = 60_000;
const OCTETS_MAX = 65_536;
const DAY = /^\d{4}-\d\d-\d\d$/;

/** Recipients, in all four: what is judged at RCPT, and what became of it. */
export function countsOf(samples: readonly Sample[]): Counts {
  const sum = (name: string, ...results: readonly string[]): number =>
    sumOf(samples, `mailfarm_${name}_total`, (labels) => {
      return results.length === 0 || results.includes(labels['result'] ?? '');
    });
  const judged = ['mx_recipients', 'submission_recipients', 'relay_recipients'];
  return {
    received: judged.reduce((all, name) => all + sum(name), 0),
    accepted:
      sum('mx_recipients', 'accepted') +
      sum('submission_recipients', 'local', 'elsewhere') +
      sum('relay_recipients', 'accepted'),
    delivered: sum('delivery_recipients', 'delivered') + sum('delivery_parked', 'landed'),
    sent: sum('sender_recipients', 'sent'),
  };
}

const ZERO: Counts = { received: 0, accepted: 0, delivered: 0, sent: 0 };

/** Adds what was counted since. A counter that went down began anew. */
export function grown(days: Days, day: string, before: Counts, now: Counts): Days {
  const row = days[day] ?? ZERO;
  const rows = COUNTED.map((name) => {
    const growth = now[name] >= before[name] ? now[name] - before[name] : now[name];
    return [name, row[name] + growth] as const;
  });
  const all = { ...days, [day]: Object.fromEntries(rows) as Record<Counted, number> };
  const kept = Object.keys(all).toSorted().slice(-DAYS_MAX);
  return Object.fromEntries(kept.map((name) => [name, all[name] ?? ZERO]));
}

/** Whatever else is in the file counts as nothing. */
export function parseDays(text: string): Days {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return {};
  }
  if (typeof given !== 'object' || given === null) return {};
  const isCount = (value: unknown): value is number =>
    Number.isSafeInteger(value) && Number(value) >= 0;
  return Object.fromEntries(
    Object.entries(given as Record<string, Record<string, unknown> | null>).flatMap(
      ([day, row]) => {
        if (!DAY.test(day) || row === null || typeof row !== 'object') return [];
        const counts = COUNTED.map((name) => [name, isCount(row[name]) ? row[name] : 0] as const);
        return [[day, Object.fromEntries(counts) as Record<Counted, number>]];
      },
    ),
  );
}

export interface DayBookParts {
  /** The node's state folder. */
  readonly data: string;
  /** The counters of all processes of the node as they are now. */
  readonly gather: () => Promise<readonly Sample[]>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class DayBook {
  readonly #parts: DayBookParts;
  readonly #ending = new AbortController();
  #days: Days = {};
  #before: Counts = ZERO;
  #loop: Promise<void> | undefined;
  #isWarned = false;

  constructor(parts: DayBookParts) {
    this.#parts = parts;
  }

  get days(): Days {
    return this.#days;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Counts a last time. */
  async end(): Promise<void> {
    if (!this.#loop) return;
    this.#ending.abort(new Error('ended'));
    await this.#loop;
    await this.#look();
  }

  /** Counts what came since the last look, and keeps it. Never rejects. */
  async #look(): Promise<void> {
    const { gather, clock, logger } = this.#parts;
    try {
      const now = countsOf(await gather());
      const day = new Date(clock.now()).toISOString().slice(0, 10);
      const days = grown(this.#days, day, this.#before, now);
      this.#before = now;
      if (JSON.stringify(days) === JSON.stringify(this.#days)) return;
      this.#days = days;
      await this.#write();
      this.#isWarned = false;
    } catch (error) {
      if (!this.#isWarned) logger.warn({ err: error }, 'what this node counted today is not kept');
      this.#isWarned = true;
    }
  }

  async #run(): Promise<void> {
    const { clock, data } = this.#parts;
    const { signal } = this.#ending;
    this.#days = parseDays(await readFile(join(data, NAME), 'utf8').catch(() => ''));
    while (!signal.aborted) {
      await this.#look();
      await clock.sleep(LOOK_MS, signal).catch(() => {});
    }
  }

  async #write(): Promise<void> {
    const path = join(this.#parts.data, NAME);
    const beside = `${path}.${process.pid}.new`;
    const text = `${JSON.stringify(this.#days)}\n`;
    if (text.length > OCTETS_MAX) return;
    try {
      const file = await open(beside, 'w', 0o600);
      try {
        await file.writeFile(text);
      } finally {
        await file.close();
      }
      await rename(beside, path);
    } catch (error) {
      await rm(beside, { force: true }).catch(() => {});
      throw error;
    }
  }
}
