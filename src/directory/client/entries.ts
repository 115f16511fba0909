import { isIP } from 'node:net';
import type { Entry } from 'ldapts';
import { domainKey } from '../address.ts';
import { fromTime } from '../time.ts';
import { plainDomain } from '../lookups.ts';
import { parseAppPassword } from '../factors.ts';
import { MAPS } from '../map.ts';
import type { AttributeMap, FactorsRow, QuotaRow, VacationRow } from '../map.ts';
import { parseTransport, selectorIsSafe, vacationOf } from '../transport.ts';
import { parseRuleTarget, RuleError } from '../rules.ts';
import {
  ACCOUNT_SERVICES,
  ALL_POLICIES,
  POSTING_POLICIES,
  VOLUME_STATES,
  VOLUME_USES,
} from '../types.ts';
import { DirectoryUnavailable } from '../types.ts';
import type {
  Account,
  AccountService,
  DomainEntry,
  ListEntry,
  NodeEntry,
  RuleEntry,
  Transport,
  VolumeEntry,
} from '../types.ts';

/** Values of an attribute as text; names compare without case. The hottest of the client. */
export function valuesOf(entry: Entry, name: string): readonly string[] {
  const found = Object.hasOwn(entry, name) ? entry[name] : entry[spellingIn(entry, name) ?? ''];
  const list = Array.isArray(found) ? found : found === undefined ? [] : [found];
  return list.map((value) => (typeof value === 'string' ? value : value.toString('utf8')));
}

/** How a server that does not spell the name as we do has spelled it. */
function spellingIn(entry: Entry, name: string): string | undefined {
  const lower = name.toLowerCase();
  for (const key of Object.keys(entry)) {
    if (key.length === lower.length && key.toLowerCase() === lower) return key;
  }
  return undefined;
}

const first = (entry: Entry, name: string): string | undefined => valuesOf(entry, name)[0];

/** An entry that cannot be used: its user gets a temporary failure, never "unknown". */
function damaged(entry: Entry, what: string): DirectoryUnavailable {
  return new DirectoryUnavailable(`The entry ${entry.dn} has ${what} (MF-DIR-004)`);
}

/** A number an entry must have or may leave out. @throws DirectoryUnavailable */
function wholeNumber(entry: Entry, name: string, absent?: number): number {
  const text = first(entry, name);
  if (text === undefined && absent !== undefined) return absent;
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw damaged(entry, `no usable ${name}`);
  return Number(text);
}

const ID = /^[A-Za-z0-9-]{1,64}$/;
const lower = (value: string): string => value.normalize('NFC').toLowerCase();

/** What is read of a node. */
export const NODE_ATTRIBUTES = [
  'cn',
  'nid',
  'server',
  'status',
  'mwListen',
  'mwAddress',
  'mwBeat',
  'mwVersion',
] as const;

/** What is read of a domain, and of a site with such a domain. */
export const DOMAIN_ATTRIBUTES = [
  'objectClass',
  'cn',
  'mwAliasOf',
  'mwCatchAll',
  'mwAll',
  'mwTransport',
  'mwEtrnFrom',
  'mwDkim',
] as const;

/** Whether an entry has one of these classes. */
export function hasClass(entry: Entry, classes: readonly string[]): boolean {
  const own = new Set(valuesOf(entry, 'objectClass').map((name) => name.toLowerCase()));
  return classes.some((name) => own.has(name.toLowerCase()));
}

/** @throws DirectoryUnavailable (MF-DIR-004) when the entry lacks what a mailbox hangs on */
export function toAccount(entry: Entry, map: AttributeMap = MAPS.mailfarm): Account {
  const id = first(entry, map.id) ?? '';
  if (!ID.test(id)) throw damaged(entry, `no usable ${map.id}`);
  const [login, ...more] = valuesOf(entry, map.login).map(lower);
  if (login === undefined || /[\p{Cc}\u{fffd}]/u.test(login)) {
    throw damaged(entry, `no usable ${map.login}`);
  }
  const aliases = map.aliases.flatMap((name) => valuesOf(entry, name).map(lower));
  const forwarding = forwardingOf(entry, map);
  return {
    id,
    dn: entry.dn,
    login,
    uid: wholeNumber(entry, map.uid.attribute, map.uid.absent),
    addresses: [...new Set([login, ...more, ...aliases])],
    suspended: suspendedOf(entry, map),
    quotaBytes: map.quota ? quotaOf(entry, map.quota) : 0,
    volume: map.volume === undefined ? undefined : first(entry, map.volume),
    path: pathOf(entry, map),
    ...forwarding,
    site: map.site === undefined ? undefined : first(entry, map.site)?.toLowerCase(),
    vacation: map.vacation && vacationIn(entry, map.vacation),
    ...(map.factors && factorsOf(entry, map.factors)),
  };
}

