import { addressRanges } from '../net/address.ts';
import { addressKey, domainKey, keyText } from './address.ts';
import type { DomainEntry } from './types.ts';

/** What an ETRN names (RFC 1985 §5.2): a domain, or with `@` also all below it. */
export interface EtrnName {
  readonly domain: string;
  readonly below: boolean;
}

/** Domains that one ETRN may name: nobody has more behind one line. */
export const ETRN_DOMAINS_MAX = 1_000;

/** Reads the argument of ETRN; undefined for what names no domain. */
export function parseEtrn(argument: string): EtrnName | undefined {
  const below = argument.startsWith('@');
  const domain = domainKey(below ? argument.slice(1) : argument);
  return domain === undefined ? undefined : { domain, below };
}

/** Whether a domain (A-labels) is one that an ETRN names: whole labels only. */
export const etrnNames = ({ domain, below }: EtrnName, name: string): boolean =>
  name === domain || (below && name.endsWith(`.${domain}`));

/**
 * Whether somebody may ask for the mail of a domain: by address, or by the login of a user who
 * has proven to be one. A value that cannot be read lets nobody in.
 */
export function mayEtrn(
  { etrnFrom }: Pick<DomainEntry, 'etrnFrom'>,
  who: { readonly address?: string | undefined; readonly login?: string | undefined },
): boolean {
  const key = who.login === undefined ? undefined : addressKey(who.login);
  const login = key && keyText(key);
  return etrnFrom.some((value) => {
    if (!value.includes('@')) return who.address !== undefined && inRange(value, who.address);
    const allowed = addressKey(value);
    return login !== undefined && allowed !== undefined && keyText(allowed) === login;
  });
}

/** An address, a network, or a login: what `mayEtrn` can read. */
export function etrnSourceIsSafe(value: string): boolean {
  if (value.includes('@')) return addressKey(value)?.domain !== undefined;
  try {
    addressRanges([value]);
    return RANGE.test(value);
  } catch {
    return false;
  }
}
/** What `addressRanges` takes leniently, such as `192.0.2.0/`, is not meant. */
const RANGE = /^[0-9A-Fa-f:.]+(?:\/\d{1,3})?$/;

function inRange(range: string, address: string): boolean {
  try {
    return addressRanges([range]).has(address);
  } catch {
    return false; // No address and no network, or a prefix that is too long.
  }
}
