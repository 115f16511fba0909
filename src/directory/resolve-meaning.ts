/**
 * What one address means, one step on. An entry of its own always wins; in order:
 *
 * 1. The domain is ours, or the address is none of our business. Mail of a customer's domain that
 *    we hold as backup MX is passed on: nothing below is asked, it has no users here.
 * 2. A user or a list of this very address; the same without its detail (`user+detail`).
 * 3. In a domain of a site: the user of that site who has the same local part in the domain above
 *    it as login, the official address (S3-13). Aliases and lists are the main domain's (S3-14).
 * 4. In an alias domain: from 2 on in the domain it stands for; a loop ends where it began.
 * 5. `all`, where the policy of the domain lets it exist; of a site's domain that of the one above.
 * 6. `postmaster`: the farm's stand-in (RFC 5321 §4.5.1 wants it accepted).
 * 7. The first host rule that matches. A bad one defers, it never falls through (S1-03).
 * 8. The catch-all of the domain.
 *
 * Steps 5 to 8 are asked of the last domain of a chain of aliases; a catch-all, of the first that
 * has one.
 */
import { addressKey, domainKey, keyText, withoutDetail, type AddressKey } from './address.ts';
import type { Lookups, Selection } from './lookups.ts';
import { firstMatch } from './rules.ts';
import { DirectoryUnavailable } from './types.ts';
import type { Account, DomainEntry, ListEntry, Resolution, Transport } from './types.ts';

export type Meaning =
  | { readonly kind: 'user'; readonly account: Account }
  | { readonly kind: 'list'; readonly list: ListEntry }
  | {
      readonly kind: 'all';
      readonly policy: 'members' | 'anyone';
      readonly selection: Selection;
      readonly address: string;
    }
  | {
      readonly kind: 'host';
      readonly host: string;
      readonly port: number;
      readonly address: string;
    }
  /** In a customer's domain, which we hold as backup MX: its mail is passed on. */
  | { readonly kind: 'transport'; readonly domain: string; readonly transport: Transport }
  | { readonly kind: 'catch-all'; readonly domain: string; readonly address: string }
  /** In a domain of ours, and nobody's. */
  | { readonly kind: 'nobody' }
  /** Not in a domain of ours. */
  | { readonly kind: 'elsewhere' };

export type DomainKey = AddressKey & { readonly domain: string };
export const hasDomain = (key: AddressKey): key is DomainKey => key.domain !== undefined;

/** A domain at which the address is looked for, and the nearest one above if it is a site's. */
interface Place {
  readonly entry: DomainEntry;
  readonly main: DomainEntry | undefined;
}

/** Labels of a site's domain that are looked up; names with more are not what sites have. */
const LABELS_ABOVE_MAX = 8;
/** Alias domains of alias domains. */
const ALIAS_CHAIN_MAX = 16;

/** @throws DirectoryUnavailable */
export async function meaningOf(key: DomainKey, ask: Lookups): Promise<Meaning> {
  const domain = await ask.domain(key.domain);
  if (!domain) return { kind: 'elsewhere' };
  if (domain.transport) return passedOn(domain, domain.transport);
  // What nearly every address is; the same question would be the first of entryAt.
  const account = await ask.holder(key);
  if (account) return { kind: 'user', account };
  const plain = withoutDetail(key);
  const places: Place[] = [];
  for (let entry = domain; ;) {
    const place = await placeOf(entry, ask);
    const found = await entryAt(key, { ...place, unheld: places.length === 0 }, ask);
    if (found) return found;
    places.push(place);
    const next = entry.aliasOf && (domainKey(entry.aliasOf) ?? entry.aliasOf);
    if (next === undefined || places.some((one) => one.entry.name === next)) break;
    entry = await aliasTarget(entry, next, ask);
    if (entry.transport) return passedOn(entry, entry.transport);
    if (places.length >= ALIAS_CHAIN_MAX) throw badDomain(domain, 'stands for too many others');
  }
  const last = places.at(-1) as Place;
  const local = (plain ?? key).local;
  return (
    (local === 'all' ? allOf(last) : undefined) ??
    (local === 'postmaster' ? await standIn(ask) : undefined) ??
    (await hostRule({ local: key.local, domain: last.entry.name }, ask)) ??
    catchAllOf(places) ?? { kind: 'nobody' }
  );
}