/** Left out where there are none, which is most: an account is kept for each of thousands. */
function factorsOf(
  entry: Entry,
  { appPasswords, totp }: FactorsRow,
): Pick<Account, 'appPasswords' | 'hasSecondFactor'> {
  const made = valuesOf(entry, appPasswords)
    .map(parseAppPassword)
    .filter((one) => one !== undefined);
  return {
    ...(made.length > 0 && { appPasswords: made }),
    ...(valuesOf(entry, totp).length > 0 && { hasSecondFactor: true }),
  };
}

const vacationIn = (entry: Entry, row: VacationRow): Account['vacation'] =>
  vacationOf({
    text: first(entry, row.text),
    subject: first(entry, row.subject),
    from: first(entry, row.from),
    until: first(entry, row.until),
  });

function forwardingOf(
  entry: Entry,
  map: AttributeMap,
): Pick<Account, 'forwards' | 'keepsForwarded'> {
  const forwards = map.forwards === undefined ? [] : valuesOf(entry, map.forwards);
  if (!map.delivery) return { forwards, keepsForwarded: false };
  const { attribute, values, keeps } = map.delivery;
  const said = valuesOf(entry, attribute).map((value) => own(values, lower(value)));
  if (said.includes('no-forward')) return { forwards: [], keepsForwarded: keeps };
  const keepsForwarded = said.includes('no-copy') ? false : keeps || said.includes('keep');
  return { forwards, keepsForwarded };
}

function suspendedOf(entry: Entry, map: AttributeMap): readonly AccountService[] {
  const gone = new Set(
    map.suspended.flatMap(({ attribute, values, otherwise }) =>
      valuesOf(entry, attribute).flatMap((value) => own(values, lower(value)) ?? otherwise),
    ),
  );
  return gone.size === 0 ? [] : ACCOUNT_SERVICES.filter((service) => gone.has(service));
}

