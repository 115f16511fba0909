/**
 * POP-before-SMTP (S0-24): a login by POP3 opens relaying for its address, on every node, for
 * minutes. What nodes tell each other is a mark on a spool volume (spool/marks.ts), so nothing has
 * to be there but the spool; where no spool volume answers, nobody is let in by it.
 *
 * It is opened for the user who logged in, and no other: MAIL FROM has to be an address of his
 * (the mark names address and account), so the null sender and strangers' addresses are not let in,
 * and what is sent counts against the limits of that user.
 *
 * An IPv6 client is its /64: it changes addresses within it from hour to hour, and whoever has one
 * of them has them all. An IPv4 address is itself, with all that are translated to it: that is what
 * the option buys, and why it is off.
 *
 * Marks and questions cost calls on shared storage, and a stranger can make an MX ask by asking for
 * relaying: an answer is kept for seconds, a mark is not made again for a quarter of its time, and
 * both tables are bounded. So an address stays open for at most a quarter longer than the option.
 */
import type { Clock } from '../base/clock.ts';
import type { Account, Directory } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { limitKey } from '../net/address.ts';
import type { SessionAccount } from '../smtp/types.ts';
import type { Marks } from '../spool/marks.ts';

export interface PopMarksParts {
  readonly directory: Pick<Directory, 'ownerOf'>;
  readonly marks: Pick<Marks, 'add' | 'sum'>;
  /** `relay.pop.minutes`; 0 is off. */
  readonly minutes: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const MINUTE_MS = 60_000;
/** How long an answer is kept. */
const KEPT_MS = 5_000;
/** Addresses with their users, in each table. */
const KNOWN_MAX = 50_000;

export class PopMarks {
  readonly #parts: PopMarksParts;
  readonly #withinMs: number;
  readonly #againMs: number;
  /** When this process marked an address and user last. */
  readonly #marked = new Map<string, number>();
  readonly #answers = new Map<string, { readonly allowed: boolean; readonly until: number }>();

  constructor(parts: PopMarksParts) {
    this.#parts = parts;
    this.#againMs = (parts.minutes * MINUTE_MS) / 4;
    this.#withinMs = parts.minutes * MINUTE_MS + this.#againMs;
  }

  /** A user logged in from there. Waits for nothing, never throws. */
  seen(address: string, account: Pick<Account, 'id'>): void {
    const { minutes, clock, marks, logger } = this.#parts;
    if (minutes === 0) return;
    const key = keyOf(address, account);
    const now = clock.now();
    const before = this.#marked.get(key);
    if (before !== undefined && before <= now && now - before < this.#againMs) return;
    put(this.#marked, key, now);
    marks.add({ kind: 'pop', key }).catch((error: unknown) => {
      this.#marked.delete(key); // The next login tries again.
      logger.warn({ address, err: error }, 'a POP3 login opens no relaying for its address');
    });
  }

  /**
   * The user whose address `from` is, where he may send from there now; undefined: nobody may so.
   * Who cannot be found on the spool is not let in. @throws DirectoryUnavailable
   */
  async userAt(address: string, from: string): Promise<SessionAccount | undefined> {
    const { minutes, directory } = this.#parts;
    if (minutes === 0) return undefined;
    const owner = await directory.ownerOf(from);
    if (owner?.kind !== 'user') return undefined;
    if (owner.account.suspended.includes('submission')) return undefined;
    const { id, login } = owner.account;
    return (await this.#allows(address, owner.account))
      ? { id, login, byAddress: true }
      : undefined;
  }

  async #allows(address: string, account: Pick<Account, 'id'>): Promise<boolean> {
    const { clock, marks, logger } = this.#parts;
    const key = keyOf(address, account);
    const known = this.#answers.get(key);
    const now = clock.now();
    if (known !== undefined && now < known.until && known.until - now <= KEPT_MS) {
      return known.allowed;
    }
    try {
      const allowed = (await marks.sum({ kind: 'pop', key }, this.#withinMs)) > 0;
      put(this.#answers, key, { allowed, until: now + KEPT_MS });
      return allowed;
    } catch (error) {
      logger.warn({ address, err: error }, 'whether an address may relay cannot be found out');
      return false;
    }
  }
}

const keyOf = (address: string, { id }: Pick<Account, 'id'>): string =>
  `${limitKey(address)} ${id}`;

/** The oldest goes when there are too many. */
function put<V>(table: Map<string, V>, key: string, value: V): void {
  table.delete(key);
  table.set(key, value);
  const [oldest] = table.keys();
  if (table.size > KNOWN_MAX && oldest !== undefined) table.delete(oldest);
}
