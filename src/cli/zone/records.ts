/**
 * What stands in the DNS for a farm and its domains (S3-27). Two kinds of names: the farm's own, in
 * the zone of `farm.host-name`, which change when nodes come and go; and those of each domain,
 * which name only the farm's service names, so that nobody outside ever writes the name of a node
 * (S4-02) and a customer's zone stays as it is.
 *
 *     mx-1, mx-2, …   a node each that takes mail from the world, of equal preference (S2-11)
 *     the host name   all that programs of users reach: POP3, IMAP, submission, web (S2-12)
 *     relay           all smarthosts (S2-12);  _spf: the addresses that send
 *
 * Where `farm.addresses` has addresses (a balancer, a router that translates) the world reaches
 * these and not the nodes.
 */
import { isIP } from 'node:net';
import type { DomainEntry, NodeEntry } from '../../directory/types.ts';
import { addressRanges, isLoopback, parseListen } from '../../net/address.ts';
import type { Endpoint, SetUp } from '../../webmail/set-up/routes.ts';
import { farmZone, stsRecord } from '../../webmail/set-up/mta-sts.ts';

export interface DnsRecord {
  /** Without the dot at its end. */
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'MX' | 'TXT' | 'SRV' | 'CNAME';
  /** Seconds. */
  readonly ttl: number;
  /** As a zone file has it; of TXT the text in one piece, without quotes. */
  readonly value: string;
}

/** Records that belong together, and what a person should know of them. */
export interface Part {
  readonly domain: string;
  readonly records: readonly DnsRecord[];
  readonly notes: readonly string[];
}

export interface Farm {
  /** `farm.host-name` */
  readonly hostName: string;
  /** Local domains, of those that were asked for. */
  readonly domains: readonly string[];
  readonly nodes: readonly NodeEntry[];
  /** Where each node listens, by its own entry or by that of the farm. */
  readonly listen: (node: NodeEntry) => readonly string[];
  /** `farm.addresses` */
  readonly addresses: readonly string[];
  /** `relay.send` */
  readonly send: 'all' | 'relays' | 'none';
  /** `relay.next` */
  readonly next: string;
  readonly setUp: SetUp;
  readonly policy: string | undefined;
}

const TTL = 3_600;
/** Of names whose address moves (S2-13). */
const TTL_SERVICE = 300;
const MX_PREFERENCE = 10;
/** Where we hold a customer's mail while his own host is away. */
const MX_BACKUP = 20;
const WEB_PORT = 443;
/** Text in one SPF record; the whole answer has to pass as one datagram (RFC 7208 §3.4). */
const SPF_OCTETS_MAX = 400;

