/**
 * The web of a worker: a `Service` that `net` hands sockets to, around a server of HTTP/1.1 that
 * never listens itself. JMAP and webmail register their routes with it.
 *
 * Invariants.
 * - A connection belongs to `#open` from `handle` until its socket is closed; `drain` waits for
 *   exactly these.
 * - The framework is loaded when the service is made, not when the program starts: a node that
 *   serves no web pays neither its 16 MB nor its time. Connections that come before it is there
 *   wait, paused; what they have sent stays in the kernel.
 * - A connection that has no request under way at the begin of a drain is closed at once. One that
 *   sends a request in that very moment finds it closed, as with every server that closes an idle
 *   connection (RFC 9112 §9.5): balancers and browsers send it again on another.
 * - Streams without end (RFC 8620 §7.3) are told by `onDrain`, and end by themselves.
 */
import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Connection, Service } from '../net/types.ts';
import { webConnections } from './web-metrics.ts';
import type { WebAppOptions } from './web-app.ts';

export type WebServiceOptions = Omit<WebAppOptions, 'connectionOf' | 'onDrain' | 'draining'>;

export function createWebService(options: WebServiceOptions): Service {
  return new WebService(options);
}

interface Opened {
  readonly connection: Connection;
  /** Requests under way; more than one where a client pipelines. */
  requests: number;
}

class WebService implements Service {
  readonly #open = new Map<Socket, Opened>();
  readonly #streams = new Set<() => void>();
  readonly #options: WebServiceOptions;
  readonly #starting: Promise<void>;
  #server: Server | undefined;
  #draining = false;
  #empty: (() => void) | undefined;

  constructor(options: WebServiceOptions) {
    this.#options = options;
    this.#starting = this.#start();
    this.#starting.catch((error: unknown) => {
      options.logger.error({ error }, 'the web cannot start: MF-HTTP-003');
      for (const socket of this.#open.keys()) socket.destroy();
    });
  }

  get connections(): number {
    return this.#open.size;
  }

  handle(connection: Connection): void {
    const { socket } = connection;
    if (this.#draining || socket.destroyed) return void socket.destroy();
    this.#open.set(socket, { connection, requests: 0 });
    webConnections.count += 1;
    socket.once('close', () => {
      webConnections.count -= 1;
      this.#open.delete(socket);
      if (this.#open.size === 0) this.#empty?.();
    });
    if (this.#server) return this.#give(socket, this.#server);
    this.#starting.then(
      () => this.#server && this.#give(socket, this.#server),
      () => socket.destroy(),
    );
  }

  async drain(ms: number): Promise<void> {
    this.#draining = true;
    await this.#starting.catch(() => {});
    for (const end of this.#streams) end();
    for (const [socket, { requests }] of this.#open) if (requests === 0) socket.destroy();
    const limit = setTimeout(() => {
      for (const socket of this.#open.keys()) socket.destroy();
    }, ms);
    if (this.#open.size > 0) {
      await new Promise<void>((resolve) => {
        this.#empty = resolve;
      });
    }
    clearTimeout(limit);
    this.#server?.close(); // Ends its timer; it never listened.
  }

  async #start(): Promise<void> {
    const { openWebApp } = await import('./web-app.ts');
    const server = await openWebApp({
      ...this.#options,
      connectionOf: (socket) => this.#open.get(socket)?.connection,
      draining: () => this.#draining,
      onDrain: (end) => {
        this.#streams.add(end);
        if (this.#draining) queueMicrotask(end);
        return () => void this.#streams.delete(end);
      },
    });
    server.on('request', ({ socket }, response) => this.#count(socket, response));
    // A server that listens begins to watch the times of its connections with this event.
    server.emit('listening');
    this.#server = server;
  }

  #give(socket: Socket, server: Server): void {
    if (socket.destroyed) return;
    server.emit('connection', socket);
    socket.resume(); // It came paused.
  }

  #count(socket: Socket, response: ServerResponse): void {
    const opened = this.#open.get(socket);
    if (!opened) return;
    opened.requests += 1;
    response.once('close', () => {
      opened.requests -= 1;
      if (this.#draining && opened.requests === 0) socket.destroySoon();
    });
  }
}
