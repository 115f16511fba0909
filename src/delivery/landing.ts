/**
 * Landing: parked letters go to their mailboxes, by whichever process sees the volume back.
 *
 * Every worker of every node runs a lander. It looks at the spool volumes every some seconds while
 * a volume is or was down, letters are parked here, or the last look found some; else once a
 * minute. A look that finds nothing is one listing (one GETATTR on NFS) for each spool volume.
 *
 * For each lane (the volume that was down) whose volume is up or not in the table any more, and
 * each bucket in it, letters are taken by owner, in order of arrival. The account is asked for by
 * its id now: it may have moved or have another name. Then for some letters of one owner at once:
 *
 *   claim (rename) → settle the mailbox: end former attempts, see what is there → for each letter
 *   that is not there: read, stage under a name of this attempt, renew the claim, publish under
 *   the letter's own name → finish: remove envelope and message.
 *
 * The renewal comes after staging: whoever takes the letter over later sees what was staged and
 * removes it, so that a publish that comes after that, from a holder that slept, does nothing.
 * (fence in maildir/, tree.ts in spool/: why no letter is lost, and when one comes twice.)
 *
 * What goes wrong gives the letters back and lets this owner rest for a growing time; the lane too,
 * when its volume is down or full, the directory is away, or several owners failed in a row: one
 * mailbox that hangs does not stand in the way of the others, nor is a volume in trouble pestered.
 * A letter that landed and could not be removed from the spool is removed before anything else is
 * looked at: once its lease is over another process would bring it to whoever has deleted it.
 * Who has no account or no mailbox any more: the letter is set aside (`failed`), told to the
 * administrator, tried again now and then. Quotas are not asked: it was accepted.
 *
 * Cost on NFS, measured (test/lab/parking.lab.ts): 16 letters of one user take 178 calls on the
 * spool (a letter: claim, renewal, opening, reading and closing of envelope and message, 2
 * removals) and 88 on the mail volume (a letter: the 5 of a delivery; 8 to settle all): 17 each.
 *
 * Rejected: one lander for the farm (its death would strand everything); landing at login only
 * (who does not come would not hear of it); renaming from the spool (another volume).
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Account, Directory } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { Spools } from '../spool/spools.ts';
import { sweepBucket } from '../spool/sweep.ts';
import type { SpoolTree, Spooled } from '../spool/tree.ts';
import { arrivedAt } from '../spool/names.ts';
import { StoreError } from '../volumes/error.ts';
import type { Mailboxes } from '../volumes/mailboxes.ts';
import type { VolumeTable } from '../volumes/table.ts';
import type { LandedLetter } from './aftermath.ts';
import { Landed, landLetters } from './land.ts';
import { landing, parkedLetters, setParkingClock, waiting } from './metrics.ts';
import type { DeliveryOptions } from './options.ts';

export interface LanderParts {
  readonly spools: Spools;
  readonly table: Pick<VolumeTable, 'volumes' | 'get' | 'loaded'>;
  readonly mailboxes: Pick<Mailboxes<Account>, 'ensure' | 'missing'>;
  readonly directory: Pick<Directory, 'accountById'>;
  /** A message of so many octets is in the account's mailbox. */
  readonly onDelivered: (account: Account, octets: number) => void;
  /** A letter for somebody who is away is in the mailbox. */
  readonly onLanded?: ((letter: LandedLetter) => void) | undefined;
  readonly options: DeliveryOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Letters of one owner that are claimed together. */
export const LETTERS_AT_ONCE = 16;
/** After all volumes were up for so long nothing new is parked for them. */
const CALM_MS = 600_000;
const REST_MS_MAX = 300_000;
const SWEEP_MS = 3_600_000;
/** Counting what waits costs a listing of all: the more there is, the more seldom. */
const COUNT_MS = 30_000;
const COUNT_MS_PER_NAME = 2;
const BUCKETS = 256;

interface Rest {
  readonly until: number;
  readonly ms: number;
}

/** Owners who fail one after another before their lane rests, though its volume is up. */
const FAILURES_IN_A_ROW = 3;
const RESTING_MAX = 10_000;

export class Lander {
  readonly #parts: LanderParts;
  readonly #stop = new AbortController();
  /** Lanes, and owners in a lane. */
  readonly #rests = new Map<string, Rest>();
  /** Owners who failed in a row, by lane. */
  readonly #failures = new Map<string, number>();
  readonly #landed = new Landed();
  readonly #down = new Set<string>();
  #wake: AbortController | undefined;
  #activeUntil: number;
  #retryAt: number;
  #sweepAt: number;
  #countAt = 0;
  #running: Promise<void> | undefined;

