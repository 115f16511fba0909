/**
 * Where letters of a route can be given, best first: an address at a time, looked up as they are
 * needed, since the first mostly takes them.
 *
 * Never to ourselves (N-12): where one of the hosts of a preference is this farm, those of it and
 * all behind it are left out (RFC 5321 §5.1). If nothing is in front of them, we are the MX of a
 * domain that is not ours, and the letter fails (5.4.6) instead of hopping. A host that an
 * administrator chose is never left out; there Received lines end a loop.
 */
import { isIP } from 'node:net';
import { canonicalAddress } from '../../net/address.ts';
import type { DnsAnswer, MxRecord, Resolver } from '../../dns/types.ts';
import type { Route, Trouble } from '../outbound.ts';
import { isPermitted } from './addresses.ts';
import { daneOf, type Dane } from './dane.ts';
import { allowsHost, type MtaSts, type StsPolicy } from './mta-sts.ts';
import { chance } from './schedule.ts';
import type { NextHop, SenderParts, Smarthost } from './types.ts';

/** How the way to a host has to be. */
export type Security =
  | { readonly kind: 'never' | 'may' | 'must' }
  /** By the authorities that Node knows. */
  | { readonly kind: 'verify'; readonly why: 'mta-sts' | 'smarthost' }
  | (Extract<Dane, { kind: 'verify' }> & { readonly why: 'dane' });

/** One address to connect to. */
export interface Target {
  /** Name, as certificates have it; the address where it has none. */
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: 'smtp' | 'lmtp';
  readonly security: Security;
  /** Chosen by an administrator: may be of this farm. */
  readonly chosen: boolean;
  readonly login: string;
  /** What to say of a letter where it turns out to be this farm, and a better host is not. */
  readonly better?: Verdict | undefined;
}

/** What to say of a letter when no target is left. */
export interface Verdict extends Omit<Trouble, 'address'> {
  readonly kind: 'fail' | 'later';
  /** What an operator is told, such as MF-REL-001: it would have come back to this farm. */
  readonly code?: string;
  /** Its addresses have as many connections of ours as they may: nothing was tried. */
  readonly busy?: boolean;
}

export interface HostsParts extends Pick<
  SenderParts,
  'resolver' | 'random' | 'options' | 'isOwn' | 'farmHops' | 'smarthost' | 'source'
> {
  readonly mtaSts: MtaSts | undefined;
  readonly smtpPort: number;
}

export type Targets = AsyncGenerator<Target, Verdict, void>;

const OWN = 'MF-REL-001';

/** Hosts of one domain that are tried for one letter. */
const HOSTS_MAX = 10;
/** Addresses of each. */
const ADDRESSES_MAX = 4;

/** Targets of a route; what it returns says why there are no more. */
export async function* targetsOf(route: Route, parts: HostsParts): Targets {
  if (route.kind === 'farm') {
    const hops = await parts.farmHops();
    return yield* ofHops(shuffled(hops, parts), { ...CHOSEN, protocol: 'smtp' }, parts);
  }
  if (route.kind === 'host') {
    const { host, port, protocol } = route;
    const base = { ...CHOSEN, protocol, chosen: false, security: plainSecurity(parts) };
    return yield* ofHops([{ host, port }], base, parts);
  }
  const smarthost = await parts.smarthost?.(route.domain);
  if (smarthost) return yield* ofSmarthost(smarthost, parts);
  const literal = /^\[(?:IPv6:)?(.+)\]$/i.exec(route.domain)?.[1];
  if (literal !== undefined) return yield* ofLiteral(literal, parts);
  return yield* ofDomain(route.domain, parts);
}

const MAY: Security = { kind: 'may' };
const CHOSEN = { security: MAY, chosen: true, login: '', protocol: 'smtp' } as const;
type Base = Pick<Target, 'security' | 'chosen' | 'login' | 'protocol'>;

const later = (status: string, text: string): Verdict => ({ kind: 'later', status, text });
const fail = (status: string, text: string): Verdict => ({ kind: 'fail', status, text });

async function* ofSmarthost(hop: Smarthost, parts: HostsParts): Targets {
  const kinds = {
    may: MAY,
    require: { kind: 'must' },
    verify: { kind: 'verify', why: 'smarthost' },
  };
  const security = kinds[hop.tls] as Security;
  return yield* ofHops([hop], { ...CHOSEN, security, login: hop.login }, parts);
}

