/**
 * A DNS server of the tests' own: it answers from a small table of the test, over UDP and TCP, and
 * fails as told. As root it stands on port 53 of a loopback address of its own, so that Postfix and
 * Exim, which know no other port, can be pointed at it by their resolv.conf. It recurses nowhere.
 */
import { type Socket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type Server, type Socket as Stream, createServer } from 'node:net';
import dnsPacket from 'dns-packet';
import { ownAddress } from './addresses.ts';
import { freePort } from './process.ts';

/** Instead of records: an error, nothing at all, or (REFUSED) a server that is not for you. */
export type DnsFailure = 'servfail' | 'refused' | 'silence';

export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly certificate: Buffer;
}

export interface DnsRecords {
  /** Preference and host; `[0, '.']` is the null MX of RFC 7505. */
  readonly MX?: readonly (readonly [number, string])[] | DnsFailure;
  readonly A?: readonly string[] | DnsFailure;
  readonly AAAA?: readonly string[] | DnsFailure;
  /** Each a text; longer ones than 255 octets are sent as several strings. */
  readonly TXT?: readonly string[] | DnsFailure;
  readonly TLSA?: readonly TlsaRecord[] | DnsFailure;
  /** Priority, weight, port, target. */
  readonly SRV?: readonly (readonly [number, number, number, string])[] | DnsFailure;
  readonly PTR?: readonly string[] | DnsFailure;
  readonly CNAME?: string;
  /** Answers about this name carry AD, as those of a resolver that checked DNSSEC. */
  readonly secure?: boolean;
  /** Answers about this name come so late. */
  readonly delayMs?: number;
  readonly ttl?: number;
}

/** What is not listed does not exist (NXDOMAIN); `*.example.net` is for all names below. */
export type DnsTable = Readonly<Record<string, DnsRecords | DnsFailure>>;

export interface DnsServer {
  readonly host: string;
  readonly port: number;
  /** As options `dns.servers` and Node's `setServers` want it. */
  readonly address: string;
  /** For `resolvConf` of peers; only right when `port` is 53. */
  readonly resolvConf: string;
  /** `MX example.net`, in the order of arrival. */
  readonly queries: readonly string[];
  /** Changes names; undefined removes one. */
  set(table: Readonly<Record<string, DnsRecords | DnsFailure | undefined>>): void;
  stop(): Promise<void>;
}

export interface DnsOptions {
  readonly host?: string;
  readonly port?: number;
}

const CODES = { noerror: 0, servfail: 2, nxdomain: 3, refused: 5 } as const;
const TYPES = ['MX', 'A', 'AAAA', 'TXT', 'TLSA', 'SRV', 'PTR'] as const;
type Type = (typeof TYPES)[number];
const TTL_SECONDS = 60;
const UDP_OCTETS = 512; // Of those who announce no more by EDNS.
const TXT_STRING_OCTETS = 255;
const CNAMES_MAX = 8;

interface Reply {
  readonly code: number;
  readonly answers: dnsPacket.Answer[];
  readonly secure: boolean;
  readonly delayMs: number;
}

export async function startDns(table: DnsTable = {}, options: DnsOptions = {}): Promise<DnsServer> {
  const names = new Map<string, DnsRecords | DnsFailure>();
  const queries: string[] = [];
  const set: DnsServer['set'] = (rows) => {
    for (const [name, entry] of Object.entries(rows)) {
      if (entry === undefined) names.delete(plain(name));
      else names.set(plain(name), entry);
    }
  };
  set(table);
  const reply = (query: Buffer, send: (bytes: Buffer) => void, octets: number): void => {
    const asked = parse(query);
    const question = asked?.questions?.[0];
    if (asked === undefined || question === undefined) return;
    queries.push(`${question.type} ${plain(question.name)}`);
    const found = lookUp(names, question.name, question.type);
    if (found === undefined) return;
    const edns = asked.additionals?.find((each) => each.type === 'OPT');
    const room = Math.max(octets, edns?.udpPayloadSize ?? 0);
    setTimeout(() => send(write(asked, question, found, room)), found.delayMs);
  };
  const { udp, tcp, host, port } = await listen(options);
  const streams = new Set<Stream>();
  udp.on('message', (query, from) =>
    reply(query, (bytes) => udp.send(bytes, from.port, from.address, () => undefined), UDP_OCTETS),
  );
  tcp.on('connection', (stream) => {
    streams.add(stream);
    stream.on('close', () => streams.delete(stream)).on('error', () => undefined);
    serveStream(stream, (query, send) => reply(query, send, 65_535));
  });
  return {
    host,
    port,
    address: `${host}:${port}`,
    resolvConf: `nameserver ${host}\noptions timeout:2 attempts:2 edns0 trust-ad\n`,
    queries,
    set,
    stop: async () => {
      for (const stream of streams) stream.destroy();
      tcp.close();
      udp.close();
      await Promise.all([once(tcp, 'close'), once(udp, 'close')]);
    },
  };
}

const plain = (name: string): string => name.toLowerCase().replace(/\.$/, '');

function parse(query: Buffer): dnsPacket.DecodedPacket | undefined {
  try {
    const packet = dnsPacket.decode(query);
    return packet.type === 'query' ? packet : undefined;
  } catch {
    return undefined; // Not DNS: no answer, as servers do.
  }
}

