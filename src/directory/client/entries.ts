import type { Entry } from 'ldapts';
import { ACCOUNT_SERVICES, VOLUME_STATES, DirectoryUnavailable } from '../types.ts';
import type { Account, AccountService, NodeEntry, VolumeEntry } from '../types.ts';

/** Values of an attribute as text; names compare without case. */
export function valuesOf(entry: Entry, name: string): readonly string[] {
  const lower = name.toLowerCase();
  const found = Object.entries(entry).find(([key]) => key.toLowerCase() === lower)?.[1];
  const list = Array.isArray(found) ? found : found === undefined ? [] : [found];
  return list.map((value) => (typeof value === 'string' ? value : value.toString('utf8')));
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

/** @throws DirectoryUnavailable (MF-DIR-004) when the entry lacks what a mailbox hangs on */
export function toAccount(entry: Entry): Account {
  const id = first(entry, 'entryUUID') ?? '';
  if (!ID.test(id)) throw damaged(entry, 'no usable entryUUID');
  const login = first(entry, 'cn');
  if (login === undefined) throw damaged(entry, 'no cn');
  const aliases = valuesOf(entry, 'mailAlias').map(lower);
  const path = first(entry, 'mwPath');
  if (path !== undefined && !isSafePath(path)) throw damaged(entry, 'no usable mwPath');
  const services = valuesOf(entry, 'mwSuspended').map(lower);
  return {
    id,
    dn: entry.dn,
    login: lower(login),
    uid: wholeNumber(entry, 'uid'),
    addresses: [...new Set([lower(login), ...aliases])],
    suspended: ACCOUNT_SERVICES.filter((service) =>
      services.includes(service),
    ) satisfies readonly AccountService[],
    quotaBytes: wholeNumber(entry, 'mwQuota', 0),
    volume: first(entry, 'mwVolume'),
    path,
    forwards: valuesOf(entry, 'mailForward'),
    keepsForwarded: first(entry, 'mwForwardKeep')?.toLowerCase() === 'true',
    site: first(entry, 'mwSite')?.toLowerCase(),
  };
}

/** Absolute, without control characters, without a step up. */
const isSafePath = (path: string): boolean =>
  path.startsWith('/') &&
  path.length <= 1024 &&
  !/\p{Cc}/u.test(path) &&
  !path.split('/').some((part) => part === '..' || part === '.');

/** @throws DirectoryUnavailable (MF-DIR-004) */
export function toVolume(entry: Entry): VolumeEntry {
  const name = first(entry, 'cn') ?? '';
  const path = first(entry, 'mwMountPath') ?? '';
  const identity = first(entry, 'mwIdentity') ?? '';
  if (!name || !identity || !isSafePath(path)) throw damaged(entry, 'no name, path or identity');
  const state = lower(first(entry, 'mwState') ?? 'active');
  return {
    name,
    path,
    identity,
    weight: wholeNumber(entry, 'mwWeight', 1),
    // A state we do not know is not to be written to.
    state: VOLUME_STATES.find((known) => known === state) ?? 'offline',
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
    beatAt: undefined,
    version: first(entry, 'mwVersion'),
  };
}

/** mwSetting values as a map; of a name given twice the last counts. */
export function toSettings(entry: Entry): ReadonlyMap<string, string> {
  const pairs = valuesOf(entry, 'mwSetting').map((text) => {
    const at = text.indexOf('=');
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  return new Map(pairs.filter(([name]) => name !== ''));
}
