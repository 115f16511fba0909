import { hash, randomBytes } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { passwordChecks } from '../metrics.ts';
import { DirectoryUnavailable, type Account } from '../types.ts';

export interface PasswordsOptions {
  readonly freshMs: number;
  readonly outageMs: number;
  readonly entriesMax: number;
  readonly clock: Clock;
  /** Asks the directory. @throws DirectoryUnavailable */
  readonly bind: (account: Account, password: string) => Promise<'accepted' | 'refused'>;
}

interface Verified {
  readonly mac: string;
  readonly at: number;
}

/** The name that a password was verified for is another user's now: nothing known counts. */
export class AnotherUser extends DirectoryUnavailable {}

/** A password longer than this is never verified; no client sends one. */
export const PASSWORD_BYTES_MAX = 1_024;

/**
 * Passwords that this process has verified, as keyed hashes with a key of this process, so that
 * a client that logs in every minute or in many connections at once does not cost a bind each.
 * A refusal is never kept. While the directory is away a password verified within minutes counts.
 */
export class VerifiedPasswords {
  readonly #options: PasswordsOptions;
  readonly #innerKey = randomBytes(32).toString('hex');
  readonly #outerKey = randomBytes(32).toString('hex');
  readonly #verified = new Map<string, Verified>();

  constructor(options: PasswordsOptions) {
    this.#options = options;
  }

  /** @throws DirectoryUnavailable */
  async verify(account: Account, password: string): Promise<'accepted' | 'refused'> {
    // An empty password would be an unauthenticated bind, which succeeds (RFC 4513 §5.1.2).
    if (password === '' || Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return 'refused';
    const mac = this.#mac(account.id, password);
    if (this.#knows(account.id, mac, this.#options.freshMs)) {
      passwordChecks.inc('cache');
      return 'accepted';
    }
    try {
      const answer = await this.#options.bind(account, password);
      if (answer === 'accepted') this.#keep(account.id, mac);
      else this.#forget(account.id, mac);
      passwordChecks.inc(answer);
      return answer;
    } catch (error) {
      if (error instanceof AnotherUser) this.#verified.delete(account.id);
      const known = this.#knows(account.id, mac, this.#options.outageMs);
      const away = error instanceof DirectoryUnavailable;
      passwordChecks.inc(away && known ? 'outage' : 'unavailable');
      if (away && known) return 'accepted';
      throw error;
    }
  }

  /** Asks again from now on; what was verified still counts in an outage. */
  invalidate(): void {
    const { clock, freshMs } = this.#options;
    for (const [id, { mac, at }] of this.#verified) {
      this.#verified.set(id, { mac, at: Math.min(at, clock.now() - freshMs) });
    }
  }

  /**
   * Two keys and two rounds, as HMAC has (RFC 2104 §2), by the function that makes no object: 1 µs,
   * where createHmac takes 4 with a KeyObject and 18 with a key of octets.
   */
  #mac(id: string, password: string): string {
    const inner = hash('sha256', `${this.#innerKey}${id}\0${password}`, 'base64');
    return hash('sha256', `${this.#outerKey}${inner}`, 'base64');
  }

  /** Compared plainly: how much of a MAC is right tells nothing to who has not the keys. */
  #knows(id: string, mac: string, ageMs: number): boolean {
    const verified = this.#verified.get(id);
    if (!verified || this.#options.clock.now() - verified.at >= ageMs) return false;
    return verified.mac === mac;
  }

  #keep(id: string, mac: string): void {
    this.#verified.delete(id);
    this.#verified.set(id, { mac, at: this.#options.clock.now() });
    if (this.#verified.size <= this.#options.entriesMax) return;
    const [oldest] = this.#verified.keys();
    if (oldest !== undefined) this.#verified.delete(oldest);
  }

  /** The directory refused what it once accepted: the password was changed. */
  #forget(id: string, mac: string): void {
    const verified = this.#verified.get(id);
    if (verified?.mac === mac) this.#verified.delete(id);
  }
}