/** A value comes from the directory: what every object has is no row. */
const own = <T>(rows: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(rows, key) ? rows[key] : undefined;

/** The Maildir by the first row that the entry has. @throws DirectoryUnavailable (MF-DIR-004) */
function pathOf(entry: Entry, map: AttributeMap): string | undefined {
  for (const { attribute, below, append } of map.paths) {
    const said = first(entry, attribute);
    if (said === undefined) continue;
    const whole = said.startsWith('/') || below === undefined ? said : `${below}/${said}`;
    // `/home/tevie/` and `/home//tevie` name the same directory as the plain form.
    const path = `${whole}${append ?? ''}`.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
    // Without a value of its own it would be what all others lie below.
    if (said.replace(/\/+/g, '') === '' || !isSafePath(path)) {
      throw damaged(entry, `no usable ${attribute}`);
    }
    return path;
  }
  return undefined;
}

function quotaOf(entry: Entry, { attribute, unit }: QuotaRow): number {
  if (unit === 'octets') return wholeNumber(entry, attribute, 0);
  if (unit === 'kibibytes') return wholeNumber(entry, attribute, 0) * 1_024;
  const text = first(entry, attribute) ?? '';
  const parts = text.split(',').map((part) => /^(\d{1,15})([SC]?)$/.exec(part.trim()));
  if (text !== '' && parts.includes(null)) throw damaged(entry, `no usable ${attribute}`);
  return Number(parts.find((part) => part?.[2] === 'S' || part?.[2] === '')?.[1] ?? 0);
}

/** Absolute, without control characters and octets that are no UTF-8, without a step up. */
const isSafePath = (path: string): boolean =>
  path.startsWith('/') &&
  path.length <= 1024 &&
  !/[\p{Cc}\u{fffd}]/u.test(path) &&
  !path.split('/').some((part) => part === '..' || part === '.');

/** @throws DirectoryUnavailable (MF-DIR-004) */
export function toVolume(entry: Entry): VolumeEntry {
  const name = first(entry, 'cn') ?? '';
  const path = first(entry, 'mwMountPath') ?? '';
  const identity = first(entry, 'mwIdentity') ?? '';
  if (!name || !identity || !isSafePath(path)) throw damaged(entry, 'no name, path or identity');
  const state = lower(first(entry, 'mwState') ?? 'active');
  const use = VOLUME_USES.find((known) => known === lower(first(entry, 'mwUse') ?? 'mail'));
  return {
    name,
    path,
    identity,
    weight: wholeNumber(entry, 'mwWeight', 1),
    // A state or a use that we do not know is not to be written to.
    state: use === undefined ? 'offline' : (VOLUME_STATES.find((s) => s === state) ?? 'offline'),
    use: use ?? 'spool',
  };
}

/** @throws DirectoryUnavailable (MF-DIR-004) */
export function toNode(entry: Entry): NodeEntry {
  return {
    name: first(entry, 'cn') ?? '',
    nid: wholeNumber(entry, 'nid'),
    server: first(entry, 'server') ?? '',
    status: first(entry, 'status') ?? '',
    listen: valuesOf(entry, 'mwListen'),
    addresses: valuesOf(entry, 'mwAddress').filter((address) => isIP(address) !== 0),
    beatAt: fromTime(first(entry, 'mwBeat')),
    version: first(entry, 'mwVersion'),
  };
}

/**
 * The domain that entries of mwDomain and mwSite with this name describe; an mwDomain's own
 * settings count also where it is a domain of a site.
 * @throws DirectoryUnavailable (MF-DIR-004)
 */
export function toDomain(name: string, entries: readonly Entry[]): DomainEntry | undefined {
  const site = entries.find((entry) => hasClass(entry, ['mwSite']));
  const entry = entries.find((one) => hasClass(one, ['mwDomain']));
  if (!site && !entry) return undefined;
  const ofSite = site && first(site, 'cn')?.toLowerCase();
  if (!entry) return { ...plainDomain(name), site: ofSite };
  const target = first(entry, 'mwAliasOf');
  const aliasOf = target === undefined ? undefined : domainKey(target);
  if (target !== undefined && aliasOf === undefined) throw damaged(entry, 'no usable mwAliasOf');
  const all = lower(first(entry, 'mwAll') ?? 'off');
  return {
    name,
    aliasOf,
    catchAll: first(entry, 'mwCatchAll'),
    // A policy that we do not know lets nobody write.
    all: ALL_POLICIES.find((known) => known === all) ?? 'off',
    site: ofSite,
    transport: transportOf(entry),
    etrnFrom: valuesOf(entry, 'mwEtrnFrom'),
    dkim: valuesOf(entry, 'mwDkim').map(lower).filter(selectorIsSafe).toSorted(),
  };
}

/** @throws DirectoryUnavailable (MF-DIR-004): mail of a customer is never taken for our own */
function transportOf(entry: Entry): Transport | undefined {
  const text = first(entry, 'mwTransport');
  const transport = text === undefined ? undefined : parseTransport(text);
  if (text !== undefined && !transport) throw damaged(entry, 'no usable mwTransport');
  return transport;
}

/** @throws DirectoryUnavailable (MF-DIR-004) */
export function toList(entry: Entry): ListEntry {
  const address = first(entry, 'cn');
  if (address === undefined) throw damaged(entry, 'no cn');
  const said = lower(first(entry, 'mwPosting') ?? 'anyone');
  const posting = POSTING_POLICIES.find((known) => known === said);
  if (!posting) throw damaged(entry, 'no usable mwPosting');
  return {
    address: lower(address),
    members: valuesOf(entry, 'mwMember'),
    filter: first(entry, 'mwMemberFilter'),
    posting,
    moderators: valuesOf(entry, 'mwModerator'),
    owner: first(entry, 'mwOwner'),
  };
}

/**
 * An entry that is an alias of a site's own directory, as a list that anybody may write to.
 * @param address the one of its addresses that was asked for
 */
export function aliasToList(
  entry: Entry,
  map: AttributeMap,
  address: string,
): ListEntry | undefined {
  const { aliasEntries } = map;
  if (!aliasEntries) return undefined;
  const domain = address.slice(address.lastIndexOf('@'));
  const members = valuesOf(entry, aliasEntries.target).map((member) =>
    member.includes('@') ? member : `${member}${domain}`,
  );
  return {
    address: lower(address),
    members,
    filter: undefined,
    posting: 'anyone',
    moderators: [],
    owner: undefined,
  };
}

/** @throws DirectoryUnavailable (MF-DIR-004): a rule that cannot be read must not be passed over */
export function toRule(entry: Entry): RuleEntry {
  const pattern = first(entry, 'mwPattern');
  if (pattern === undefined) throw damaged(entry, 'no mwPattern');
  try {
    return {
      name: first(entry, 'cn') ?? entry.dn,
      order: wholeNumber(entry, 'mwOrder'),
      pattern,
      target: parseRuleTarget(first(entry, 'mwTarget') ?? ''),
    };
  } catch (error) {
    if (error instanceof RuleError) throw damaged(entry, 'no usable mwTarget');
    throw error;
  }
}

/** mwSetting values as a map; of a name given twice the last counts. */
export function toSettings(entry: Entry): ReadonlyMap<string, string> {
  const pairs = valuesOf(entry, 'mwSetting').map((text) => {
    const at = text.indexOf('=');
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  return new Map(pairs.filter(([name]) => name !== ''));
}
