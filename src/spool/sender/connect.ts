/**
 * A connection to one address, up to the point where letters can be given: TCP from this node's own
 * address (S4-04), greeting, EHLO with its own name (S4-11), TLS as its policy wants, login.
 *
 * Where TLS is a bonus (`may`), a handshake that fails costs a second connection without it, and
 * the address is remembered for an hour. Where it has to be, there is no second connection.
 */
import { connect, isIP, type Socket } from 'node:net';
import {
  connect as connectTls,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { Duplex } from 'node:stream';
import { SmtpClient } from '../../smtp/client/client.ts';
import { ClientFault } from '../../smtp/client/types.ts';
import { FARM_KEYWORD } from '../../smtp/farm-mark.ts';
import { daneFault } from './dane.ts';
import type { Target, Targets, Verdict } from './hosts.ts';
import { connections as counted } from './metrics.ts';
import type { SenderParts } from './types.ts';

export type TlsState = 'none' | 'encrypted' | 'verified' | 'dane';

/** One that letters can be given to. */
export interface Connection {
  readonly client: SmtpClient;
  readonly target: Target;
  readonly tls: TlsState;
  /** `TLSv1.3`, or ''. */
  readonly protocol: string;
  /** Letters that went over it. */
  letters: number;
  idleSince: number;
  /** Cuts it off at once. */
  destroy(why: string): void;
}

/** Why there is none. */
export interface ConnectFault extends Verdict {
  readonly target: Target;
  /** What the peer said last, code first. */
  readonly reply: string | undefined;
}

export type ConnectParts = Pick<
  SenderParts,
  'clock' | 'options' | 'source' | 'cookie' | 'secrets' | 'network'
>;

/** Addresses whose handshake failed lately. */
const PLAIN_MS = 3_600_000;
const PLAIN_MAX = 1000;

const BUSY: Verdict = {
  kind: 'later',
  status: '4.4.5',
  text: 'its hosts have as many connections of ours as they may',
  busy: true,
};

export class Connector {
  readonly #parts: ConnectParts;
  readonly #plain = new Map<string, number>();
  #context: SecureContext | undefined;
  #open = 0;
  readonly #openTo = new Map<string, number>();

  constructor(parts: ConnectParts) {
    this.#parts = parts;
  }

  /** Sockets that are open now. */
  get open(): number {
    return this.#open;
  }

  /** Whether there are as many to its address as there may be. */
  isBusy({ address, chosen }: Target): boolean {
    const max = this.#parts.options['relay.connections.address'];
    return !chosen && (this.#openTo.get(address) ?? 0) >= max;
  }

  /**
   * Connections to targets, in their order.
   * @param ways.makeRoom is called before each that is made
   * @param ways.spare one that others have no use for, where an address has enough
   */
  async *connectAll(
    targets: Targets,
    signal: AbortSignal,
    ways: { readonly makeRoom: () => void; readonly spare: (to: Target) => Connection | undefined },
  ): AsyncGenerator<Connection | ConnectFault, Verdict, void> {
    let busy: Verdict | undefined;
    for (;;) {
      const next = await targets.next();
      if (signal.aborted) return { ...BUSY, text: String(signal.reason), busy: false };
      if (next.done === true) return busy ?? next.value;
      if (this.isBusy(next.value)) {
        const spare = ways.spare(next.value);
        if (spare) yield spare;
        else busy = BUSY;
        continue;
      }
      ways.makeRoom();
      const made = await this.connect(next.value, signal);
      counted.inc('client' in made ? 'made' : 'failed');
      yield made;
    }
  }

  /** Never rejects. @param signal ends it, and only that: not the connection once it is there */
  async connect(target: Target, signal: AbortSignal): Promise<Connection | ConnectFault> {
    const first = await this.#try(target, this.#wantsTls(target), signal);
    if (!(first instanceof HandshakeFailed)) return first;
    this.#rememberPlain(target.address);
    const second = await this.#try(target, false, signal);
    return second instanceof HandshakeFailed ? second.fault : second;
  }

  #wantsTls({ address, security }: Target): boolean {
    if (security.kind === 'never') return false;
    return security.kind !== 'may' || (this.#plain.get(address) ?? 0) < this.#parts.clock.now();
  }

  #rememberPlain(address: string): void {
    if (this.#plain.size >= PLAIN_MAX) this.#plain.clear();
    this.#plain.set(address, this.#parts.clock.now() + PLAIN_MS);
  }

  async #try(
    target: Target,
    tls: boolean,
    signal: AbortSignal,
  ): Promise<Connection | ConnectFault | HandshakeFailed> {
    let socket: Socket | undefined;
    const cut = (): void => void socket?.destroy();
    try {
      socket = await this.#dial(target);
      signal.addEventListener('abort', cut);
      if (signal.aborted) cut();
      return await this.#converse(socket, target, tls);
    } catch (error) {
      socket?.destroy();
      const fault = faultOf(signal.aborted ? signal.reason : error, target);
      if (signal.aborted) return fault;
      const isHandshake = error instanceof ClientFault && error.kind === 'tls';
      return isHandshake && target.security.kind === 'may' ? new HandshakeFailed(fault) : fault;
    } finally {
      signal.removeEventListener('abort', cut);
    }
  }

  #dial({ address, port }: Target): Promise<Socket> {
    const { source, options } = this.#parts;
    const ms = options['relay.connect.timeout'];
    const local = isIP(address) === 6 ? source.v6 : source.v4;
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: address,
        port,
        noDelay: true,
        ...(local === undefined || local === '' ? {} : { localAddress: local }),
      });
      this.#count(address, 1);
      socket.once('close', () => this.#count(address, -1));
      const fail = (text: string): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(new ClientFault('closed', 'connect', text));
      };
      const timer = setTimeout(() => fail(`no connection within ${ms} ms`), ms);
      const onError = (error: NodeJS.ErrnoException): void =>
        fail(WORDS[error.code ?? ''] ?? error.message);
      socket.once('error', onError);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', onError);
        resolve(socket);
      });
    });
  }

  #count(address: string, one: 1 | -1): void {
    this.#open += one;
    const there = (this.#openTo.get(address) ?? 0) + one;
    if (there > 0) this.#openTo.set(address, there);
    else this.#openTo.delete(address);
  }

  async #converse(socket: Socket, target: Target, tls: boolean): Promise<Connection> {
    const { options, source } = this.#parts;
    const client = new SmtpClient({
      stream: socket,
      protocol: target.protocol,
      helo: source.helo,
      options,
    });
    await client.greeted();
    await client.hello();
    const secured = tls ? await this.#secure(client, target) : undefined;
    this.#refuseOwn(client, target);
    if (target.login !== '') await this.#login(client, target, secured !== undefined);
    return {
      client,
      target,
      tls: secured?.state ?? 'none',
      protocol: secured?.socket.getProtocol() ?? '',
      letters: 0,
      idleSince: 0,
      destroy: (why) => client.destroy(why),
    };
  }

  async #secure(
    client: SmtpClient,
    target: Target,
  ): Promise<{ readonly state: TlsState; readonly socket: TLSSocket } | undefined> {
    const isBonus = target.security.kind === 'may';
    if (!client.extensions.has('STARTTLS')) {
      if (isBonus) return undefined;
      throw new SecurityFault(`${target.host} does not offer STARTTLS, which its policy needs`);
    }
    let secured: { readonly state: TlsState; readonly socket: TLSSocket } | undefined;
    try {
      await client.startTls(async (stream) => {
        const socket = await this.#handshake(stream, target);
        secured = { socket, state: this.#verified(socket, target) };
        return socket;
      });
    } catch (error) {
      if (!(error instanceof ClientFault)) throw error;
      if (isBonus && error.kind === 'refused' && error.phase === 'tls') return undefined;
      if (isBonus) throw error;
      throw new SecurityFault(`${target.host}: ${error.message}`);
    }
    return secured;
  }

  #handshake(stream: Duplex, target: Target): Promise<TLSSocket> {
    const { options, network } = this.#parts;
    const ca = network?.ca ?? getCACertificates('default');
    // Made once: it holds every authority of the world.
    this.#context ??= createSecureContext({ ca: [...ca] });
    const ms = options['smtp.client.tls.timeout'];
    const name = target.host.replace(/^\[|\]$/g, '');
    return new Promise((resolve, reject) => {
      const socket = connectTls({
        socket: stream,
        secureContext: this.#context,
        rejectUnauthorized: false, // Held against the policy below.
        ...(isIP(name) === 0 ? { servername: name, host: name } : { host: name }),
      });
      const fail = (error: Error): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(error);
      };
      const timer = setTimeout(() => fail(new Error(`no end within ${ms} ms`)), ms);
      const onClose = (): void => fail(new Error('the peer closed the connection'));
      socket.once('error', fail);
      socket.once('close', onClose);
      socket.once('secureConnect', () => {
        clearTimeout(timer);
        socket.off('error', fail);
        socket.off('close', onClose);
        resolve(socket);
      });
    });
  }

  /** @throws Error when the certificate is not what the policy wants */
  #verified(socket: TLSSocket, { security }: Target): TlsState {
    if (security.kind === 'verify' && security.why === 'dane') {
      const fault = daneFault(socket, security, this.#parts.clock.now());
      if (fault === undefined) return 'dane';
      socket.destroy();
      throw new Error(fault);
    }
    if (socket.authorized) return 'verified';
    if (security.kind !== 'verify') return 'encrypted';
    socket.destroy();
    throw new Error(`the certificate is not trusted: ${String(socket.authorizationError)}`);
  }

  #refuseOwn(client: SmtpClient, target: Target): void {
    const cookie = this.#parts.cookie();
    if (cookie === undefined || target.chosen) return;
    if (client.extensions.get(FARM_KEYWORD)?.[0]?.toLowerCase() !== cookie) return;
    client.quit();
    throw new OwnFault(`${target.host} (${target.address}) answers as this farm`);
  }

  async #login(client: SmtpClient, target: Target, isSecure: boolean): Promise<void> {
    if (!isSecure) throw new SecurityFault(`${target.host}: no login without TLS`);
    const password = await this.#parts.secrets?.(target.host);
    if (password === undefined) throw new SecretFault(`no password for ${target.host} is stored`);
    await client.login(target.login, password);
  }
}