/** Hosts that were named: whatever is wrong with them is ours to mend, so letters wait. */
async function* ofHops(hops: readonly NextHop[], base: Base, parts: HostsParts): Targets {
  let own = 0;
  for (const { host, port } of hops.slice(0, HOSTS_MAX)) {
    const found = await addressesOf(host.replace(/^\[(?:IPv6:)?(.+)\]$/i, '$1'), parts);
    for (const address of found.addresses.slice(0, ADDRESSES_MAX)) {
      if (!base.chosen && [host, address].some((one) => parts.isOwn(one, port))) own += 1;
      else yield { ...base, host, address, port };
    }
  }
  const names = hops.map(({ host }) => host).join(', ');
  if (own > 0) return { ...fail('5.4.6', `${names} is this farm itself`), code: OWN };
  return later('4.4.1', names === '' ? 'no host to send to is known now' : `${names}: no address`);
}

async function* ofLiteral(text: string, parts: HostsParts): Targets {
  const address = canonicalAddress(text);
  const port = parts.smtpPort;
  if (isIP(address) === 0) return fail('5.1.2', `[${text}] is no address`);
  if (parts.isOwn(address, port)) {
    return { ...fail('5.4.6', `[${text}] is this farm itself`), code: OWN };
  }
  if (!isAllowed(address, parts)) return fail('5.4.4', `nothing is sent to [${text}]`);
  if (!familyOf(address, parts)) return later('4.4.1', `this node does not send to [${text}]`);
  const security = plainSecurity(parts);
  yield { ...CHOSEN, chosen: false, host: `[${text}]`, address, port, security };
  return later('4.4.1', `[${text}] cannot be reached`);
}

const isAllowed = (address: string, { options }: HostsParts): boolean =>
  isPermitted(address, options['relay.destinations.private'] === 'allow' ? 'allow' : 'refuse');

const plainSecurity = ({ options }: HostsParts): Security => ({ kind: options['relay.tls'] });

interface Way {
  readonly domain: string;
  readonly sts: StsPolicy | undefined;
  /** The MX records are signed. */
  readonly secure: boolean;
}

async function* ofDomain(domain: string, parts: HostsParts): Targets {
  const [{ answer, secure }, sts] = await Promise.all([
    mailHosts(domain, parts),
    parts.mtaSts?.policy(domain),
  ]);
  const records = recordsOf(domain, answer);
  if ('kind' in records) return records;
  const notes = new Notes(domain);
  for (const group of byPreference(records, parts)) {
    const hosts = await Promise.all(
      group.map(async (host) => ({ host, ...(await addressesOf(host, parts)) })),
    );
    const own = hosts.find(({ host, all }) =>
      [host, ...all].some((each) => parts.isOwn(each, parts.smtpPort)),
    );
    if (own) return notes.atOurselves(own.host);
    const better = notes.better();
    for (const found of hosts) {
      notes.see(found);
      const security = await securityOf(found.host, { domain, sts, secure }, parts);
      if ('status' in security) {
        notes.blocked = security;
        continue;
      }
      const allowed = found.addresses.filter((address) => isAllowed(address, parts));
      notes.usable ||= found.all.some((address) => isAllowed(address, parts));
      for (const address of allowed.slice(0, ADDRESSES_MAX)) {
        notes.given += 1;
        yield {
          ...CHOSEN,
          chosen: false,
          host: found.host,
          address,
          port: parts.smtpPort,
          security,
          better,
        };
      }
    }
  }
  return notes.verdict();
}

/** With DANE the MX records themselves must be signed (RFC 7672 §2.2.1). */
async function mailHosts(
  domain: string,
  { resolver, options }: HostsParts,
): Promise<{ readonly answer: DnsAnswer<MxRecord>; readonly secure: boolean }> {
  if (options['relay.dane'] === 'on') return resolver.secureMx(domain);
  return { answer: await resolver.mx(domain), secure: false };
}

/** RFC 5321 §5.1: no MX record at all means the domain itself; RFC 7505: `.` means no mail. */
function recordsOf(domain: string, answer: DnsAnswer<MxRecord>): readonly MxRecord[] | Verdict {
  switch (answer.kind) {
    case 'trouble':
      return later('4.4.3', answer.text);
    case 'no-name':
      return fail('5.1.2', `the domain ${domain} does not exist`);
    case 'none':
      return [{ preference: 0, host: domain }];
    case 'records': {
      const records = answer.records.filter(({ host }) => host !== '');
      return records.length > 0 ? records : fail('5.1.10', `the domain ${domain} takes no mail`);
    }
  }
}

