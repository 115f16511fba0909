import { argon2, createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { shaCrypt } from './sha-crypt.ts';

/**
 * How userPassword is stored (RFC 2307 §5.3 with the schemes OpenLDAP knows). A password given in
 * the clear is hashed on write; what is already hashed is kept as it is.
 */
export const HASH_SCHEMES = ['ARGON2', 'SSHA512'] as const;
export type HashScheme = (typeof HASH_SCHEMES)[number];

/** OWASP's second choice for Argon2id: 19 MiB, two passes; some 20 ms of CPU. */
const ARGON2 = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;
/** Work that a stored hash may ask of us: a hostile or careless entry must not stop the server. */
const ARGON2_MAX = { memory: 1_048_576, passes: 64, parallelism: 16 } as const;
/** What others than administrators may ask: four passes over 64 MiB, more than tools choose. */
const ARGON2_MODERATE = { memory: 65_536, passes: 4 } as const;
const CRYPT_ROUNDS_MODERATE = 100_000;

const argon2Async = promisify(argon2);

const DIGESTS: ReadonlyMap<string, { algorithm: string; bytes: number; salted: boolean }> = new Map(
  [
    ['SHA', { algorithm: 'sha1', bytes: 20, salted: false }],
    ['SSHA', { algorithm: 'sha1', bytes: 20, salted: true }],
    ['SHA256', { algorithm: 'sha256', bytes: 32, salted: false }],
    ['SSHA256', { algorithm: 'sha256', bytes: 32, salted: true }],
    ['SHA512', { algorithm: 'sha512', bytes: 64, salted: false }],
    ['SSHA512', { algorithm: 'sha512', bytes: 64, salted: true }],
  ],
);

const SCHEME = /^\{([A-Za-z0-9-]{1,20})\}/;

/** Why a stored value cannot be verified here, or undefined when it can. */
export function unverifiable(stored: string): string | undefined {
  const scheme = SCHEME.exec(stored)?.[1]?.toUpperCase();
  const rest = stored.replace(SCHEME, '');
  if (scheme === undefined) return undefined;
  if (scheme === 'ARGON2') {
    return parseArgon2(rest) ? undefined : 'The {ARGON2} value is not an argon2id or argon2i hash';
  }
  if (scheme === 'CRYPT') {
    return /^\$[56]\$/.test(rest)
      ? undefined
      : '{CRYPT} is supported with $5$ (SHA-256) and $6$ (SHA-512) only';
  }
  const digest = DIGESTS.get(scheme);
  if (!digest) return `The password scheme {${scheme}} is not supported`;
  const length = Buffer.from(rest, 'base64').length;
  return length < digest.bytes || (!digest.salted && length !== digest.bytes)
    ? `The {${scheme}} value has the wrong length`
    : undefined;
}

/** A hash whose verification costs much more than ours do: an administrator's choice only. */
export function isDear(stored: string): boolean {
  const scheme = SCHEME.exec(stored)?.[1]?.toUpperCase();
  const rest = stored.replace(SCHEME, '');
  if (scheme === 'CRYPT')
    return Number(/\$rounds=(\d+)\$/.exec(rest)?.[1] ?? 0) > CRYPT_ROUNDS_MODERATE;
  const hash = scheme === 'ARGON2' ? parseArgon2(rest) : undefined;
  if (!hash) return false;
  const { memory, passes, parallelism } = hash;
  return memory * passes > ARGON2_MODERATE.memory * ARGON2_MODERATE.passes || parallelism > 4;
}

export const isHashed = (stored: string): boolean => SCHEME.test(stored);

/** Hashes a password given in the clear. */
export async function hashPassword(password: string, scheme: HashScheme): Promise<string> {
  if (scheme === 'SSHA512') {
    const salt = randomBytes(16);
    const digest = createHash('sha512').update(password).update(salt).digest();
    return `{SSHA512}${Buffer.concat([digest, salt]).toString('base64')}`;
  }
  const nonce = randomBytes(16);
  const { memory, passes, parallelism } = ARGON2;
  const tag = await argon2Async('argon2id', { message: password, nonce, ...ARGON2 });
  const parameters = `m=${memory},t=${passes},p=${parallelism}`;
  return `{ARGON2}$argon2id$v=19$${parameters}$${base64(nonce)}$${base64(tag)}`;
}

const base64 = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');

interface Argon2Hash {
  readonly kind: 'argon2id' | 'argon2i';
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly nonce: Buffer;
  readonly tag: Buffer;
}

const ARGON2_FORM =
  /^\$(argon2id|argon2i)\$v=19\$m=(\d{1,8}),t=(\d{1,4}),p=(\d{1,3})\$([\w+/]+)\$([\w+/]+)$/;

function parseArgon2(text: string): Argon2Hash | undefined {
  const found = ARGON2_FORM.exec(text);
  if (!found) return undefined;
  const [, kind, m, t, p, salt, hash] = found;
  const parsed = {
    kind: kind as Argon2Hash['kind'],
    memory: Number(m),
    passes: Number(t),
    parallelism: Number(p),
    nonce: Buffer.from(salt ?? '', 'base64'),
    tag: Buffer.from(hash ?? '', 'base64'),
  };
  const bounded =
    parsed.memory >= 8 * parsed.parallelism &&
    parsed.memory <= ARGON2_MAX.memory &&
    parsed.passes >= 1 &&
    parsed.passes <= ARGON2_MAX.passes &&
    parsed.parallelism >= 1 &&
    parsed.parallelism <= ARGON2_MAX.parallelism &&
    parsed.nonce.length >= 8 &&
    parsed.tag.length >= 4;
  return bounded ? parsed : undefined;
}

async function matchesHash(stored: string, password: Buffer): Promise<boolean> {
  const scheme = SCHEME.exec(stored)?.[1]?.toUpperCase() ?? '';
  const rest = stored.replace(SCHEME, '');
  if (scheme === 'ARGON2') {
    const hash = parseArgon2(rest);
    if (!hash) return false;
    const { kind, tag, ...parameters } = hash;
    const options = { message: password, tagLength: tag.length, ...parameters };
    return timingSafeEqual(await argon2Async(kind, options), tag);
  }
  if (scheme === 'CRYPT') return await shaCrypt(password, rest);
  const digest = DIGESTS.get(scheme);
  if (!digest) return false;
  const bytes = Buffer.from(rest, 'base64');
  if (bytes.length < digest.bytes) return false;
  const salt = bytes.subarray(digest.bytes);
  const computed = createHash(digest.algorithm).update(password).update(salt).digest();
  return timingSafeEqual(computed, bytes.subarray(0, digest.bytes));
}

const REMEMBERED_MAX = 100_000;
const RUNNING_MAX = 256;

/** More passwords are being verified than this host can: the client is to try again. */
export class TooManyChecks extends Error {}

/**
 * Verifies passwords. A password that matched a stored value once is remembered (as a keyed hash
 * of both, with a key of this process), so that a mailbox polled every minute costs microseconds.
 * Changing the password changes the stored value and so forgets by itself.
 */
export class PasswordVerifier {
  readonly #key = randomBytes(32);
  readonly #remembered = new Set<string>();
  /** What an unknown name is compared with, so that it takes as long as a known one. */
  readonly #decoy: Promise<string>;
  #running = 0;

  constructor(scheme: HashScheme) {
    this.#decoy = hashPassword(randomBytes(16).toString('hex'), scheme);
  }

  /**
   * Whether the password matches one of the stored values; none means an unknown name.
   * @throws TooManyChecks
   */
  async verify(stored: readonly string[], password: Buffer): Promise<boolean> {
    const memories = stored.map((value) => this.#memory(value, password));
    if (memories.some((memory) => this.#remembered.has(memory))) return true;
    if (this.#running >= RUNNING_MAX) throw new TooManyChecks();
    this.#running += 1;
    try {
      if (stored.length === 0) await matchesHash(await this.#decoy, password);
      for (const [index, value] of stored.entries()) {
        if (!(await matchesHash(value, password))) continue;
        this.#remember(memories[index] ?? '');
        return true;
      }
      return false;
    } finally {
      this.#running -= 1;
    }
  }

  #memory(stored: string, password: Buffer): string {
    const inner = createHmac('sha256', this.#key).update(stored).digest();
    return createHmac('sha256', inner).update(password).digest('base64');
  }

  #remember(memory: string): void {
    if (this.#remembered.size >= REMEMBERED_MAX) {
      const [oldest] = this.#remembered;
      if (oldest !== undefined) this.#remembered.delete(oldest);
    }
    this.#remembered.add(memory);
  }
}
