/**
 * How much a user may send in an hour and in a day, over the whole farm (N-24).
 *
 * What counts is the account, by its immutable id: whatever is written in MAIL FROM, in From or at
 * login (another case, an alias, a detail, the null sender) is the same account, and so is every
 * session of it at every node, since nodes tell each other by marks on the spool volumes.
 *
 * Invariant: a message is counted before it is committed, with the recipients it was accepted for.
 * What is refused or given up before its end counts nothing, so that a program that tries again
 * does not lock its user out for longer.
 *
 * Races: many sessions may look before any of them counts. So each counts first and then looks once
 * more: of those that are too many together, those see it who look last. They are told 450 with
 * their message counted for nothing; the other order would let all of them through. What a node
 * cannot see yet of another one (marks.ts) is the slack that is left.
 *
 * When no spool volume answers, nothing can be counted, and nothing can leave the farm either:
 * what is between its own users is taken (MF-SUB-003). To refuse it would make the spool a part of
 * every letter's way.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../log/types.ts';
import { ReplyError, type ReplyName } from '../smtp/replies.ts';
import type { SessionAccount } from '../smtp/types.ts';
import type { Marks } from '../spool/marks.ts';
import { StoreError } from '../volumes/error.ts';
import type { SubmissionOptions } from './options.ts';

export interface SendingLimitsParts {
  readonly marks: Pick<Marks, 'add' | 'sum'>;
  readonly options: SubmissionOptions;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Limit {
  readonly what: 'messages' | 'recipients';
  readonly kind: string;
  readonly per: 'hour' | 'day';
  readonly windowMs: number;
  readonly max: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** How long a user who reached a limit is not counted again: to knock costs us nothing. */
const CLOSED_MS = 30_000;
const CLOSED_USERS_MAX = 10_000;
/** Halvings of the window: the time that is told is exact to its 64th part. */
const STEPS = 6;
const TROUBLE_TOLD_MS = 60_000;

interface Closed {
  readonly limit: Limit;
  readonly until: number;
  readonly checkedAt: number;
}

/** What one message may still bring. */
export interface Allowance {
  /** @throws ReplyError recipientLimit when one more recipient is too many */
  take(): Promise<void>;
}

const UNLIMITED: Allowance = { take: async () => {} };

export class SendingLimits {
  readonly #parts: SendingLimitsParts;
  readonly #limits: readonly Limit[];
  /** By what and account. */
  readonly #closed = new Map<string, Closed>();
  #toldAt = -Infinity;

