import { addressKey, withoutDetail, type AddressKey } from './address.ts';
import { DirectoryUnavailable, type Account, type Resolution } from './types.ts';

/** What resolution asks; each answer is a fact or a DirectoryUnavailable, never a guess. */
export interface Lookups {
  /** The user whose cn or mailAlias this is. */
  holder(key: AddressKey): Promise<Account | undefined>;
  isLocal(domain: string): Promise<boolean>;
  /** Who stands in where nobody holds postmaster: the setting's, else the first administrator. */
  postmaster(): Promise<Account | undefined>;
}

/**
 * Who receives mail for an address. In order: the full address, the address without its detail,
 * and for postmaster the farm's stand-in (RFC 5321 §4.5.1: postmaster always resolves).
 */
export async function resolveAddress(address: string, ask: Lookups): Promise<Resolution> {
  const key = addressKey(address);
  if (!key) return notAnAddress(address, ask);
  if (key.domain === undefined) {
    return key.local === 'postmaster' ? standIn(ask) : { kind: 'unknown-domain' };
  }
  const plain = withoutDetail(key);
  const account = (await ask.holder(key)) ?? (plain && (await ask.holder(plain)));
  if (account && (await ask.isLocal(key.domain))) return { kind: 'account', account };
  if (!(await ask.isLocal(key.domain))) return { kind: 'unknown-domain' };
  return (plain ?? key).local === 'postmaster' ? standIn(ask) : { kind: 'unknown-user' };
}

/** A local part that cannot exist, at a domain of ours or not. */
async function notAnAddress(address: string, ask: Lookups): Promise<Resolution> {
  const domain = addressKey(`x${address.slice(address.lastIndexOf('@'))}`)?.domain;
  const ours = domain !== undefined && (await ask.isLocal(domain));
  return { kind: ours ? 'unknown-user' : 'unknown-domain' };
}

async function standIn(ask: Lookups): Promise<Resolution> {
  const account = await ask.postmaster();
  if (account) return { kind: 'account', account };
  throw new DirectoryUnavailable('No account takes the mail for postmaster (MF-DIR-005)');
}
