/**
 * From an accepted socket to a connection that a protocol can take: PROXY header where a balancer
 * must send one, then the handshake where TLS is implicit, each with its deadline. Workers and
 * in-process listeners share it, so a test meets the very code of production.
 *
 * Invariants. A socket has an error handler before anything else happens to it: it may have died
 * on its way from the process that accepted it. `closed` is called once for every socket taken,
 * whatever becomes of it. Before the service has the connection nothing waits without a deadline.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { traceId } from '../base/ids.ts';
import type { Random } from '../base/random.ts';
import type { Logger } from '../log/types.ts';
import { NO_ADDRESSES, normaliseAddress, type AddressRanges } from './address.ts';
import type { Admission } from './admission.ts';
import { proxyHeaders, tlsHandshakes } from './metrics.ts';
import { readProxyHeader } from './proxy.ts';
import type { ProxyAddresses } from './proxy-header.ts';
import { refuse, type RefusalStyle } from './refusal.ts';
import type { Connection, Peer, Service, TlsContexts } from './types.ts';

/** What becomes of the connections of one listener. */
export interface IntakeListener {
  /** Name for logs, such as `pop3s`. */
  readonly name: string;
  readonly service: Service;
  readonly mode: 'plain' | 'implicit-tls';
  /** Balancers, which must send a PROXY header; nobody where it is missing. */
  readonly proxyFrom?: AddressRanges;
  readonly refusal: RefusalStyle;
}

export interface IntakeOptions {
  /** Needed as soon as a listener has implicit TLS. */
  readonly tls: TlsContexts | undefined;
  readonly proxyTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  /** Limits for clients behind balancers, whom the process that accepts cannot tell apart. */
  readonly proxied?: Admission;
  readonly random: Random;
  readonly logger: Logger;
}

/** What the process that accepted the socket knows of the client; else the socket is asked. */
export interface Remote {
  readonly address: string;
  readonly port: number;
}

export interface Intake {
  /** Takes over a socket. `closed` is called when it is closed, be it at once. */
  take(socket: Socket, listener: IntakeListener, remote?: Remote, closed?: () => void): void;
  /** Connections that wait for a header or a handshake. */
  readonly pending: number;
  /** Closes what is pending. Connections that a service has are the service's. */
  close(): void;
  /**
   * Closes every connection, at once and whoever has it: the process ends. One that hangs in the
   * kernel keeps what it has open, so that clients would wait for as long.
   */
  abandon(): void;
}

/** First probe after two minutes without a sign, to notice a peer that vanished. */
const KEEPALIVE_MS = 120_000;

export function createIntake(options: IntakeOptions): Intake {
  const random = pooled(options.random);
  const pending = new Set<Socket>();
  const all = new Set<Socket>();

  function give(connection: Connection, listener: IntakeListener): void {
    try {
      listener.service.handle(connection);
    } catch (error) {
      options.logger.error({ trace: connection.id, service: listener.name, error }, 'no session');
      connection.socket.destroy();
    }
  }

  return {
    take: (socket, listener, remote, closed) => {
      socket.on('error', ignore); // First of all: it may be dead already.
      const peer = peerOf(socket, remote, random);
      if (socket.destroyed || !peer) {
        socket.destroy();
        closed?.();
        return;
      }
      pending.add(socket);
      all.add(socket);
      socket.once('close', () => {
        pending.delete(socket);
        all.delete(socket);
        closed?.();
      });
      socket.setNoDelay(true);
      socket.setKeepAlive(true, KEEPALIVE_MS);
      const isPlain = listener.mode === 'plain' && !listener.proxyFrom?.has(peer.remoteAddress);
      if (isPlain) {
        // The common case, without a promise: each poll of a mailbox comes through here.
        pending.delete(socket);
        give({ ...peer, socket, secure: false, servername: undefined }, listener);
      } else {
        prepare(socket, listener, peer, options)
          .then((connection) => {
            pending.delete(socket);
            if (connection) give(connection, listener);
          })
          .catch((error: unknown) => {
            options.logger.error({ trace: peer.id, error }, 'connection could not be prepared');
            socket.destroy();
          });
      }
    },
    get pending() {
      return pending.size;
    },
    close: () => {
      for (const socket of pending) socket.destroy();
    },
    abandon: () => {
      for (const socket of all) socket.destroy();
    },
  };
}

const ignore = (): void => {}; // 'close' follows, and is what everybody acts upon.

/** Asking for chance costs 9 µs however little one asks for; a session's id is 12 octets of it. */
function pooled(random: Random): Random {
  let pool = new Uint8Array(0);
  return {
    bytes: (n) => {
      if (pool.length < n) pool = random.bytes(n * POOL_IDS).slice();
      const taken = pool.subarray(0, n);
      pool = pool.subarray(n);
      return taken;
    },
  };
}

const POOL_IDS = 128;

