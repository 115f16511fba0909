/**
 * A proxy between an NFS client and the server that makes the failures of a network and of a
 * server which one cannot make otherwise, at an exact call: hang from the first RENAME on, swallow
 * the reply of a LINK and close the connection, delay all. A client mounts through it (`port=`).
 *
 * To the client each proxy is a server of its own: Linux gives all mounts of one server one
 * connection, that of the first (trunking), and finds out by the client id which the server gives
 * it. So the proxy changes the name that the client gives itself, in place, and gets it another id.
 *
 * A hang is that of a server whose network works: connections stand and open, calls are taken and
 * kept, and nothing is answered. When it ends, what was kept goes on its way in order.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { type NfsOperation, parseRecord, RecordReader } from './nfs-rpc.ts';

export interface NfsProxyOptions {
  readonly host: string;
  readonly port: number;
  readonly server: { readonly host: string; readonly port: number };
  /** Five octets that stand in the client's name in place of `Linux`. */
  readonly name: string;
  /** Each call as it comes; for counting. */
  readonly onCall?: (operation: NfsOperation, record: Buffer) => void;
}

interface Wish {
  readonly operation: NfsOperation;
  readonly met: () => void;
}

export class NfsProxy {
  readonly #options: NfsProxyOptions;
  readonly #listener: Server;
  readonly #links = new Set<Link>();
  #hanging = false;
  #hangFrom: Wish | undefined;
  #lose: (Wish & { readonly reconnect: Promise<void> }) | undefined;
  #reachable: Promise<void> = Promise.resolve();
  #delayMs = 0;

  private constructor(options: NfsProxyOptions) {
    this.#options = options;
    this.#listener = createServer({ noDelay: true }, (client) => void this.#accept(client));
  }

  static async listen(options: NfsProxyOptions): Promise<NfsProxy> {
    const proxy = new NfsProxy(options);
    proxy.#listener.listen(options.port, options.host);
    await once(proxy.#listener, 'listening');
    return proxy;
  }

  get hanging(): boolean {
    return this.#hanging;
  }

  /** Nothing is answered any more. */
  hang(): void {
    this.#hanging = true;
  }

  /** Hangs from the first such call on, which the server does not see. Resolves when it came. */
  hangFrom(operation: NfsOperation): Promise<void> {
    return new Promise((met) => {
      this.#hangFrom = { operation, met };
    });
  }

  /**
   * The server performs the next such call, its answer is lost with the connection. Resolves when
   * that was. The client reaches the server again when `reconnect` has come about.
   */
  loseReply(operation: NfsOperation, reconnect = Promise.resolve()): Promise<void> {
    return new Promise((met) => {
      this.#lose = { operation, met, reconnect };
    });
  }

  /** Every call comes so much later. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Everything passes again; what was kept goes on. */
  pass(): void {
    this.#hanging = false;
    this.#hangFrom = undefined;
    this.#lose = undefined;
    this.#delayMs = 0;
    for (const link of this.#links) link.flush();
  }

  close(): void {
    this.#listener.close();
    for (const link of this.#links) link.close();
  }

  async #accept(client: Socket): Promise<void> {
    client.on('error', () => {});
    client.pause();
    await this.#reachable;
    if (client.destroyed) return;
    const server = connect({ ...this.#options.server, noDelay: true });
    const link: Link = new Link(client, server, {
      keeps: () => this.#hanging,
      onCall: (record, carry) => this.#called(link, record, carry),
      onClosed: () => this.#links.delete(link),
    });
    this.#links.add(link);
    client.resume();
  }

  #called(link: Link, record: Buffer, carry: () => void): void {
    const { operation, owner, ...call } = { owner: undefined, ...callOf(record) };
    if (owner !== undefined) record.write(this.#options.name, owner.start, 5, 'latin1');
    this.#options.onCall?.(operation, record);
    if (this.#hangFrom?.operation === operation) {
      this.#hanging = true;
      this.#hangFrom.met();
      this.#hangFrom = undefined;
    }
    const lose = this.#lose;
    if (lose?.operation === operation) {
      this.#lose = undefined;
      link.loseReply(call.xid, () => {
        this.#reachable = lose.reconnect;
        lose.met();
      });
    }
    if (this.#delayMs > 0) setTimeout(carry, this.#delayMs);
    else carry();
  }
}

function callOf(record: Buffer): {
  readonly xid: number;
  readonly operation: NfsOperation;
  readonly owner?: { readonly start: number } | undefined;
} {
  const parsed = parseRecord(record);
  // The client answers a call of the server's.
  return parsed.kind === 'call' ? parsed : { xid: parsed.xid, operation: 'OTHER' };
}

interface LinkOptions {
  readonly keeps: () => boolean;
  readonly onCall: (record: Buffer, carry: () => void) => void;
  readonly onClosed: () => void;
}

/** One connection of the client and one to the server. */
class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #options: LinkOptions;
  readonly #kept: { readonly to: Socket; readonly record: Buffer }[] = [];
  #lost: { readonly xid: number; readonly lost: () => void } | undefined;

  constructor(client: Socket, server: Socket, options: LinkOptions) {
    this.#client = client;
    this.#server = server;
    this.#options = options;
    const [calls, replies] = [new RecordReader(), new RecordReader()];
    client.on('data', (chunk) => {
      for (const record of calls.push(chunk)) {
        options.onCall(record, () => this.#carry(server, record));
      }
    });
    server.on('data', (chunk) => {
      for (const record of replies.push(chunk)) this.#reply(record);
    });
    for (const socket of [client, server]) {
      socket.on('error', () => {});
      socket.on('close', () => this.close());
    }
  }

  loseReply(xid: number, lost: () => void): void {
    this.#lost = { xid, lost };
  }

  flush(): void {
    for (const { to, record } of this.#kept.splice(0)) to.write(record);
  }

  close(): void {
    this.#client.destroy();
    this.#server.destroy();
    this.#options.onClosed();
  }

  #reply(record: Buffer): void {
    const { kind, xid } = parseRecord(record);
    if (kind === 'reply' && this.#lost?.xid === xid) {
      this.#lost.lost();
      return this.close();
    }
    if (!this.#client.destroyed) this.#carry(this.#client, record);
  }

  #carry(to: Socket, record: Buffer): void {
    if (this.#options.keeps()) this.#kept.push({ to, record });
    else to.write(record);
  }
}
