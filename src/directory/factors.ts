/**
 * Values of mwAppPassword, mwTotp and mwRecoveryCode. What a user may write has bounds, for front
 * ends read it with every look-up: the embedded server checks them, slapd gets them as constraints.
 *
 *     mwAppPassword   ID HASH SERVICE[,SERVICE…] generalizedTime LABEL
 */
import { fromTime, toTime } from './time.ts';
import { ACCOUNT_SERVICES, type AppPassword } from './types.ts';

/** App passwords of one user. */
export const APP_PASSWORDS_MAX = 40;
/** Octets of a label: what a person calls a program. */
export const APP_LABEL_BYTES_MAX = 160;
/** Codes that replace a lost telephone. */
export const RECOVERY_CODES_MAX = 16;

/** As slapd takes it (POSIX) and as we do; a label says nothing that would break a line. */
export const APP_PASSWORD_BYTES_MAX = 320;
const APP_PASSWORD =
  /^([A-Za-z0-9]{1,32}) ([A-Za-z0-9_-]{43}) ([a-z0-9]+(?:,[a-z0-9]+)*) (\d{14}[.\d]{0,10}Z) (.+)$/u;
/** Base32 (RFC 4648 §6) of 128 to 512 bits. */
const TOTP = /^[A-Z2-7]{26,104}$/;
const RECOVERY = /^[A-Za-z0-9_-]{43}$/;

/** Undefined: nothing that was made by us, and it opens nothing. */
export function parseAppPassword(text: string): AppPassword | undefined {
  const [, id, hash, services, time, label] = APP_PASSWORD.exec(text) ?? [];
  if (id === undefined || hash === undefined || label === undefined) return undefined;
  if (Buffer.byteLength(text) > APP_PASSWORD_BYTES_MAX || /\p{Cc}/u.test(label)) return undefined;
  const named = services?.split(',') ?? [];
  return {
    id,
    hash,
    services: ACCOUNT_SERVICES.filter((service) => named.includes(service)),
    createdAt: fromTime(time),
    label,
  };
}

export const printAppPassword = (made: AppPassword & { readonly createdAt: number }): string =>
  [made.id, made.hash, made.services.join(','), toTime(made.createdAt), made.label].join(' ');

export const totpIsUsable = (secret: string): boolean => TOTP.test(secret);

export const recoveryCodeIsUsable = (hash: string): boolean => RECOVERY.test(hash);