function peerOf(socket: Socket, remote: Remote | undefined, random: Random): Peer | undefined {
  const remoteAddress = remote?.address ?? socket.remoteAddress;
  const { localAddress } = socket;
  if (remoteAddress === undefined || localAddress === undefined) return undefined;
  return {
    remoteAddress: normaliseAddress(remoteAddress),
    remotePort: remote?.port ?? socket.remotePort ?? 0,
    localAddress: normaliseAddress(localAddress),
    localPort: socket.localPort ?? 0,
    id: traceId(random),
  };
}

/** Header and handshake, as the listener wants them; undefined when the connection is closed. */
async function prepare(
  socket: Socket,
  listener: IntakeListener,
  peer: Peer,
  options: IntakeOptions,
): Promise<Connection | undefined> {
  const isBalancer = (listener.proxyFrom ?? NO_ADDRESSES).has(peer.remoteAddress);
  const client = isBalancer ? await clientBehind(socket, listener, peer, options) : peer;
  if (!client || listener.mode === 'implicit-tls') {
    return client && handshake(socket, client, options);
  }
  return { ...client, socket, secure: false, servername: undefined };
}

/** Who is behind a balancer; undefined when the connection is closed. */
async function clientBehind(
  socket: Socket,
  listener: IntakeListener,
  peer: Peer,
  options: IntakeOptions,
): Promise<Peer | undefined> {
  const addresses = await readHeader(socket, listener, peer, options);
  if (addresses === 'refused') return undefined;
  if (!addresses) return peer;
  const verdict = options.proxied?.admit(addresses.remoteAddress);
  if (typeof verdict === 'string') {
    refuse(socket, listener.mode === 'plain' ? listener.refusal : 'silent', verdict);
    return undefined;
  }
  socket.once('close', () => verdict?.release());
  if (socket.destroyed) verdict?.release();
  return { ...peer, ...addresses };
}

type PeerAddresses = Omit<Peer, 'id'>;

/** The client's addresses, undefined when the balancer speaks for itself, or `refused`. */
async function readHeader(
  socket: Socket,
  listener: IntakeListener,
  peer: Peer,
  options: IntakeOptions,
): Promise<PeerAddresses | undefined | 'refused'> {
  const outcome = await readProxyHeader(socket, options.proxyTimeoutMs);
  if (!outcome.ok) {
    proxyHeaders.inc(outcome.reason);
    // A balancer that only looks whether the port is open sends nothing: no reason to complain.
    const level = outcome.reason === 'closed' ? 'debug' : 'warn';
    options.logger[level](
      { code: 'MF-NET-006', balancer: peer.remoteAddress, service: listener.name, ...outcome },
      'no valid PROXY header from a balancer: MF-NET-006',
    );
    socket.destroy();
    return 'refused';
  }
  const { addresses } = outcome.header;
  proxyHeaders.inc(addresses ? 'accepted' : 'local');
  return addresses && fromHeader(addresses);
}

const fromHeader = (addresses: ProxyAddresses): PeerAddresses => ({
  remoteAddress: addresses.sourceAddress,
  remotePort: addresses.sourcePort,
  localAddress: addresses.destinationAddress,
  localPort: addresses.destinationPort,
});

/** The handshake of implicit TLS (RFC 8314 §3); undefined when it failed and all is closed. */
function handshake(
  socket: Socket,
  peer: Peer,
  options: IntakeOptions,
): Promise<Connection | undefined> {
  const { tls, logger, handshakeTimeoutMs } = options;
  if (!tls) {
    tlsHandshakes.inc('no-certificate');
    socket.destroy();
    return Promise.resolve(undefined);
  }
  return new Promise((resolve) => {
    const secure = new TLSSocket(socket, {
      isServer: true,
      secureContext: tls.context(undefined),
      SNICallback: (name, callback) => callback(null, tls.context(name)),
    });
    const fail = (result: 'failed' | 'timeout') => {
      clearTimeout(timer);
      tlsHandshakes.inc(result);
      const { remoteAddress } = peer;
      logger.debug({ trace: peer.id, remoteAddress, result, reason }, 'TLS handshake failed');
      secure.destroy();
      resolve(undefined);
    };
    let reason: string | undefined;
    const onClose = (): void => fail('failed');
    const timer = setTimeout(() => {
      secure.off('close', onClose);
      fail('timeout');
    }, handshakeTimeoutMs);
    secure.on('error', ignore).once('close', onClose);
    // Not in Node's documentation; it only makes the line of the log better.
    secure.on('_tlsError', (error: Error) => (reason = error.message));
    secure.once('secure', () => {
      clearTimeout(timer);
      secure.off('close', onClose);
      tlsHandshakes.inc('ok');
      const servername = nameOf(secure);
      resolve({ ...peer, socket: secure, secure: true, servername });
    });
  });
}

/** The name asked for by SNI. Node has it on the socket but not in its types. */
function nameOf(secure: TLSSocket): string | undefined {
  const { servername } = secure as TLSSocket & { readonly servername?: string | false | null };
  return typeof servername === 'string' && servername !== '' ? servername : undefined;
}