/** A bonus that was none: it is tried again without. */
class HandshakeFailed {
  readonly fault: ConnectFault;
  constructor(fault: ConnectFault) {
    this.fault = fault;
  }
}
class SecurityFault extends Error {}
class SecretFault extends Error {}
class OwnFault extends Error {}

const NO_SOURCE = 'the source address of this node cannot be used';
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ETIMEDOUT: 'no connection in time',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  EADDRNOTAVAIL: NO_SOURCE,
};

/** RFC 3463: 4.4.1 no answer, 4.4.2 bad connection, 4.7.x security. */
function faultOf(error: unknown, target: Target): ConnectFault {
  const text = error instanceof Error ? error.message : String(error);
  const where = `${target.host} (${target.address}): ${text}`;
  const base = { kind: 'later', target, text: where, reply: undefined } as const;
  if (error instanceof OwnFault) {
    return { ...base, kind: 'fail', status: '5.4.6', text, code: 'MF-REL-001' };
  }
  if (error instanceof SecurityFault) return { ...base, status: '4.7.5', text, code: 'MF-REL-101' };
  if (error instanceof SecretFault) return { ...base, status: '4.7.0', text, code: 'MF-REL-008' };
  if (!(error instanceof ClientFault)) return { ...base, status: '4.3.0' };
  const { reply, phase } = error;
  const status = phase === 'connect' ? '4.4.1' : phase === 'auth' ? '4.7.0' : '4.4.2';
  if (!reply) return { ...base, status, ...(text === NO_SOURCE ? { code: 'MF-REL-103' } : {}) };
  const enhanced = reply.enhanced?.startsWith('4') ? reply.enhanced : status;
  const told = { ...base, status: enhanced, reply: `${reply.code} ${reply.text}` };
  return phase === 'auth' ? { ...told, code: 'MF-REL-102' } : told;
}