  constructor(parts: LanderParts) {
    this.#parts = parts;
    const now = parts.clock.now();
    this.#activeUntil = now + CALM_MS; // What was parked before this process began.
    this.#retryAt = now + this.#between(parts.options['delivery.land.retry']);
    this.#sweepAt = now + this.#between(SWEEP_MS);
    setParkingClock(parts.clock);
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  /** Something was parked by this process. */
  stirred(): void {
    this.#activeUntil = this.#parts.clock.now() + CALM_MS;
    this.#wake?.abort(new Error('stirred'));
  }

  /** No more looks; resolves when the letters under way are where they belong. */
  async close(): Promise<void> {
    this.#stop.abort(new Error('closed'));
    this.#wake?.abort(new Error('closed'));
    await this.#running;
  }

  /** One look at all spool volumes. Never rejects. @returns letters that were landed */
  async look(): Promise<number> {
    const { spools, log } = this.#parts;
    let count = 0;
    landing.busy = 1;
    for (const tree of spools.all) {
      if (this.#stop.signal.aborted) break;
      if (!(await this.#isUp(tree))) continue;
      try {
        await this.#landed.finish(tree);
        count += await this.#lookAt(tree);
      } catch (error) {
        log.warn({ spool: tree.volume.name, err: error }, 'spool volume not looked at');
      }
    }
    landing.busy = 0;
    return count;
  }

  async #isUp({ volume }: SpoolTree): Promise<boolean> {
    await volume.ready().catch(() => {}); // A process that just began has not seen it yet.
    const { name, up, entry } = volume;
    if (up || entry.state === 'offline') this.#down.delete(name);
    else if (!this.#down.has(name)) {
      this.#down.add(name);
      this.#parts.log.error({ code: 'MF-DLV-001', spool: name }, 'spool volume is down');
    }
    return up && entry.state !== 'offline';
  }

  async #loop(): Promise<void> {
    const { clock, options, table } = this.#parts;
    await table.loaded().catch(() => {});
    while (!this.#stop.signal.aborted) {
      await this.look();
      const now = clock.now();
      const mail = table.volumes.filter(({ entry }) => entry.use !== 'spool');
      if (mail.some(({ up }) => !up)) this.#activeUntil = now + CALM_MS;
      const active = now < this.#activeUntil;
      const ms = options[active ? 'delivery.land.interval' : 'delivery.land.idle'];
      this.#wake = new AbortController();
      // Not all processes at once.
      const signal = active ? this.#stop.signal : this.#wake.signal;
      await clock.sleep(ms / 2 + this.#between(ms), signal).catch(() => {});
    }
  }

  async #lookAt(tree: SpoolTree): Promise<number> {
    const { clock, options } = this.#parts;
    const now = clock.now();
    if (now >= this.#retryAt) {
      this.#retryAt = now + options['delivery.land.retry'];
      await retryFailed(tree);
    }
    if (now >= this.#sweepAt) {
      this.#sweepAt = now + SWEEP_MS / 2 + this.#between(SWEEP_MS);
      const bucket = Math.floor(this.#between(BUCKETS)).toString(16).padStart(2, '0');
      parkedLetters.inc('swept', await sweepBucket(tree, bucket));
    }
    const lanes = await tree.lanes();
    for (const lane of await tree.lanes('taken')) {
      if (!lanes.includes(lane) || this.#isOpen(lane)) {
        parkedLetters.inc('reclaimed', await tree.reclaim(lane));
      }
    }
    if (lanes.length > 0) this.#activeUntil = now + CALM_MS;
    let count = 0;
    for (const lane of lanes) {
      if (this.#stop.signal.aborted) break;
      if (this.#isOpen(lane)) count += await this.#land(tree, lane);
    }
    if (now >= this.#countAt) await this.#count(tree);
    return count;
  }

  /** The volume is up, or there is none of this name: then the users are somewhere else now. */
  #isOpen(lane: string): boolean {
    if (this.#isResting(lane)) return false;
    const volume = this.#parts.table.get(lane);
    return volume === undefined || (volume.up && volume.entry.state !== 'offline');
  }

  #isResting(what: string): boolean {
    const rest = this.#rests.get(what);
    return rest !== undefined && this.#parts.clock.now() < rest.until;
  }

  async #land(tree: SpoolTree, lane: string): Promise<number> {
    let count = 0;
    const buckets = await tree.buckets('waiting', lane);
    // Each process begins elsewhere, so that they do not compete for the same letters.
    for (const bucket of this.#fromAnywhere(buckets)) {
      if (this.#stop.signal.aborted || !this.#isOpen(lane)) return count;
      const letters = await tree.list('waiting', lane, bucket);
      if (letters.length === 0) await tree.tidy(lane, bucket);
      else count += await this.#landBucket(tree, lane, letters);
    }
    return count;
  }

  /** Owner by owner, some at once; the letters of one in order of arrival. */
  async #landBucket(tree: SpoolTree, lane: string, letters: readonly Spooled[]): Promise<number> {
    const owners = this.#fromAnywhere(Object.values(Object.groupBy(letters, (one) => one.owner)));
    let count = 0;
    const next = async (): Promise<void> => {
      for (let own = owners.shift(); own !== undefined; own = owners.shift()) {
        if (this.#stop.signal.aborted || !this.#isOpen(lane)) return;
        count += await this.#landOwner(tree, lane, own ?? []);
      }
    };
    const workers = this.#parts.options['delivery.land.concurrency'];
    await Promise.all(Array.from({ length: Math.min(workers, owners.length) }, next));
    return count;
  }

  /** Never rejects. */
  async #landOwner(tree: SpoolTree, lane: string, letters: readonly Spooled[]): Promise<number> {
    const resting = `${lane}/${letters[0]?.owner}`;
    let count = 0;
    try {
      for (let at = 0; at < letters.length; at += LETTERS_AT_ONCE) {
        if (this.#stop.signal.aborted || this.#isResting(resting)) return count;
        const some = letters.slice(at, at + LETTERS_AT_ONCE);
        const { signal } = this.#stop;
        count += await landLetters({ ...this.#parts, landed: this.#landed, signal }, tree, some);
        for (const one of [lane, resting]) this.#rests.delete(one);
        this.#failures.delete(lane);
      }
    } catch (error) {
      this.#tired(lane, resting, error);
    }
    return count;
  }

  /** So that what stands first and fails is not always in the way of what comes after it. */
  #fromAnywhere<T>(all: readonly T[]): T[] {
    const start = Math.floor(this.#between(all.length));
    return [...all.slice(start), ...all.slice(0, start)];
  }

  /** The owner rests, and the lane where it is not one mailbox's trouble. */
  #tired(lane: string, owner: string, error: unknown): void {
    const failures = (this.#failures.get(lane) ?? 0) + 1;
    this.#failures.set(lane, failures);
    const kind = error instanceof StoreError ? error.kind : 'other';
    const isUp = this.#parts.table.get(lane)?.up === true;
    const isOwn = isUp && (kind === 'volume-down' || kind === 'volume-busy');
    const rests = isOwn && failures < FAILURES_IN_A_ROW ? [owner] : [owner, lane];
    const restMs = Math.max(...rests.map((one) => this.#rest(one)));
    const fields = { volume: lane, kind, rests: rests.join(' '), restMs, err: error };
    this.#parts.log.warn(fields, 'parked letters not landed yet');
  }

  /** Twice as long as the last time. */
  #rest(what: string): number {
    const { clock, options } = this.#parts;
    const before = this.#rests.get(what);
    if (before !== undefined && clock.now() < before.until) return before.ms;
    const ms = Math.min(REST_MS_MAX, (before?.ms ?? options['delivery.land.interval']) * 2);
    if (this.#rests.size >= RESTING_MAX) this.#rests.clear();
    this.#rests.set(what, { ms, until: clock.now() + ms / 2 + this.#between(ms) });
    return ms;
  }

  /** For the metrics. */
  async #count(tree: SpoolTree): Promise<void> {
    const counted = new Map<string, { letters: number; octets: number; oldest: number }>();
    let names = 0;
    for (const state of ['waiting', 'failed'] as const) {
      for (const lane of await tree.lanes(state)) {
        const sum = counted.get(lane) ?? { letters: 0, octets: 0, oldest: Infinity };
        for (const bucket of await tree.buckets(state, lane)) {
          for (const { id, octets } of await tree.list(state, lane, bucket)) {
            names += 1;
            sum.letters += 1;
            sum.octets += octets;
            sum.oldest = Math.min(sum.oldest, arrivedAt(id));
          }
        }
        counted.set(lane, sum);
      }
    }
    waiting.clear();
    for (const [lane, sum] of counted) if (sum.letters > 0) waiting.set(lane, sum);
    this.#countAt = this.#parts.clock.now() + COUNT_MS + names * COUNT_MS_PER_NAME;
  }

  /** By chance, from 0 up to `max`. */
  #between(max: number): number {
    const [high = 0, low = 0] = this.#parts.random.bytes(2);
    return (max * (high * 256 + low)) / 65_536;
  }
}

/** Letters that somebody has to look at go back to be tried: the user may have been restored. */
async function retryFailed(tree: SpoolTree): Promise<void> {
  for (const lane of await tree.lanes('failed')) {
    for (const bucket of await tree.buckets('failed', lane)) {
      for (const letter of await tree.list('failed', lane, bucket)) {
        await tree.release(letter);
      }
    }
  }
}
