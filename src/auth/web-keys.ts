import { hash, hkdfSync } from 'node:crypto';
import type { Directory } from '../directory/types.ts';

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

/** Keys of the farm's sessions, from the directory, whose client keeps them in memory. */
export class WebKeys {
  readonly #directory: Pick<Directory, 'secret'>;
  readonly #made = new Map<string, WebKey>();

  constructor(directory: Pick<Directory, 'secret'>) {
    this.#directory = directory;
  }

  /** The sealing one first; [] where there is none. @throws DirectoryUnavailable */
  async all(): Promise<readonly WebKey[]> {
    const texts = await Promise.all(NAMES.map((name) => this.#directory.secret('web', name)));
    return texts.flatMap((text) => {
      if (text === undefined || text.length < TEXT_LENGTH_MIN) return [];
      return [this.#key(text)];
    });
  }

  #key(text: string): WebKey {
    const known = this.#made.get(text);
    if (known) return known;
    const octets = Buffer.from(hkdfSync('sha256', text, '', 'mailfarm web sessions', KEY_BYTES));
    const key = { id: hash('sha256', octets, 'base64url').slice(0, 8), octets };
    if (this.#made.size >= NAMES.length * 2) this.#made.clear();
    this.#made.set(text, key);
    return key;
  }
}
