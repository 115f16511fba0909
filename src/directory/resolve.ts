import { addressKey, keyText } from './address.ts';
import type { AddressKey } from './address.ts';
import { EXPANSION_DEPTH_MAX, Expansion, forwardsOf } from './resolve-expand.ts';
import { hasDomain, meaningOf, notAnAddress, standIn, type Meaning } from './resolve-meaning.ts';
import { eachDomainOnce, type Lookups } from './lookups.ts';
import type { AddressOwner, ResolveContext, Resolution } from './types.ts';

/** How far one address may expand; beyond it is deferred (MF-DIR-020). */
export interface ExpansionLimits {
  /** Final mailboxes, remote addresses and hosts: option directory.expansion.max. */
  readonly destinations: number;
  /** Lists, forwards and the like one behind the other. */
  readonly depth: number;
}

/** An address that a list, a user's forward or a catch-all names, and that gets nothing. */
export interface LeftOut {
  /** Where it is named: the address of the list or the login of the user. */
  readonly by: string;
  readonly address: string;
  /** too-many: more forwards than a user may have, so that none was followed. */
  readonly why: 'unknown' | 'malformed' | 'refused' | 'too-many';
  readonly code?: 'MF-DIR-023';
}

export interface ResolveOptions {
  readonly context?: ResolveContext | undefined;
  readonly limits?: Partial<ExpansionLimits>;
  /** For the log; counted already. */
  readonly onLeftOut?: (what: LeftOut) => void;
}

/** The default of the option directory.expansion.max. */
export const EXPANSION_MAX = 1_000;

/**
 * What an address means (the order of steps is in resolve-meaning.ts) and where a letter to it
 * ends (resolve-expand.ts). For a user without a forward, nearly every time, that is two
 * look-ups: the domain, then who holds the address. An unknown domain costs the first only.
 * @throws DirectoryUnavailable when a look-up does, an expansion is too large, a rule is bad
 */
export async function resolveAddress(
  address: string,
  ask: Lookups,
  options: ResolveOptions = {},
): Promise<Resolution> {
  const key = addressKey(address);
  if (!key) return await notAnAddress(address, ask);
  const meaning = await (hasDomain(key) ? meaningOf(key, ask) : meaningOfName(key, ask));
  switch (meaning.kind) {
    case 'user':
      if (forwardsOf(meaning.account).length === 0) {
        return { kind: 'account', account: meaning.account };
      }
      break;
    case 'elsewhere':
      return { kind: 'unknown-domain' };
    case 'nobody':
      return { kind: 'unknown-user' };
    case 'list':
    case 'all':
    case 'transport':
    case 'host':
    case 'catch-all':
      break;
  }
  const limits = { destinations: EXPANSION_MAX, depth: EXPANSION_DEPTH_MAX, ...options.limits };
  const { context, onLeftOut } = options;
  const { sender, unproven, onStop } = context ?? {};
  const parts = { limits, sender, unproven, onLeftOut, onStop };
  const expansion = new Expansion(eachDomainOnce(ask), parts);
  return await expansion.resolve({ text: keyText(key), written: address, meaning });
}

/** Whose address it is; nothing is expanded. @throws DirectoryUnavailable when a look-up does */
export async function ownerOf(address: string, ask: Lookups): Promise<AddressOwner | undefined> {
  const key = addressKey(address);
  if (!key || !hasDomain(key)) return undefined;
  const meaning = await meaningOf(key, ask);
  return meaning.kind === 'user' || meaning.kind === 'list' ? meaning : undefined;
}

async function meaningOfName({ local }: AddressKey, ask: Lookups): Promise<Meaning> {
  return local === 'postmaster' ? await standIn(ask) : { kind: 'elsewhere' };
}
