import { createHmac, timingSafeEqual } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import type { Logger } from '../log/types.ts';

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
const ACCOUNT = /^[A-Za-z0-9-]{1,64}$/;
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

export interface HintSocketOptions {
  readonly address: string;
  readonly port: number;
  readonly cookie: string;
  /** Where other nodes listen, now. */
  readonly peers: () => readonly { readonly address: string; readonly port: number }[];
  readonly onHints: (hints: readonly Hint[]) => void;
  readonly log: Logger;
}

export interface HintSocket {
  readonly port: number;
  /** Datagrams that were no node's of this farm. */
  readonly refused: number;
  send(hints: readonly Hint[]): void;
  close(): void;
}

/** @throws when the address cannot be bound */
export async function openHintSocket(options: HintSocketOptions): Promise<HintSocket> {
  const key = hintKey(options.cookie);
  const socket = createSocket(options.address.includes(':') ? 'udp6' : 'udp4');
  let refused = 0;
  socket.on('message', (datagram) => {
    const hints = decodeHints(key, datagram);
    if (hints === undefined) refused += 1;
    else if (hints.length > 0) options.onHints(hints);
  });
  await bound(socket, options);
  socket.on('error', (err) => options.log.warn({ err }, 'hints of other nodes: the socket failed'));
  return {
    port: socket.address().port,
    get refused() {
      return refused;
    },
    send: (hints) => {
      for (const datagram of encodeHints(key, hints)) {
        // An address that cannot be reached costs its node a look by the clock.
        for (const peer of options.peers()) {
          socket.send(datagram, peer.port, peer.address, () => {});
        }
      }
    },
    close: () => void socket.close(),
  };
}

const bound = (socket: Socket, { address, port }: HintSocketOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, address, () => {
      socket.off('error', reject);
      resolve();
    });
  });
