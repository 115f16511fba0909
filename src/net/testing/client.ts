import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

/** A client that collects what it is told. */
export interface Client {
  readonly socket: Socket;
  /** Everything received so far. */
  text(): string;
  /** The first line, when it is there; what there was when the connection ended before. */
  line(): Promise<string>;
  /** Resolves when the connection is closed, with everything received. */
  closed(): Promise<string>;
}

/** Connects from 127.0.0.1, or from another loopback address. */
export function connectClient(port: number, from = '127.0.0.1', host = '127.0.0.1'): Client {
  const socket = connect({ port, host, localAddress: from });
  return collect(socket);
}

/** Collects from any socket, TLS too. */
export function collect(socket: Socket): Client {
  let text = '';
  let isClosed = false;
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => (text += chunk));
  socket.on('error', () => {});
  socket.on('close', () => (isClosed = true));
  return {
    socket,
    text: () => text,
    line: async () => {
      while (!text.includes('\r\n') && !isClosed) {
        await Promise.race([once(socket, 'data'), once(socket, 'close')]).catch(() => {});
      }
      return text.split('\r\n')[0] ?? '';
    },
    closed: async () => {
      while (!isClosed) await once(socket, 'close').catch(() => {});
      return text;
    },
  };
}