const passedOn = ({ name: domain }: DomainEntry, transport: Transport): Meaning => ({
  kind: 'transport',
  domain,
  transport,
});

/** Steps 2 and 3 in one domain. `unheld`: no user has the address as it is, as asked before. */
async function entryAt(
  { local }: AddressKey,
  { entry, main, unheld }: Place & { readonly unheld: boolean },
  ask: Lookups,
): Promise<Meaning | undefined> {
  const key = { local, domain: entry.name };
  for (const one of [key, withoutDetail(key)]) {
    if (!one) continue;
    const account =
      (unheld && one === key ? undefined : await ask.holder(one)) ??
      (await officialUser(one, { entry, main }, ask));
    if (account) return { kind: 'user', account };
    const list = await ask.list(one);
    if (list) return { kind: 'list', list };
  }
  return undefined;
}

/** The user of the site whose login has this local part in the domain above. */
async function officialUser(
  { local }: AddressKey,
  { entry, main }: Place,
  ask: Lookups,
): Promise<Account | undefined> {
  if (entry.site === undefined || !main) return undefined;
  const official = { local, domain: main.name };
  const account = await ask.holder(official);
  const login = account && addressKey(account.login);
  const same = login !== undefined && keyText(login) === keyText(official);
  return same && account?.site === entry.site ? account : undefined;
}

async function placeOf(entry: DomainEntry, ask: Lookups): Promise<Place> {
  if (entry.site === undefined) return { entry, main: undefined };
  const labels = entry.name.split('.');
  for (let n = 1; n < Math.min(labels.length, LABELS_ABOVE_MAX); n++) {
    const above = await ask.domain(labels.slice(n).join('.'));
    if (above && above.site === undefined) return { entry, main: above };
  }
  return { entry, main: undefined };
}

async function aliasTarget(
  { name }: DomainEntry,
  target: string,
  ask: Lookups,
): Promise<DomainEntry> {
  const entry = await ask.domain(target);
  if (entry) return entry;
  throw badDomain({ name }, `stands for ${target}, which has no entry`);
}

/** A domain that is set up wrongly: our own trouble, so never an "unknown user". */
export const badDomain = ({ name }: { readonly name: string }, what: string): Error =>
  new DirectoryUnavailable(`The domain ${name} ${what} (MF-DIR-022)`);

function allOf({ entry, main }: Place): Meaning | undefined {
  const policy = (main ?? entry).all;
  if (policy === 'off') return undefined;
  const address = `all@${entry.name}`;
  const selection: Selection =
    entry.site !== undefined && main
      ? { kind: 'site', site: entry.site, domain: main.name }
      : { kind: 'domain', domain: entry.name };
  return { kind: 'all', policy, selection, address };
}

/** Who takes the mail for postmaster where nobody has it. @throws DirectoryUnavailable */
export async function standIn(ask: Lookups): Promise<Meaning> {
  const account = await ask.postmaster();
  // The name was chosen by us: that it gets nothing is our trouble, not an error of the sender.
  if (account && !account.suspended.includes('mail')) return { kind: 'user', account };
  throw new DirectoryUnavailable('No account takes the mail for postmaster (MF-DIR-005)');
}

async function hostRule(key: DomainKey, ask: Lookups): Promise<Meaning | undefined> {
  const address = keyText(key);
  const target = firstMatch(await ask.rules(), 'host', address);
  return target && { ...target, address };
}

function catchAllOf(places: readonly Place[]): Meaning | undefined {
  const entry = places.map((place) => place.entry).find(({ catchAll }) => catchAll !== undefined);
  if (entry?.catchAll === undefined) return undefined;
  return { kind: 'catch-all', domain: entry.name, address: entry.catchAll };
}

/** A local part that cannot exist, at a domain of ours or not. */
export async function notAnAddress(address: string, ask: Lookups): Promise<Resolution> {
  const domain = addressKey(`x${address.slice(address.lastIndexOf('@'))}`)?.domain;
  const ours = domain !== undefined && (await ask.domain(domain)) !== undefined;
  return { kind: ours ? 'unknown-user' : 'unknown-domain' };
}
