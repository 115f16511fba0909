import { hash, hkdfSync } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { DirectoryUnavailable, type Directory } from '../directory/types.ts';

/** What seals sessions. `id` tells keys apart and gives nothing of them away. */
export interface WebKey {
  readonly id: string;
  readonly octets: Uint8Array;
}

/**
 * The first seals and opens; the second opens what was sealed before `mailfarm secret rotate web`.
 * Between the two steps of that there may be no first: then the second seals.
 */
const NAMES = ['current', 'previous'] as const;
/** Octets of the key (A256GCM, RFC 7518 §5.3). */
const KEY_BYTES = 32;
/** A shorter text is no key: somebody's password, or a mistake. */
const TEXT_LENGTH_MIN = 32;
/** Keys change once in months; a key that is not known is asked for at once. */
const KEPT_MS = 30_000;
/** Cookies of unknown keys cost the directory a question not more often than this. */
const ASKED_MS_MIN = 200;

/**
 * Keys of the farm's sessions, from the directory. They are kept here too, for that there is no
 * previous one is an answer that the directory's client does not keep: while no server answers,
 * what was known last goes on.
 */
export class WebKeys {
  readonly #directory: Pick<Directory, 'secret'>;
  readonly #clock: Clock;
  #known: { readonly at: number; readonly keys: readonly WebKey[] } | undefined;
  #asking: Promise<readonly WebKey[]> | undefined;

  constructor(parts: { readonly directory: Pick<Directory, 'secret'>; readonly clock: Clock }) {
    this.#directory = parts.directory;
    this.#clock = parts.clock;
  }

  /** The sealing one first; [] where there is none. @throws DirectoryUnavailable */
  async all(): Promise<readonly WebKey[]> {
    const known = this.#known;
    const fresh = known && known.keys.length > 0 && this.#clock.now() - known.at < KEPT_MS;
    return fresh === true ? known.keys : await this.#ask();
  }

  /**
   * All, among which this one must be if it is a key of the farm: another node may have learned of
   * a new one first. @throws DirectoryUnavailable also where that cannot be told now
   */
  async with(id: string): Promise<readonly WebKey[]> {
    const keys = await this.all();
    if (keys.some((key) => key.id === id)) return keys;
    if (this.#clock.now() - (this.#known?.at ?? 0) < ASKED_MS_MIN) {
      throw new DirectoryUnavailable('A session is sealed with a key that is not known yet');
    }
    return await this.#ask();
  }

  async #ask(): Promise<readonly WebKey[]> {
    this.#asking ??= this.#read().finally(() => {
      this.#asking = undefined;
    });
    return await this.#asking;
  }

  async #read(): Promise<readonly WebKey[]> {
    const at = this.#clock.now();
    try {
      const texts = await Promise.all(NAMES.map((name) => this.#directory.secret('web', name)));
      const keys = texts.flatMap((text) =>
        text === undefined || text.length < TEXT_LENGTH_MIN ? [] : [keyOf(text)],
      );
      this.#known = { at, keys };
      return keys;
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable) || this.#known === undefined) throw error;
      return this.#known.keys;
    }
  }
}

function keyOf(text: string): WebKey {
  const octets = Buffer.from(hkdfSync('sha256', text, '', 'mailfarm web sessions', KEY_BYTES));
  return { id: hash('sha256', octets, 'base64url').slice(0, 8), octets };
}
