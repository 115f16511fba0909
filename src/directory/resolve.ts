import { addressKey, withoutDetail } from './address.ts';
import type { Lookups } from './lookups.ts';
import { DirectoryUnavailable, type Resolution, type ResolveContext } from './types.ts';

/** How far one address may expand; beyond it is deferred (MF-DIR-020). */
export interface ExpansionLimits {
  /** Final mailboxes, remote addresses and hosts: option directory.expansion.max. */
  readonly destinations: number;
  /** Lists, forwards and the like one behind the other. */
  readonly depth: number;
}

/** An address that a list, forward or catch-all names and that gets nothing. */
export interface LeftOut {
  /** Where it is named: address of the list, login of the user. */
  readonly by: string;
  readonly address: string;
  readonly why: 'unknown' | 'malformed' | 'refused';
}

export interface ResolveOptions {
  readonly context?: ResolveContext | undefined;
  readonly limits?: ExpansionLimits;
  /** For the log; counted already. */
  readonly onLeftOut?: (what: LeftOut) => void;
}

/**
 * Who receives mail for an address. In order: the full address, the address without its detail,
 * and for postmaster the farm's stand-in (RFC 5321 §4.5.1: postmaster always resolves).
 */
export async function resolveAddress(
  address: string,
  ask: Lookups,
  _options: ResolveOptions = {},
): Promise<Resolution> {
  const key = addressKey(address);
  if (!key) return notAnAddress(address, ask);
  if (key.domain === undefined) {
    return key.local === 'postmaster' ? standIn(ask) : { kind: 'unknown-domain' };
  }
  const plain = withoutDetail(key);
  const account = (await ask.holder(key)) ?? (plain && (await ask.holder(plain)));
  if (account && (await ask.domain(key.domain))) return { kind: 'account', account };
  if (!(await ask.domain(key.domain))) return { kind: 'unknown-domain' };
  return (plain ?? key).local === 'postmaster' ? standIn(ask) : { kind: 'unknown-user' };
}

/** A local part that cannot exist, at a domain of ours or not. */
async function notAnAddress(address: string, ask: Lookups): Promise<Resolution> {
  const domain = addressKey(`x${address.slice(address.lastIndexOf('@'))}`)?.domain;
  const ours = domain !== undefined && (await ask.domain(domain)) !== undefined;
  return { kind: ours ? 'unknown-user' : 'unknown-domain' };
}

async function standIn(ask: Lookups): Promise<Resolution> {
  const account = await ask.postmaster();
  if (account) return { kind: 'account', account };
  throw new DirectoryUnavailable('No account takes the mail for postmaster (MF-DIR-005)');
}
