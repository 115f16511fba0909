import { createHash } from 'node:crypto';
import { EqualityFilter, type Entry } from 'ldapts';
import type { Clock } from '../../base/clock.ts';
import { valuesOf } from '../client/entries.ts';
import { dnKey, parseDn } from '../dn.ts';
import { LEVELS, type Level } from '../rights.ts';
import type { Claim } from './api.ts';
import { unchangedSince } from './assertion.ts';
import { AdminError, isKind } from './error.ts';
import type { Events } from './events.ts';
import type { Identity } from './identity.ts';
import type { AdminSession } from './session.ts';
import { fromTime, toTime } from '../time.ts';

/** Somebody's claim as it stands in the directory. */
export interface Holder {
  readonly by: string;
  readonly level: Level;
  readonly until: number;
  /** Random name of the holder's session; two of one person are two. */
  readonly session: string;
  readonly revision: string;
}

export interface ClaimOptions {
  readonly session: AdminSession;
  readonly who: Identity;
  readonly clock: Clock;
  readonly events: Events;
  /** Random name of this session. */
  readonly token: string;
  /** A claim that is not renewed ends after this. */
  readonly durationMs: number;
  /** How often the holder looks whether it was taken over, and renews it. */
  readonly intervalMs: number;
}

const TRIES = 8;

/**
 * Advice about who is at work on an entry (S0-44): entries in ou=claims, named by a hash of the DN.
 *
 * Two sessions may do each step at once; what decides is always one operation of the server:
 * - both find none: both add the same entry, one hears that it exists and reads again;
 * - both find one of a lower level or one that ended: both replace it if it is as they read it
 *   (assertion); one is told that it is not, and reads again;
 * - a holder renews or releases while somebody takes over: it changes the entry only if it names
 *   its own session still; else it has lost the claim, and says so to its handlers;
 * - a holder that crashed renews no more: its claim ends by its time;
 * - two servers in mirror mode may let both win for a moment; the later write stays, and the other
 *   holder sees that at its next look. No harm: a claim is advice, assertions guard the entries.
 */
export class Claims {
  readonly #options: ClaimOptions;
  readonly #held = new Map<string, HeldClaim>();

  constructor(options: ClaimOptions) {
    this.#options = options;
  }

  /** @throws AdminError claimed, denied */
  async claim(dn: string): Promise<Claim> {
    const { who, clock } = this.#options;
    const { level } = who;
    if (level === undefined) {
      throw new AdminError('denied', `${who.name} has no level of an administrator, so no claims`);
    }
    for (let tries = 0; tries < TRIES; tries += 1) {
      const holder = await this.holder(dn);
      const live = holder !== undefined && holder.until > clock.now();
      const ours = holder?.session === this.#options.token;
      if (live && !ours && LEVELS[holder.level] >= LEVELS[level]) throw claimed(dn, holder);
      const won = await this.#write(dn, { holder, level });
      if (won !== undefined) return this.#hold(dn, level, won);
    }
    throw new AdminError('claimed', `Too many want ${dn} at once; try again`);
  }

  /** Who claims an entry, or did: look at `until`. */
  async holder(dn: string): Promise<Holder | undefined> {
    const entry = await this.#options.session.entry(this.#dnOf(dn));
    return entry && toHolder(entry);
  }

  /**
   * @throws AdminError claimed when somebody of a higher level is at work on the entry: equal and
   * lower ones are told of the change, not asked
   */
  async requireNoHigher(dn: string): Promise<void> {
    const { who, clock, token } = this.#options;
    const holder = await this.holder(dn);
    if (!holder || holder.until <= clock.now() || holder.session === token) return;
    const own = who.level === undefined ? 0 : LEVELS[who.level];
    if (LEVELS[holder.level] > own) throw claimed(dn, holder);
  }

  /** Gives back all that is held. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#held.values()].map((claim) => claim.release()));
  }

  /** @returns until when it is ours; undefined when somebody else was quicker */
  async #write(
    dn: string,
    given: { readonly holder: Holder | undefined; readonly level: Level },
  ): Promise<number | undefined> {
    const { session, who, clock, token, durationMs } = this.#options;
    const { holder, level } = given;
    const until = clock.now() + durationMs;
    const values = {
      mwClaimBy: who.name,
      mwLevel: LEVELS[level],
      mwClaimUntil: toTime(until),
      description: token,
    };
    const at = this.#dnOf(dn);
    try {
      if (holder) await session.replace(at, values, unchangedSince(holder.revision));
      else {
        const fixed = { objectClass: ['top', 'mwClaim'], cn: nameOf(dn), mwClaimOf: dn };
        await session.add(at, { ...fixed, ...values });
      }
      return until;
    } catch (error) {
      const quicker = ['exists', 'conflict', 'not-found'] as const;
      if (quicker.some((kind) => isKind(error, kind))) return undefined;
      throw error;
    }
  }

  #hold(dn: string, level: Level, until: number): Claim {
    const key = dnKey(parseDn(dn));
    this.#held.get(key)?.forget();
    const claim = new HeldClaim({
      ...this.#options,
      dn,
      level,
      at: this.#dnOf(dn),
      until,
      holder: () => this.holder(dn),
      ended: (which) => {
        if (this.#held.get(key) === which) this.#held.delete(key);
      },
    });
    this.#held.set(key, claim);
    claim.keep();
    return claim;
  }

  #dnOf(dn: string): string {
    return `cn=${nameOf(dn)},${this.#options.session.names.claims}`;
  }
}