/** Follows CNAMEs within the table. @returns undefined for silence */
function lookUp(
  names: ReadonlyMap<string, DnsRecords | DnsFailure>,
  asked: string,
  type: string,
): Reply | undefined {
  const answers: dnsPacket.Answer[] = [];
  let name = asked;
  let [secure, delayMs] = [true, 0];
  for (let steps = 0; steps < CNAMES_MAX; steps += 1) {
    const entry = names.get(plain(name)) ?? names.get(plain(name).replace(/^[^.]*/, '*'));
    const failure = failureOf(entry, type);
    if (failure === 'silence') return undefined;
    if (failure !== undefined) return { code: CODES[failure], answers: [], secure: false, delayMs };
    if (entry === undefined || typeof entry === 'string') {
      return { code: CODES.nxdomain, answers, secure: false, delayMs };
    }
    secure &&= entry.secure === true;
    delayMs += entry.delayMs ?? 0;
    const ttl = entry.ttl ?? TTL_SECONDS;
    if (entry.CNAME === undefined) {
      answers.push(...recordsOf(entry, type, name, ttl));
      return { code: CODES.noerror, answers, secure, delayMs };
    }
    answers.push({ type: 'CNAME', name, ttl, data: entry.CNAME });
    if (type === 'CNAME') return { code: CODES.noerror, answers, secure, delayMs };
    name = entry.CNAME;
  }
  return { code: CODES.servfail, answers: [], secure: false, delayMs };
}

function failureOf(entry: DnsRecords | DnsFailure | undefined, type: string) {
  if (typeof entry === 'string') return entry;
  const records = entry?.[type as Type];
  return typeof records === 'string' ? records : undefined;
}

function recordsOf(entry: DnsRecords, type: string, name: string, ttl: number) {
  const found: dnsPacket.Answer[] = [];
  const rows = entry[type as Type];
  if (!TYPES.includes(type as Type) || rows === undefined || typeof rows === 'string') return found;
  for (const row of rows) found.push({ type, name, ttl, data: dataOf(type, row) } as never);
  return found;
}

function dataOf(type: string, row: unknown): unknown {
  if (type === 'MX') {
    const [preference, exchange] = row as readonly [number, string];
    return { preference, exchange };
  }
  if (type === 'SRV') {
    const [priority, weight, port, target] = row as readonly [number, number, number, string];
    return { priority, weight, port, target };
  }
  if (type !== 'TXT') return row;
  const bytes = Buffer.from(String(row), 'utf8');
  const strings: Buffer[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += TXT_STRING_OCTETS) {
    strings.push(bytes.subarray(at, at + TXT_STRING_OCTETS));
  }
  return strings;
}

function write(
  asked: dnsPacket.DecodedPacket,
  question: dnsPacket.Question,
  found: Reply,
  room: number,
): Buffer {
  const wanted = dnsPacket.RECURSION_DESIRED & (asked.flags ?? 0);
  const flags = dnsPacket.RECURSION_AVAILABLE | wanted | found.code;
  const packet: dnsPacket.Packet = {
    type: 'response',
    id: asked.id ?? 0,
    flags: flags | (found.secure ? dnsPacket.AUTHENTIC_DATA : 0),
    questions: [question],
    answers: found.answers,
    additionals: (asked.additionals ?? []).some((each) => each.type === 'OPT') ? [OPT] : [],
  };
  const bytes = dnsPacket.encode(packet);
  if (bytes.length <= room) return bytes;
  const cut = (packet.flags ?? 0) | dnsPacket.TRUNCATED_RESPONSE;
  return dnsPacket.encode({ ...packet, flags: cut, answers: [] });
}

const OPT: dnsPacket.OptAnswer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 4096,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

function serveStream(
  stream: Stream,
  ask: (query: Buffer, send: (bytes: Buffer) => void) => void,
): void {
  let held = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
      const end = 2 + held.readUInt16BE(0);
      ask(held.subarray(2, end), (bytes) => {
        const size = Buffer.alloc(2);
        size.writeUInt16BE(bytes.length);
        if (stream.writable) stream.write(Buffer.concat([size, bytes]));
      });
      held = held.subarray(end);
    }
  });
}

/** Both protocols on one port; another address is tried when somebody has the port. */
async function listen(options: DnsOptions) {
  for (let tries = 1; ; tries += 1) {
    const host = options.host ?? ownAddress();
    const asRoot = process.getuid?.() === 0 && options.host === undefined;
    const port = options.port ?? (asRoot ? 53 : await freePort(host));
    const udp = createSocket('udp4');
    const tcp = createServer();
    try {
      await Promise.all([bound(udp, host, port), listening(tcp, host, port)]);
      return { udp, tcp, host, port };
    } catch (error) {
      udp.close();
      tcp.close();
      if (tries === 5) throw error;
    }
  }
}

async function bound(udp: Socket, host: string, port: number): Promise<void> {
  udp.bind(port, host);
  await once(udp, 'listening');
}

async function listening(tcp: Server, host: string, port: number): Promise<void> {
  tcp.listen(port, host);
  await once(tcp, 'listening');
}