const PRIVATE = addressRanges(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']);
const LINK_LOCAL = addressRanges(['169.254.0.0/16', 'fe80::/10']);

const typeOf = (address: string): 'A' | 'AAAA' => (isIP(address) === 6 ? 'AAAA' : 'A');
const fqdn = (name: string): string => `${name}.`;

const servicesOf = (farm: Farm, node: NodeEntry): ReadonlySet<string> =>
  new Set(
    farm.listen(node).flatMap((text) => {
      const at = parseListen(text);
      return typeof at === 'string' || isLoopback(at.host) ? [] : [at.service];
    }),
  );

/** Addresses at which others reach a node: public ones where it has any (S4-10). */
export function nodeAddresses(farm: Farm, node: NodeEntry): readonly string[] {
  const listened = farm.listen(node).flatMap((text) => {
    const at = parseListen(text);
    return typeof at === 'string' ? [] : [at.host];
  });
  const all = [...new Set([...node.addresses, ...listened])].filter(
    (one) =>
      isIP(one) !== 0 &&
      !['0.0.0.0', '::'].includes(one) &&
      !isLoopback(one) &&
      !LINK_LOCAL.has(one),
  );
  return [4, 6].flatMap((family) => {
    const own = all.filter((one) => isIP(one) === family);
    const open = own.filter((one) => !PRIVATE.has(one));
    return (open.length > 0 ? open : own).toSorted();
  });
}

/** Whether letters leave from this node. */
export const sends = (farm: Farm, node: NodeEntry): boolean =>
  farm.send === 'all' || (farm.send === 'relays' && servicesOf(farm, node).has('relay'));

/** The name a node gives itself in EHLO, which its address has to lead back to (S4-11). */
export const ehloName = (farm: Farm, node: NodeEntry): string =>
  node.name.includes('.') ? node.name.toLowerCase() : farm.hostName;

const fronts = (farm: Farm): readonly string[] => farm.addresses.filter((one) => isIP(one) !== 0);

const CLIENTS = ['pop3', 'pop3s', 'imap', 'imaps', 'submission', 'submissions', 'http', 'https'];

/** The hosts of the farm that a service name stands for, and their addresses. */
function holders(farm: Farm, services: readonly string[]): readonly (readonly string[])[] {
  const having = farm.nodes.filter((node) => {
    const own = servicesOf(farm, node);
    return services.some((service) => own.has(service));
  });
  if (having.length === 0) return [];
  const [v4, v6] = [4, 6].map((family) => fronts(farm).filter((one) => isIP(one) === family));
  if (fronts(farm).length === 0) return having.map((node) => nodeAddresses(farm, node));
  const count = Math.max(v4?.length ?? 0, v6?.length ?? 0);
  // A balancer has an address of either family: they are one host.
  return Array.from({ length: count }, (_, i) =>
    [v4?.[i], v6?.[i]].filter((one) => one !== undefined),
  );
}

/** Service names that MX records name. */
export const mxNames = (farm: Farm): readonly string[] =>
  holders(farm, ['mx'])
    .filter((addresses) => addresses.length > 0)
    .map((_, i) => `mx-${i + 1}.${farmZone(farm.hostName) ?? farm.hostName}`);

/** Every address that letters of this farm come from, and ranges it is translated to. */
export const sendingAddresses = (farm: Farm): readonly string[] => [
  ...new Set([
    ...farm.nodes.filter((node) => sends(farm, node)).flatMap((node) => nodeAddresses(farm, node)),
    ...(farm.send === 'none' ? [] : farm.addresses),
  ]),
];

/** The farm's own names. */
export function farmPart(farm: Farm): Part {
  const zone = farmZone(farm.hostName) ?? farm.hostName;
  const notes: string[] = [];
  if (zone !== farm.hostName && farm.domains.includes(farm.hostName)) {
    notes.push(
      `farm.host-name ${farm.hostName} is a domain itself, and the farm’s own names go into ` +
        `${zone}, whose hosts an MTA-STS policy would all trust: where that zone is not yours, ` +
        `mailfarm config set farm.host-name mail.${farm.hostName}`,
    );
  }
  const at = (name: string, addresses: readonly string[]): DnsRecord[] =>
    [...new Set(addresses)].map((value) => ({
      name,
      type: typeOf(value),
      ttl: TTL_SERVICE,
      value,
    }));
  const nodes = farm.nodes.flatMap((node) => {
    const addresses = nodeAddresses(farm, node);
    if (addresses.length === 0) notes.push(`${node.name} has told no address: start it`);
    const lower = node.name.toLowerCase();
    if (lower.includes('.') && !lower.endsWith(`.${zone}`)) {
      notes.push(`${node.name} stands in another zone: it needs its A and AAAA there`);
      return [];
    }
    const name = lower.includes('.') ? lower : `${lower}.${zone}`;
    return name === farm.hostName ? [] : at(name, addresses);
  });
  const hosts = holders(farm, ['mx']).filter((addresses) => addresses.length > 0);
  if (hosts.length === 1) notes.push('One MX only: while it is away, senders wait (S2-11)');
  for (const node of farm.nodes.filter((one) => sends(farm, one))) {
    for (const address of nodeAddresses(farm, node)) {
      notes.push(`PTR of ${address}: ${ehloName(farm, node)}.`);
    }
  }
  const records = [
    ...nodes,
    ...hosts.flatMap((addresses, i) => at(`mx-${i + 1}.${zone}`, addresses)),
    ...at(farm.hostName, holders(farm, CLIENTS).flat()),
    ...at(`relay.${zone}`, holders(farm, ['relay']).flat()),
    ...spfRecords(farm, zone),
  ];
  if (farm.next !== '') notes.push(`Letters leave by ${farm.next}: its SPF has to include it too`);
  const kept = records.filter(({ value }) => PRIVATE.has(value)).map(({ value }) => value);
  for (const address of new Set(kept)) notes.push(`${address} is private: the world has another`);
  return { domain: zone, records, notes };
}

/** `_spf` of the farm's zone, in as many records as it takes. */
function spfRecords(farm: Farm, zone: string): readonly DnsRecord[] {
  const terms = sendingAddresses(farm).map(
    (one) => `${isIP(one.split('/')[0] ?? '') === 6 ? 'ip6' : 'ip4'}:${one}`,
  );
  const groups: string[] = [];
  for (const term of terms) {
    const last = groups.at(-1);
    if (last !== undefined && last.length + term.length < SPF_OCTETS_MAX) {
      groups[groups.length - 1] = `${last} ${term}`;
    } else groups.push(term);
  }
  const text = (name: string, body: string): DnsRecord => ({
    name,
    type: 'TXT',
    ttl: TTL,
    value: `v=spf1 ${body}${body === '' ? '' : ' '}~all`,
  });
  if (groups.length <= 1) return [text(`_spf.${zone}`, groups[0] ?? '')];
  const includes = groups.map((_, i) => `include:_spf-${i + 1}.${zone}`);
  return [
    text(`_spf.${zone}`, includes.join(' ')),
    ...groups.map((body, i) => text(`_spf-${i + 1}.${zone}`, body)),
  ];
}

/** A key of a domain: name and text of its record; undefined text: not known here. */
export interface DkimRecord {
  readonly name: string;
  readonly record: string | undefined;
}

/** What stands in the zone of one domain. */
export function domainPart(farm: Farm, entry: DomainEntry, keys: readonly DkimRecord[]): Part {
  const { name } = entry;
  const zone = farmZone(farm.hostName) ?? farm.hostName;
  const backup = entry.transport?.kind === 'mx';
  const mx = mxNames(farm).map((host): DnsRecord => {
    const preference = backup ? MX_BACKUP : MX_PREFERENCE;
    return { name, type: 'MX', ttl: TTL, value: `${preference} ${fqdn(host)}` };
  });
  const notes: string[] = [];
  if (mx.length === 0) notes.push('No node takes mail from the world: none listens as mx');
  if (backup) notes.push('We hold its mail: its own host stands before ours, below preference 20');
  const text = (at: string, value: string): DnsRecord => ({
    name: at,
    type: 'TXT',
    ttl: TTL,
    value,
  });
  const spf = text(name, `v=spf1 include:_spf.${zone} -all`);
  if (entry.transport) return { domain: name, records: [...mx, ...keysOf(keys, text)], notes };
  for (const key of keys.filter(({ record }) => record === undefined)) {
    notes.push(`${key.name}: whoever made this key has its record`);
  }
  if (keys.length === 0) notes.push(`No key signs: mailfarm domain dkim ${name} --new`);
  notes.push(`CAA: "${name}. CAA 0 issue" with the authority that issues your certificates`);
  const report = `mailto:postmaster@${name}`;
  const records = [
    ...mx,
    spf,
    ...keysOf(keys, text),
    text(`_dmarc.${name}`, `v=DMARC1; p=${keys.length > 0 ? 'quarantine' : 'none'}; rua=${report}`),
    text(`_smtp._tls.${name}`, `v=TLSRPTv1; rua=${report}`),
    ...(farm.policy === undefined
      ? []
      : [text(`_mta-sts.${name}`, stsRecord(farm.policy)), toService(farm, `mta-sts.${name}`)]),
    ...clientRecords(farm, name),
  ];
  return { domain: name, records, notes };
}

const keysOf = (
  keys: readonly DkimRecord[],
  text: (at: string, value: string) => DnsRecord,
): readonly DnsRecord[] =>
  keys.flatMap(({ name, record }) => (record === undefined ? [] : [text(name, record)]));

const toService = (farm: Farm, name: string): DnsRecord => ({
  name,
  type: 'CNAME',
  ttl: TTL,
  value: fqdn(farm.hostName),
});

/** By which programs set themselves up (P-10): RFC 6186, RFC 8314, RFC 8620 §2.2. */
function clientRecords(farm: Farm, domain: string): readonly DnsRecord[] {
  const service = (label: string, at: Endpoint | undefined): DnsRecord => ({
    name: `_${label}._tcp.${domain}`,
    type: 'SRV',
    ttl: TTL,
    // "." says that there is no such service (RFC 6186 §3.4).
    value: at === undefined ? '0 0 0 .' : `0 1 ${at.port} ${fqdn(at.host)}`,
  });
  const { imap, pop3, submission } = farm.setUp;
  const either = (plain: string, tls: string, at: Endpoint | undefined): readonly DnsRecord[] =>
    at?.tls === 'starttls' ? [service(plain, at)] : [service(tls, at)];
  const hasWeb = farm.nodes.some((node) => servicesOf(farm, node).has('https'));
  const web: Endpoint = { host: farm.hostName, port: WEB_PORT, tls: 'implicit' };
  return [
    ...either('imap', 'imaps', imap),
    ...either('pop3', 'pop3s', pop3),
    ...either('submission', 'submissions', submission),
    ...(hasWeb
      ? [
          service('jmap', web),
          service('autodiscover', web),
          toService(farm, `autoconfig.${domain}`),
          toService(farm, `autodiscover.${domain}`),
        ]
      : []),
  ];
}
