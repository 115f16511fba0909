import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { Random } from '../base/random.ts';
import { base32, fromBase32 } from './base32.ts';

/**
 * Codes of a second factor by time (RFC 6238) with the values that every program knows: SHA-1, six
 * digits, steps of 30 s. One step to either side is accepted, for clocks that differ (RFC 6238
 * §5.2). That a code is used once is not decided here: `SignInBook.firstUse`.
 */
const STEP_MS = 30_000;
const DIGITS = 6;
const STEPS_ASIDE = 1;
/** As long as the HMAC's own output (RFC 4226 §4, R6). */
const SECRET_BYTES = 20;
/** 80 bits: a hash of it may be read. */
const RECOVERY_BYTES = 10;
const GROUP = 4;

/** A new secret in base32. */
export const newTotpSecret = (random: Random): string => base32(random.bytes(SECRET_BYTES));

/** The code of a step (RFC 4226 §5.3); undefined for what is no secret. */
export function totpCode(secret: string, step: number): string | undefined {
  const key = fromBase32(secret);
  if (key === undefined || key.length === 0) return undefined;
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', key).update(counter).digest();
  const at = (mac.at(-1) ?? 0) & 15;
  const number = mac.readUInt32BE(at) & 0x7fff_ffff;
  return String(number % 10 ** DIGITS).padStart(DIGITS, '0');
}

export const stepAt = (ms: number): number => Math.floor(ms / STEP_MS);

/** The step that a code is of, at this time; undefined: of none. Takes the same time for all. */
export function totpStep(secret: string, code: string, ms: number): number | undefined {
  const given = Buffer.from(code.padEnd(DIGITS).slice(0, DIGITS));
  const fits = new RegExp(`^\\d{${DIGITS}}$`).test(code);
  let found: number | undefined;
  for (let aside = -STEPS_ASIDE; aside <= STEPS_ASIDE; aside += 1) {
    const step = stepAt(ms) + aside;
    const wanted = totpCode(secret, step);
    const same = wanted !== undefined && given.length === DIGITS;
    if (same && timingSafeEqual(Buffer.from(wanted), given) && fits) found = step;
  }
  return found;
}

/** What a program takes from a picture (the key URI format of Google Authenticator). */
export function otpauthUri(secret: string, names: { issuer: string; login: string }): string {
  const { issuer, login } = names;
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(login)}`;
  const query = `secret=${secret}&issuer=${encodeURIComponent(issuer)}`;
  return `otpauth://totp/${label}?${query}&algorithm=SHA1&digits=${DIGITS}&period=30`;
}

/** A code that works once, for who has lost the telephone: `abcd-efgh-ijkl-mnop`. */
export const newRecoveryCode = (random: Random): string =>
  grouped(base32(random.bytes(RECOVERY_BYTES)).toLowerCase());

/** Blocks of four, which people copy without losing their place. */
export const grouped = (text: string): string =>
  (text.match(new RegExp(`.{1,${GROUP}}`, 'g')) ?? []).join('-');

/** As people type what was shown in groups: in any case, with and without hyphens and spaces. */
export const plainCode = (text: string): string => text.replace(/[\s-]/g, '').toLowerCase();

/** What is stored of a recovery code, or of an app password. */
export const secretHash = (plain: string): string => hash('sha256', plain, 'base64url');
