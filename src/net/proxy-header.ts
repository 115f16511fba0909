/**
 * The PROXY protocol's header, version 1 (text) and 2 (binary), read incrementally and purely.
 *
 * A balancer puts it before the first octet of a connection and says who connected to it. Whoever
 * may send one decides under which address a client is judged, so it is read from configured
 * balancers only, and there it must come: guessing ("if it looks like a header") would let clients
 * send their own.
 *
 * The parser is given all octets received so far, each time more, and answers `more`, `bad` or the
 * header with its length. What follows the header belongs to the protocol.
 *
 * Standard: HAProxy's proxy-protocol.txt, sections 2.1 (version 1) and 2.2 (version 2).
 */
import { isIP } from 'node:net';
import { canonicalAddress } from './address.ts';

/** Longest version 1 header with its CRLF (section 2.1). */
export const PROXY_V1_BYTES_MAX = 107;
/** Addresses and TLVs of version 2 that are accepted; the field could say 65,535. */
export const PROXY_V2_PAYLOAD_BYTES_MAX = 4096;

const V2_HEAD_BYTES = 16;
export const PROXY_HEADER_BYTES_MAX = V2_HEAD_BYTES + PROXY_V2_PAYLOAD_BYTES_MAX;

export interface ProxyAddresses {
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
}

export type ProxyHeader = {
  /** Length of the header: the octets after it are the protocol's. */
  readonly bytes: number;
  /**
   * Who connected to the balancer; undefined when it speaks for itself (LOCAL: a health check) or
   * does not say (UNKNOWN, AF_UNSPEC, AF_UNIX): then the connection's own addresses count.
   */
  readonly addresses: ProxyAddresses | undefined;
  /** Whether the client used TLS towards the balancer (PP2_TYPE_SSL), where it says so. */
  readonly clientTls: boolean;
};

export type ProxyResult =
  | { readonly state: 'more' }
  | { readonly state: 'bad'; readonly reason: ProxyFault }
  | { readonly state: 'header'; readonly header: ProxyHeader };

export const PROXY_FAULTS = ['no-header', 'malformed', 'too-long', 'timeout', 'closed'] as const;
export type ProxyFault = (typeof PROXY_FAULTS)[number];

const V1_PREFIX = Buffer.from('PROXY ', 'latin1');
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const MORE: ProxyResult = { state: 'more' };
const bad = (reason: ProxyFault): ProxyResult => ({ state: 'bad', reason });

/** Reads the header at the start of `received`, which holds every octet received so far. */
export function parseProxyHeader(received: Buffer): ProxyResult {
  for (const [mark, parse] of VERSIONS) {
    const length = Math.min(mark.length, received.length);
    if (received.compare(mark, 0, length, 0, length) !== 0) continue;
    return length < mark.length ? MORE : parse(received);
  }
  return bad('no-header');
}

const VERSIONS: readonly (readonly [mark: Buffer, parse: (received: Buffer) => ProxyResult])[] = [
  [V1_PREFIX, parseV1],
  [V2_SIGNATURE, parseV2],
];

/** `PROXY TCP4 SOURCE DESTINATION PORT PORT\r\n` or `PROXY UNKNOWN …\r\n`. */
function parseV1(received: Buffer): ProxyResult {
  const end = received.subarray(0, PROXY_V1_BYTES_MAX).indexOf('\r\n');
  if (end < 0) return received.length >= PROXY_V1_BYTES_MAX ? bad('too-long') : MORE;
  const line = received.toString('latin1', V1_PREFIX.length, end);
  const bytes = end + 2;
  if (/^UNKNOWN(?: |$)/.test(line)) return accepted(bytes, undefined);
  const [protocol, source = '', destination = '', from = '', to = '', ...rest] = line.split(' ');
  const family = protocol === 'TCP4' ? 4 : protocol === 'TCP6' ? 6 : 0;
  const isValid =
    family !== 0 &&
    rest.length === 0 &&
    isIP(source) === family &&
    isIP(destination) === family &&
    !`${source}${destination}`.includes('%') &&
    isPort(from) &&
    isPort(to);
  if (!isValid) return bad('malformed');
  return accepted(bytes, {
    sourceAddress: canonicalAddress(source),
    sourcePort: Number(from),
    destinationAddress: canonicalAddress(destination),
    destinationPort: Number(to),
  });
}

