import type { Clock } from '../base/clock.ts';
import type { Directory, DomainEntry } from '../directory/types.ts';

/** So long "not ours" counts without asking: who sends much sends much to few domains. */
const KEPT_MS = 1000;
const KEPT_MAX = 1000;

/**
 * Domains for recipients of a smarthost. The directory keeps what is there and asks for what is
 * not, so a domain elsewhere, as nearly all are here, costs a search for each letter. A domain that
 * becomes ours within the second leaves by its MX, as it did the second before.
 */
export class Domains {
  readonly #directory: Pick<Directory, 'domain'>;
  readonly #clock: Clock;
  /** Domains that are not ours, and when that was asked. */
  readonly #elsewhere = new Map<string, number>();

  constructor(directory: Pick<Directory, 'domain'>, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  /** Undefined for one that is not ours. @throws DirectoryUnavailable */
  async of(domain: string): Promise<DomainEntry | undefined> {
    const name = domain.toLowerCase();
    const at = this.#elsewhere.get(name);
    const now = this.#clock.now();
    if (at !== undefined && at <= now && now - at < KEPT_MS) return undefined;
    const found = await this.#directory.domain(domain);
    if (found !== undefined) {
      this.#elsewhere.delete(name);
      return found;
    }
    if (this.#elsewhere.size >= KEPT_MAX) this.#elsewhere.clear();
    this.#elsewhere.set(name, now);
    return undefined;
  }
}
