/**
 * A live directory, and a snapshot beside it for when it is away.
 *
 * The live one is always asked first; only when it is unavailable, with what its own cache
 * remembers, the snapshot is asked. Of the snapshot only what it says counts:
 *
 * - A user who is in it gets mail and may be found. Who is not in it may have been added since:
 *   the question stays unanswered, never "no such user". For the same reason nothing is taken
 *   from it that follows from somebody's absence: no catch-all, no rule, no list with a member
 *   it does not know, no "members only".
 * - Settings and the node's own entry are not taken from it: the last good ones that the node
 *   keeps (config/last-good.ts) are younger, and going back to older ones would undo changes.
 * - Placing a user needs the live directory.
 *
 * Passwords. The rule for an outage is that a password counts if the directory accepted it within
 * minutes; that the client does itself. A snapshot has hashes only when an operator asked for them
 * (`export --with-passwords`), which says that logins are to go on. Then, and only while no
 * replica answers, a password that matches the hash is accepted; one that does not stays
 * unanswered, since it may be newer than the snapshot. Three things make it stricter than a live
 * check: after a few passwords that did not match, a user's are not compared for minutes; the
 * password that the live directory accepted last from this process outranks an older snapshot; and
 * one that it refused since is not accepted by the snapshot either.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { systemClock, type Clock } from '../../base/clock.ts';
import { DirectoryUnavailable } from '../types.ts';
import type { Account, Directory } from '../types.ts';
import type { SnapshotDirectory } from './open.ts';

/** Passwords that may fail to match before a user's are not compared any more … */
export const MISMATCHES_MAX = 3;
/** … for this long. */
export const MISMATCH_MS = 600_000;
const USERS_KEPT = 100_000;

/** What this process knows of a user's password. */
interface Known {
  /** The password that the live directory accepted last. */
  accepted?: { readonly mac: string; readonly at: number };
  /** One that it refused since. */
  refused?: { readonly mac: string; readonly at: number };
  mismatches: number;
  since: number;
}

/** Asks `primary`; while it is away, `snapshot` as far as the essay above says. */
export function withSnapshot(
  primary: Directory,
  snapshot: SnapshotDirectory,
  options: { readonly clock?: Clock } = {},
): Directory {
  const passwords = new OutagePasswords(primary, snapshot, options.clock ?? systemClock);
  const positive = async <T>(ask: () => Promise<T | undefined>, live: unknown): Promise<T> => {
    const answer = await ask().catch((error: unknown) => {
      if (error instanceof DirectoryUnavailable) return undefined;
      throw error;
    });
    if (answer === undefined) throw live;
    return answer;
  };
  const either = async <T>(
    live: () => Promise<T>,
    stored: () => Promise<T | undefined>,
  ): Promise<T> => {
    try {
      return await live();
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      return await positive(stored, error);
    }
  };
  return {
    resolve: (address, context) =>
      either(
        () => primary.resolve(address, context),
        () => snapshot.resolveHeld(address, context),
      ),
    account: (login) =>
      either(
        () => primary.account(login),
        () => snapshot.account(login),
      ),
    verifyPassword: (account, password) => passwords.verify(account, password),
    volumes: () =>
      either(
        () => primary.volumes(),
        () => snapshot.volumes(),
      ),
    assignVolume: (account, volume) => primary.assignVolume(account, volume),
    volumeByRule: (account) => primary.volumeByRule(account),
    storedVolume: (account) =>
      either(
        () => primary.storedVolume(account),
        () => snapshot.storedVolume(account),
      ),
    settings: () => primary.settings(),
    node: (name) => primary.node(name),
    invalidate: () => {
      primary.invalidate();
      snapshot.invalidate();
    },
    get available() {
      return primary.available;
    },
    close: async () => {
      await Promise.all([primary.close(), snapshot.close()]);
    },
  };
}

class OutagePasswords {
  readonly #primary: Directory;
  readonly #snapshot: SnapshotDirectory;
  readonly #clock: Clock;
  readonly #key = randomBytes(32);
  readonly #known = new Map<string, Known>();

  constructor(primary: Directory, snapshot: SnapshotDirectory, clock: Clock) {
    this.#primary = primary;
    this.#snapshot = snapshot;
    this.#clock = clock;
  }

  async verify(account: Account, password: string): Promise<'accepted' | 'refused'> {
    const mac = createHmac('sha256', this.#key).update(`${account.id}\0${password}`);
    const said = { mac: mac.digest('base64'), at: this.#clock.now() };
    try {
      const answer = await this.#primary.verifyPassword(account, password);
      if (answer === 'accepted') this.#keep(account.id, { accepted: said });
      else if (password !== '') this.#keep(account.id, { refused: said });
      return answer;
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      if (await this.#stored(account, password, said.mac)) return 'accepted';
      throw error;
    }
  }

  async #stored(account: Account, password: string, mac: string): Promise<boolean> {
    const known = this.#known.get(account.id) ?? { mismatches: 0, since: this.#clock.now() };
    if (this.#clock.now() - known.since >= MISMATCH_MS) {
      known.mismatches = 0;
      known.since = this.#clock.now();
    }
    if (known.mismatches >= MISMATCHES_MAX) return false;
    try {
      if (await this.#outranked(known, mac)) return false;
      const answer = await this.#snapshot.verifyPassword(account, password);
      if (answer === 'accepted') return true;
    } catch (error) {
      if (error instanceof DirectoryUnavailable) return false;
      throw error;
    }
    known.mismatches += 1;
    this.#put(account.id, known);
    return false;
  }

  /** What the live directory said since the snapshot was made. */
  async #outranked({ accepted, refused }: Known, mac: string): Promise<boolean> {
    const madeAt = await this.#snapshot.createdAt();
    if (accepted && accepted.at > madeAt && accepted.mac !== mac) return true;
    return refused !== undefined && refused.at > madeAt && refused.mac === mac;
  }

  #keep(id: string, news: Partial<Known>): void {
    this.#put(id, { ...this.#known.get(id), ...news, mismatches: 0, since: this.#clock.now() });
  }

  #put(id: string, known: Known): void {
    this.#known.delete(id);
    this.#known.set(id, known);
    if (this.#known.size <= USERS_KEPT) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}