const isPort = (text: string): boolean =>
  /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;

const accepted = (
  bytes: number,
  addresses: ProxyAddresses | undefined,
  clientTls = false,
): ProxyResult => ({ state: 'header', header: { bytes, addresses, clientTls } });

const LOCAL = 0;
const PROXY = 1;
const STREAM = 1;
/** Octets of the address block by address family (section 2.2): inet, inet6, unix. */
const BLOCK_BYTES: readonly (number | undefined)[] = [0, 12, 36, 216];

function parseV2(received: Buffer): ProxyResult {
  if (received.length < V2_HEAD_BYTES) {
    // The version is wrong from its octet on: no reason to wait for the rest.
    const octet = received[V2_SIGNATURE.length];
    return octet !== undefined && octet >> 4 !== 2 ? bad('malformed') : MORE;
  }
  const [version = 0, family = 0] = received.subarray(V2_SIGNATURE.length);
  const command = version & 0x0f;
  const payloadBytes = received.readUInt16BE(V2_SIGNATURE.length + 2);
  const blockBytes = BLOCK_BYTES[family >> 4];
  const transport = family & 0x0f;
  if (version >> 4 !== 2 || command > PROXY || blockBytes === undefined) return bad('malformed');
  if (transport > 2) return bad('malformed'); // Unspecified, stream, datagram.
  if (payloadBytes > PROXY_V2_PAYLOAD_BYTES_MAX) return bad('too-long');
  if (command === PROXY && payloadBytes < blockBytes) return bad('malformed');
  const bytes = V2_HEAD_BYTES + payloadBytes;
  if (received.length < bytes) return MORE;
  if (command === LOCAL) return accepted(bytes, undefined);
  const payload = received.subarray(V2_HEAD_BYTES, bytes);
  const tls = readTlvs(payload.subarray(blockBytes));
  if (tls === 'malformed') return bad('malformed');
  const addresses = transport === STREAM ? readBlock(payload, blockBytes) : undefined;
  return accepted(bytes, addresses, tls === 'tls');
}

function readBlock(payload: Buffer, blockBytes: number): ProxyAddresses | undefined {
  const size = blockBytes === 12 ? 4 : blockBytes === 36 ? 16 : 0;
  if (size === 0) return undefined; // AF_UNSPEC or AF_UNIX: no address one could judge.
  const read = size === 4 ? (octets: Buffer) => octets.join('.') : ipv6Text;
  return {
    sourceAddress: read(payload.subarray(0, size)),
    destinationAddress: read(payload.subarray(size, 2 * size)),
    sourcePort: payload.readUInt16BE(2 * size),
    destinationPort: payload.readUInt16BE(2 * size + 2),
  };
}

function ipv6Text(octets: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(2 * i).toString(16));
  return canonicalAddress(groups.join(':'));
}

const PP2_TYPE_SSL = 0x20;
const PP2_CLIENT_SSL = 0x01;

/** Walks the TLVs (section 2.2.7): type, length in two octets, value. Most are skipped. */
function readTlvs(tlvs: Buffer): 'tls' | 'none' | 'malformed' {
  let result: 'tls' | 'none' = 'none';
  for (let at = 0; at < tlvs.length;) {
    if (tlvs.length - at < 3) return 'malformed';
    const length = tlvs.readUInt16BE(at + 1);
    if (at + 3 + length > tlvs.length) return 'malformed';
    const client = tlvs[at] === PP2_TYPE_SSL && length >= 5 ? (tlvs[at + 3] ?? 0) : 0;
    if (client & PP2_CLIENT_SSL) result = 'tls';
    at += 3 + length;
  }
  return result;
}
