/** Addresses of peers: one spelling for each, ranges of them, and what a limit counts as one. */
import { BlockList, isIP, SocketAddress } from 'node:net';

/**
 * The plain form of an address: IPv4 without the `::ffff:` that a dual-stack socket puts before it
 * (RFC 4291 §2.5.5.2), without zone index. What is no address comes back as it is.
 */
export function normaliseAddress(address: string): string {
  const zone = address.indexOf('%');
  const bare = zone < 0 ? address : address.slice(0, zone);
  const mapped = MAPPED.exec(bare)?.[1];
  return mapped !== undefined && isIP(mapped) === 4 ? mapped : bare;
}

const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;

/** The one spelling of an address that somebody wrote: RFC 5952 §4 for IPv6, else as it is. */
export function canonicalAddress(address: string): string {
  const plain = normaliseAddress(address);
  if (isIP(plain) !== 6) return plain;
  return normaliseAddress(new SocketAddress({ address: plain, family: 'ipv6' }).address);
}

/** A set of addresses and CIDR ranges. */
export interface AddressRanges {
  has(address: string): boolean;
  readonly isEmpty: boolean;
}

/**
 * @param ranges addresses and CIDR ranges as the option kind `address-range` checked them.
 * @throws RangeError for what is neither.
 */
export function addressRanges(ranges: readonly string[]): AddressRanges {
  if (ranges.length === 0) return NO_ADDRESSES; // Asked at every connection.
  const set = new BlockList();
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/');
    const family = isIP(address);
    if (family === 0) throw new RangeError(`${range} is not an address or CIDR range`);
    const bits = prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix);
    set.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
  }
  return {
    isEmpty: false,
    has: (address) => {
      const plain = normaliseAddress(address);
      const family = isIP(plain);
      return family !== 0 && set.check(plain, family === 4 ? 'ipv4' : 'ipv6');
    },
  };
}

/** Nobody. */
export const NO_ADDRESSES: AddressRanges = { isEmpty: true, has: () => false };

/**
 * What a limit per address counts as one: the IPv4 address, or the /64 of an IPv6 address, since
 * whoever has one IPv6 address has the other 2^64 of its network too (RFC 4291 §2.5.1).
 */
export function limitKey(address: string): string {
  const plain = normaliseAddress(address);
  return isIP(plain) === 6 ? `${ipv6Groups(plain).slice(0, 4).join(':')}::/64` : plain;
}

/** The eight groups of an IPv6 address, in hexadecimal without leading zeros. */
function ipv6Groups(address: string): readonly string[] {
  const [head = '', tail] = address.toLowerCase().split('::');
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const gap = Array.from({ length: 8 - front.length - back.length }, () => '0');
  return [...front, ...gap, ...back];
}

/** 16 bits each; a dotted end (`64:ff9b::192.0.2.1`) is two of them. */
function groups(text: string): string[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16).toString(16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [(a * 256 + b).toString(16), (c * 256 + d).toString(16)];
  });
}

/** Where a service listens. */
export interface ListenAddress {
  /** Name of the service, such as `mx` or `pop3s`. */
  readonly service: string;
  /** An address, or `*` for every address of the machine. */
  readonly host: string;
  /** 0 asks the system for a free one. */
  readonly port: number;
}

/** `SERVICE HOST:PORT`: an IPv6 host stands in brackets, `*` is every address of the machine. */
const LISTEN = /^([a-z][a-z0-9-]*) +(?:\[([0-9a-f:.]+)\]|([0-9.]+|\*)):(\d{1,5})$/i;

/** Reads `mx 127.0.0.1:10025`, `pop3s [::1]:10995`, `pop3 *:110`; a string says what is wrong. */
export function parseListen(text: string): ListenAddress | string {
  const [, service = '', v6, v4, port] = LISTEN.exec(text.trim()) ?? [];
  const host = v6 ?? v4 ?? '';
  const isHost = v6 === undefined ? host === '*' || isIP(host) === 4 : isIP(v6) === 6;
  if (!isHost) return `${JSON.stringify(text)} is not SERVICE ADDRESS:PORT`;
  if (Number(port) > 65_535) return `${JSON.stringify(text)} has a port above 65535`;
  return { service: service.toLowerCase(), host, port: Number(port) };
}

/** `127.0.0.1:10025`, `[::1]:10995`. */
export const formatHostPort = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** Whether an address is this machine's own, reached by nobody else (RFC 1122 §3.2.1.3). */
export function isLoopback(address: string): boolean {
  const plain = normaliseAddress(address);
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'));
}
