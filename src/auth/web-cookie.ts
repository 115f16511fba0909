/**
 * The cookie of a session: a sealed text (JWE, RFC 7516: `dir` with A256GCM) that every node can
 * open and nobody else, in which stands all that there is of a session. It carries the password,
 * so that what a user changes is changed in the directory as that user: front ends have no right to
 * (rights.ts), and a session is worth exactly what the password in it is worth at this moment.
 */
import type { WebKey } from './web-keys.ts';

/** Loaded with the first cookie: a node that serves no web has no use for it. */
let loading: Promise<typeof import('jose')> | undefined;
const jose = (): Promise<typeof import('jose')> => (loading ??= import('jose'));

/** What is sealed. Times in ms since 1970. */
export interface SealedSession {
  /** 128 random bits in base64url: the name of the sign-in. */
  readonly id: string;
  readonly accountId: string;
  readonly login: string;
  readonly password: string;
  /** A code was given, or the user turned the second factor on in this session. */
  readonly proven: boolean;
  /** When somebody signed in. */
  readonly begunAt: number;
  /** When this cookie was made: a session in use gets a new one now and then. */
  readonly sealedAt: number;
  /** When the password was sealed that is in it. */
  readonly passwordAt: number;
  /** The sign-in stands in the book, so that its absence there means something. */
  readonly booked: boolean;
}

/** Browsers keep at most 4096 octets of a cookie (RFC 6265 §6.1), its attributes and all. */
const COOKIE_BYTES_MAX = 4_000;

export const cookieName = (secure: boolean): string => (secure ? '__Host-mailfarm' : 'mailfarm');

/** Undefined: it would be longer than browsers take. */
export async function seal(session: SealedSession, key: WebKey): Promise<string | undefined> {
  const { CompactEncrypt } = await jose();
  const text = await new CompactEncrypt(Buffer.from(JSON.stringify(session)))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: key.id })
    .encrypt(key.octets);
  return text.length > COOKIE_BYTES_MAX ? undefined : text;
}

/** The key that this says it was sealed with; undefined: it is nothing of this kind. */
export async function sealedBy(text: string): Promise<string | undefined> {
  if (text.length > COOKIE_BYTES_MAX || text.split('.').length !== 5) return undefined;
  const { decodeProtectedHeader } = await jose();
  try {
    const { kid } = decodeProtectedHeader(text);
    return typeof kid === 'string' ? kid : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined: not sealed by one of these keys, damaged, or of another kind. */
export async function unseal(
  text: string,
  keys: readonly WebKey[],
): Promise<{ readonly session: SealedSession; readonly key: WebKey } | undefined> {
  if (text.length > COOKIE_BYTES_MAX) return undefined;
  const { compactDecrypt } = await jose();
  let key: WebKey | undefined;
  try {
    const { plaintext } = await compactDecrypt(
      text,
      ({ kid }) => {
        key = keys.find(({ id }) => id === kid);
        if (key === undefined) throw new Error('sealed by nobody we know');
        return key.octets;
      },
      { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] },
    );
    const session: unknown = JSON.parse(Buffer.from(plaintext).toString());
    return key !== undefined && isSession(session) ? { session, key } : undefined;
  } catch {
    return undefined; // Whatever is wrong with it, nobody is signed in by it.
  }
}

const TEXTS = ['id', 'accountId', 'login', 'password'] as const;
const TIMES = ['begunAt', 'sealedAt', 'passwordAt'] as const;
const MARKS = ['proven', 'booked'] as const;

/** A release before or after this one may have sealed something else. */
function isSession(value: unknown): value is SealedSession {
  if (typeof value !== 'object' || value === null) return false;
  const given = value as Readonly<Record<string, unknown>>;
  const each = (names: readonly string[], type: string): boolean =>
    names.every((name) => typeof given[name] === type);
  return each(TEXTS, 'string') && each(TIMES, 'number') && each(MARKS, 'boolean');
}

/** The value of our cookie in a header (RFC 6265 §4.2.1); of several the first. */
export function cookieIn(header: string | undefined, secure: boolean): string | undefined {
  const start = `${cookieName(secure)}=`;
  const pair = header?.split(';').find((one) => one.trimStart().startsWith(start));
  return pair?.trim().slice(start.length);
}

/** Set-Cookie with a value for so long; without one it takes the cookie away. */
export function setCookie(
  secure: boolean,
  given?: { readonly value: string; readonly forMs: number },
): string {
  const age = given ? Math.max(0, Math.floor(given.forMs / 1_000)) : 0;
  const attributes = `Path=/; HttpOnly; SameSite=Strict; Max-Age=${age}`;
  const text = `${cookieName(secure)}=${given?.value ?? ''}; ${attributes}`;
  return secure ? `${text}; Secure` : text;
}
