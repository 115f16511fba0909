import { createHmac, timingSafeEqual } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../log/types.ts';
import { hintDatagrams } from './metrics.ts';

/**
 * Hints between nodes: "look at this folder now", over UDP (`mailbox/hints.ts` says what they
 * mean). A datagram is a MAC and rows of account and folder:
 *
 *     16 octets   HMAC-SHA-256 of the rest under the farm's cookie, cut
 *     1 octet     version, 1
 *     rest        rows `<account>\t<folder>\n` in UTF-8
 *
 * It may be lost, doubled, delayed and repeated by a stranger: whoever gets one looks at a folder,
 * at most so often as its gap allows. So there is no time in it, no number, no answer, and no
 * state. What has no right MAC, is no text or too long is dropped without a word, and counted.
 * Names of folders are readable to whoever can read the private network; the mail itself is too.
 *
 * Floods. A forged one costs a MAC each (some µs) and nothing else: it takes no part of the rate
 * that true datagrams have. True ones that a stranger repeats go on at that rate at most, and a
 * folder is looked at once in its gap (`mailbox/watching.ts`), if somebody watches it at all.
 * What we send has a rate too: a node that delivers in a storm does not drown the others.
 *
 * Rejected: a connection between each two nodes (state, reconnects, and a slow node that holds the
 * others up, for what need not arrive); multicast (not every network has it).
 */
export interface Hint {
  readonly account: string;
  readonly folder: string;
}

const VERSION = 1;
const MAC_OCTETS = 16;
/** Below the MTU of any network with room for IPv6 and a tunnel: fragments get lost together. */
export const DATAGRAM_OCTETS_MAX = 1200;
const ROWS_MAX = 100;
const SECOND_MS = 1000;
const ACCOUNT = /^[A-Za-z0-9-]{1,64}$/;
/** Datagrams in a second that are sent, and of true ones that are heeded; as many at once. */
export const DATAGRAMS_PER_SECOND = 1000;
const KEY_CONTEXT = 'mailfarm hints 1';

/** The key of hints, which says nothing of the cookie. */
export const hintKey = (cookie: string): Buffer =>
  createHmac('sha256', cookie).update(KEY_CONTEXT).digest();

const macOf = (key: Buffer, body: Buffer): Buffer =>
  createHmac('sha256', key).update(body).digest().subarray(0, MAC_OCTETS);

/** As few datagrams as hold them; a hint that fits into none is left out. */
export function encodeHints(key: Buffer, hints: readonly Hint[]): readonly Buffer[] {
  const datagrams: Buffer[] = [];
  const room = DATAGRAM_OCTETS_MAX - MAC_OCTETS - 1;
  let rows: Buffer[] = [];
  let octets = 0;
  const close = (): void => {
    if (rows.length === 0) return;
    const body = Buffer.concat([Buffer.of(VERSION), ...rows]);
    datagrams.push(Buffer.concat([macOf(key, body), body]));
    rows = [];
    octets = 0;
  };
  for (const { account, folder } of hints) {
    const row = Buffer.from(`${account}\t${folder}\n`);
    if (row.length > room || !isHint(account, folder)) continue;
    if (octets + row.length > room || rows.length === ROWS_MAX) close();
    rows.push(row);
    octets += row.length;
  }
  close();
  return datagrams;
}

/** What a datagram says; undefined for what no node of this farm has sent. */
export function decodeHints(key: Buffer, datagram: Buffer): readonly Hint[] | undefined {
  if (datagram.length <= MAC_OCTETS + 1 || datagram.length > DATAGRAM_OCTETS_MAX) return undefined;
  const body = datagram.subarray(MAC_OCTETS);
  if (!timingSafeEqual(macOf(key, body), datagram.subarray(0, MAC_OCTETS))) return undefined;
  if (body[0] !== VERSION) return undefined;
  const rows = body.toString('utf8', 1).split('\n').slice(0, ROWS_MAX);
  return rows.flatMap((row) => {
    const [account = '', folder = '', ...rest] = row.split('\t');
    return rest.length === 0 && isHint(account, folder) ? [{ account, folder }] : [];
  });
}

const isHint = (account: string, folder: string): boolean =>
  ACCOUNT.test(account) && folder !== '' && !/[\t\n\r\0]/.test(folder);

export interface HintPeer {
  readonly address: string;
  readonly port: number;
}

export interface HintSocketOptions {
  /** `*` is every address of the machine. */
  readonly address: string;
  readonly port: number;
  readonly cookie: string;
  /** Where other nodes listen, now. */
  readonly peers: () => readonly HintPeer[];
  readonly onHints: (hints: readonly Hint[]) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface HintSocket {
  readonly port: number;
  send(hints: readonly Hint[]): void;
  close(): void;
}

/** @throws when the address cannot be bound */
export async function openHintSocket(options: HintSocketOptions): Promise<HintSocket> {
  const { clock, log } = options;
  const key = hintKey(options.cookie);
  const socket = await boundAt(options);
  const heeded = new Rate(clock);
  const sent = new Rate(clock);
  socket.on('message', (datagram) => {
    const hints = decodeHints(key, datagram); // The MAC first: only true ones spend the rate.
    if (hints === undefined) return hintDatagrams.inc('refused');
    if (!heeded.take()) return hintDatagrams.inc('dropped');
    hintDatagrams.inc('received');
    if (hints.length > 0) options.onHints(hints);
  });
  socket.on('error', (err) => log.warn({ err }, 'hints of other nodes: the socket failed'));
  const { family, address: own, port } = socket.address();
  const reachable = (address: string): string | undefined => {
    if (isIPv6(address)) return family === 'IPv6' ? address : undefined;
    if (family === 'IPv4') return address;
    return own === '::' ? `::ffff:${address}` : undefined;
  };
  return {
    port,
    send: (hints) => {
      for (const datagram of encodeHints(key, hints)) {
        for (const peer of options.peers()) {
          const address = reachable(peer.address);
          if (address === undefined || peer.port === 0) continue;
          if (!sent.take()) return hintDatagrams.inc('dropped');
          hintDatagrams.inc('sent');
          // A peer that cannot be reached hears of it by its clock.
          socket.send(datagram, peer.port, address, () => {});
        }
      }
    },
    close: () => void socket.close(),
  };
}

/** A bucket that is refilled evenly. */
class Rate {
  readonly #clock: Clock;
  #tokens = DATAGRAMS_PER_SECOND;
  #filledAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#filledAt = clock.now();
  }

  take(): boolean {
    const now = this.#clock.now();
    const more = (Math.max(0, now - this.#filledAt) / SECOND_MS) * DATAGRAMS_PER_SECOND;
    this.#tokens = Math.min(DATAGRAMS_PER_SECOND, this.#tokens + more);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** Every address of a machine without IPv6 is those of IPv4. */
async function boundAt({ address, port }: HintSocketOptions): Promise<Socket> {
  if (address !== '*') return bound(address, port);
  try {
    return await bound('::', port);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error;
    return bound('0.0.0.0', port);
  }
}

const bound = (address: string, port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    const failed = (error: Error): void => {
      socket.close();
      reject(error);
    };
    socket.once('error', failed);
    socket.bind(port, address, () => {
      socket.off('error', failed);
      resolve(socket);
    });
  });