interface HeldOptions extends ClaimOptions {
  readonly dn: string;
  readonly level: Level;
  readonly at: string;
  readonly until: number;
  holder(): Promise<Holder | undefined>;
  ended(claim: HeldClaim): void;
}

class HeldClaim implements Claim {
  readonly dn: string;
  readonly by: string;
  readonly level: Level;
  until: number;
  held = true;
  readonly #options: HeldOptions;
  readonly #stop = new AbortController();

  constructor(options: HeldOptions) {
    this.#options = options;
    this.dn = options.dn;
    this.by = options.who.name;
    this.level = options.level;
    this.until = options.until;
  }

  /** Looks after the claim until it is released or lost. */
  keep(): void {
    void this.#keep();
  }

  /** The same session claimed the entry again: the newer claim looks after it. */
  forget(): void {
    this.#stop.abort();
    this.held = false;
  }

  async release(): Promise<void> {
    if (!this.held) return;
    this.forget();
    this.#options.ended(this);
    try {
      await this.#options.session.remove(this.#options.at, this.#isOurs());
    } catch (error) {
      const gone = isKind(error, 'conflict') || isKind(error, 'not-found');
      if (!gone && !isKind(error, 'closed')) throw error;
    }
  }

  async #keep(): Promise<void> {
    const { clock, intervalMs, session } = this.#options;
    while (this.held) {
      try {
        await clock.sleep(intervalMs, this.#stop.signal);
        if (!this.held || session.closed) return;
        await this.#look();
      } catch {
        // The directory is away or the claim was released; the claim ends by its time.
        if (this.held && clock.now() >= this.until)
          this.#lose('nobody: it was not renewed in time');
      }
    }
  }

  async #look(): Promise<void> {
    const { clock, durationMs } = this.#options;
    const holder = await this.#options.holder();
    if (!this.held) return;
    if (holder?.session !== this.#options.token) return this.#lose(holder?.by ?? 'nobody');
    if (this.until - clock.now() > (durationMs * 2) / 3) return;
    const until = clock.now() + durationMs;
    try {
      const values = { mwClaimUntil: toTime(until) };
      await this.#options.session.replace(this.#options.at, values, this.#isOurs());
      this.until = until;
    } catch (error) {
      if (!isKind(error, 'conflict') && !isKind(error, 'not-found')) throw error;
      this.#lose((await this.#options.holder())?.by ?? 'nobody');
    }
  }

  #isOurs(): EqualityFilter {
    return new EqualityFilter({ attribute: 'description', value: this.#options.token });
  }

  #lose(by: string): void {
    if (!this.held) return;
    this.forget();
    this.#options.ended(this);
    this.#options.events.emit({ kind: 'claim-lost', dn: this.dn, by });
  }
}

const nameOf = (dn: string): string =>
  createHash('sha256')
    .update(dnKey(parseDn(dn)))
    .digest('hex')
    .slice(0, 40);

function toHolder(entry: Entry): Holder | undefined {
  const number = Number(valuesOf(entry, 'mwLevel')[0]);
  const level = (Object.keys(LEVELS) as Level[]).find((name) => LEVELS[name] === number);
  return {
    by: valuesOf(entry, 'mwClaimBy')[0] ?? 'nobody',
    // A level that we do not know is nobody's; the claim still can be taken over.
    level: level ?? 'auditor',
    until: fromTime(valuesOf(entry, 'mwClaimUntil')[0]) ?? 0,
    session: valuesOf(entry, 'description')[0] ?? '',
    revision: valuesOf(entry, 'entryCSN')[0] ?? '',
  };
}

function claimed(dn: string, { by, level, until }: Holder): AdminError {
  const time = new Date(until).toISOString();
  return new AdminError('claimed', `${by} (${level}) is at work on ${dn}, until ${time} at most`);
}