  constructor(parts: SendingLimitsParts) {
    this.#parts = parts;
    const { options } = parts;
    const limit = (what: Limit['what'], per: Limit['per']): Limit => ({
      what,
      kind: what === 'messages' ? 'sent' : 'sent-to',
      per,
      windowMs: per === 'hour' ? HOUR_MS : DAY_MS,
      max: options[`submission.${what}.${per}`],
    });
    this.#limits = [
      limit('messages', 'day'),
      limit('messages', 'hour'),
      limit('recipients', 'day'),
      limit('recipients', 'hour'),
    ].filter(({ max }) => max > 0);
  }

  /** Before a message. @throws ReplyError sendingLimit */
  async begin(account: SessionAccount): Promise<Allowance> {
    if (this.#limits.length === 0) return UNLIMITED;
    return await this.#orUnlimited(async () => {
      const used = await this.#used(account, 'believe');
      for (const limit of this.#limits) await this.#require(account, limit, used, 1);
      return this.#allowance(account, used);
    }, UNLIMITED);
  }

  /** At the end of a message, before it is committed. @throws ReplyError */
  async spend(account: SessionAccount, recipients: number): Promise<void> {
    if (this.#limits.length === 0) return;
    const { marks } = this.#parts;
    await this.#orUnlimited(async () => {
      const key = account.id;
      await Promise.all([
        marks.add({ kind: 'sent', key }, 1),
        marks.add({ kind: 'sent-to', key }, recipients),
      ]);
      // The last one that was let in may find the door closed behind it by now.
      const used = await this.#used(account, 'count');
      for (const limit of this.#limits) await this.#require(account, limit, used, 0);
    }, undefined);
  }

  #allowance(account: SessionAccount, used: ReadonlyMap<Limit, number>): Allowance {
    const limits = this.#limits.filter(({ what }) => what === 'recipients');
    let taken = 0;
    return {
      take: async () => {
        const full = limits.find((limit) => (used.get(limit) ?? 0) + taken >= limit.max);
        if (full) {
          const wait = await this.#orUnlimited(() => this.#waitMs(account, full, taken + 1), 0);
          throw refusalOf(full, this.#parts.clock.now() + wait);
        }
        taken += 1;
      },
    };
  }

  /** `believe`: a door that was found closed lately is. */
  async #used(
    account: SessionAccount,
    how: 'believe' | 'count',
  ): Promise<ReadonlyMap<Limit, number>> {
    const used = new Map<Limit, number>();
    const asked = (['messages', 'recipients'] as const).map((what) =>
      this.#count(account, { what, how }, used),
    );
    await Promise.all(asked);
    return used;
  }

  /** The day first: who is well below the hour's limit by it is not counted again. */
  async #count(
    account: SessionAccount,
    { what, how }: { readonly what: Limit['what']; readonly how: 'believe' | 'count' },
    used: Map<Limit, number>,
  ): Promise<void> {
    const { marks, options } = this.#parts;
    const most = what === 'messages' ? 1 : options['submission.recipients.max'];
    let longer = Infinity;
    for (const limit of this.#limits.filter((one) => one.what === what)) {
      if (longer + most > limit.max) {
        const mark = { kind: limit.kind, key: account.id };
        const closed = how === 'believe' && this.#stillClosed(account, limit);
        longer = closed ? Infinity : await marks.sum(mark, limit.windowMs);
      }
      used.set(limit, longer);
    }
  }

  async #require(
    account: SessionAccount,
    limit: Limit,
    used: ReadonlyMap<Limit, number>,
    more: number,
  ): Promise<void> {
    if ((used.get(limit) ?? 0) + more <= limit.max) return;
    const closed = this.#stillClosed(account, limit) ?? (await this.#close(account, limit));
    throw refusalOf(limit, closed.until);
  }

  #stillClosed(account: SessionAccount, limit: Limit): Closed | undefined {
    const closed = this.#closed.get(nameOf(account, limit));
    if (!closed) return undefined;
    const now = this.#parts.clock.now();
    if (now < closed.until && now - closed.checkedAt < CLOSED_MS) return closed;
    this.#closed.delete(nameOf(account, limit));
    return undefined;
  }

  async #close(account: SessionAccount, limit: Limit): Promise<Closed> {
    const { clock, logger } = this.#parts;
    const until = clock.now() + (await this.#waitMs(account, limit, 1));
    const closed = { limit, until, checkedAt: clock.now() };
    if (this.#closed.size >= CLOSED_USERS_MAX) this.#closed.clear();
    this.#closed.set(nameOf(account, limit), closed);
    const { what, per, max } = limit;
    const fields = { code: 'MF-SUB-002', login: account.login, what, per, max };
    logger.warn({ ...fields, until: dateText(until) }, 'a user reached a limit');
    return closed;
  }

  /** Until so much of the window has passed by that so many more have room. */
  async #waitMs(account: SessionAccount, limit: Limit, more: number): Promise<number> {
    const { marks } = this.#parts;
    const mark = { kind: limit.kind, key: account.id };
    let [open, full] = [0, limit.windowMs]; // Ages: what is younger than `full` is too much.
    for (let step = 0; step < STEPS; step++) {
      const middle = (open + full) / 2;
      if ((await marks.sum(mark, middle)) + more > limit.max) full = middle;
      else open = middle;
    }
    return limit.windowMs - open;
  }

  /** @throws ReplyError; trouble of the spool is told, and stops nobody */
  async #orUnlimited<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const { clock, logger } = this.#parts;
      if (clock.now() - this.#toldAt >= TROUBLE_TOLD_MS) {
        this.#toldAt = clock.now();
        logger.warn({ code: 'MF-SUB-003', err: error }, 'what users sent cannot be counted');
      }
      return otherwise;
    }
  }
}

const nameOf = ({ id }: SessionAccount, { what, per }: Limit): string => `${what} ${per} ${id}`;

const REPLY = { messages: 'sendingLimit', recipients: 'recipientLimit' } as const satisfies Record<
  Limit['what'],
  ReplyName
>;

function refusalOf({ what, per, max }: Limit, until: number): ReplyError {
  const period = per === 'hour' ? 'an hour' : 'a day';
  const detail = `${max} ${what} in ${period} are allowed, try again at ${dateText(until)}`;
  return new ReplyError(REPLY[what], { detail });
}

/** `2026-11-22 10:05 UTC`, rounded up to the minute. */
const dateText = (ms: number): string => {
  const iso = new Date(Math.ceil(ms / 60_000) * 60_000).toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
};