/** Host names by preference, those of one in no order. */
function byPreference(records: readonly MxRecord[], parts: HostsParts): readonly string[][] {
  const groups = new Map<number, string[]>();
  const sorted = shuffled(records, parts).toSorted((a, b) => a.preference - b.preference);
  for (const { preference, host } of sorted.slice(0, HOSTS_MAX)) {
    const group = groups.get(preference) ?? [];
    if (!group.includes(host)) group.push(host);
    groups.set(preference, group);
  }
  return [...groups.values()];
}

function shuffled<T>(list: readonly T[], { random }: Pick<HostsParts, 'random'>): readonly T[] {
  if (list.length < 2) return list;
  return list
    .map((item) => ({ item, at: chance(random) }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

interface Addresses {
  /** Those that may be used. */
  readonly addresses: readonly string[];
  /** Ours among them, too. */
  readonly all: readonly string[];
  readonly trouble: string | undefined;
}

const familyOf = (address: string, { options }: HostsParts): boolean =>
  options['relay.ip'] === 'both' || options['relay.ip'] === `v${isIP(address)}`;

/** IPv6 first where both are sent by (RFC 6724). */
async function addressesOf(host: string, parts: HostsParts): Promise<Addresses> {
  if (isIP(host) !== 0) return { addresses: [host], all: [host], trouble: undefined };
  const { resolver } = parts;
  const answers = await Promise.all([ask(resolver, 'aaaa', host), ask(resolver, 'a', host)]);
  const all = answers
    .flatMap((answer) => (answer.kind === 'records' ? answer.records : []))
    .map(canonicalAddress);
  const failed = answers.find((answer) => answer.kind === 'trouble');
  return {
    all,
    addresses: all.filter((address) => familyOf(address, parts)),
    trouble: failed?.kind === 'trouble' ? failed.text : undefined,
  };
}

const ask = (resolver: Resolver, type: 'a' | 'aaaa', host: string): Promise<DnsAnswer<string>> =>
  resolver[type](host);

/** What DANE, then MTA-STS, then the option want of a host (RFC 8461 §2). */
async function securityOf(host: string, way: Way, parts: HostsParts): Promise<Security | Verdict> {
  if (way.secure) {
    const dane = await daneOf(host, parts.smtpPort, { ...way, resolver: parts.resolver });
    if (dane.kind === 'trouble') return broken(`TLSA of ${host}: ${dane.text}`);
    if (dane.kind === 'encrypt') return { kind: 'must' };
    if (dane.kind === 'verify') return { ...dane, why: 'dane' };
  }
  if (way.sts?.mode !== 'enforce') return plainSecurity(parts);
  if (allowsHost(way.sts, host)) return { kind: 'verify', why: 'mta-sts' };
  return broken(`${host} is not in the MTA-STS policy of ${way.domain}`);
}

const broken = (text: string): Verdict => ({ ...later('4.7.5', text), code: 'MF-REL-101' });

/** What was seen on the way, for the verdict. */
class Notes {
  given = 0;
  /** One has an address, be it of a family that this node does not send by. */
  usable = false;
  blocked: Verdict | undefined;
  readonly #domain: string;
  #trouble: string | undefined;
  #refused: string | undefined;

  constructor(domain: string) {
    this.#domain = domain;
  }

  see(found: Addresses): void {
    this.#trouble ??= found.trouble;
    this.#refused ??= found.all[0];
  }

  atOurselves(host: string): Verdict {
    const text = `${host} of ${this.#domain} is this farm, which does not know the domain`;
    return this.better() ?? { ...fail('5.4.6', text), code: OWN };
  }

  /** Why letters wait, when a host that was seen so far may take them some day. */
  better(): Verdict | undefined {
    const may = this.given > 0 || this.blocked !== undefined || this.#trouble !== undefined;
    return may ? this.verdict() : undefined;
  }

  verdict(): Verdict {
    if (this.blocked) return this.blocked;
    if (this.#trouble !== undefined) return later('4.4.3', this.#trouble);
    if (this.given > 0 || this.usable)
      return later('4.4.1', `no mail host of ${this.#domain} can be reached`);
    const [domain, address] = [this.#domain, this.#refused];
    if (address === undefined) return fail('5.4.4', `no mail host of ${domain} has an address`);
    return fail('5.4.4', `no mail host of ${domain} has an address that letters may go to`);
  }
}
