import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Service, TlsContexts } from '../types.ts';

export interface ServedOptions {
  readonly service: Service;
  /** What the service is told of the address of every client. */
  readonly remoteAddress?: string | undefined;
  /** TLS from the first octet. */
  readonly tls?: TlsContexts | undefined;
}

export interface Served {
  readonly port: number;
  /** No more connections; those that are open are ended at once. */
  close(): Promise<void>;
}

/** The service behind a listener of its own on a free port of 127.0.0.1. */
export async function served(options: ServedOptions): Promise<Served> {
  const { service, tls, remoteAddress = '127.0.0.1' } = options;
  let sessions = 0;
  const begin = async (plain: Socket): Promise<void> => {
    sessions += 1;
    const id = `session${sessions}`;
    const socket = tls === undefined ? plain : await secured(plain, tls);
    service.handle({
      socket,
      secure: tls !== undefined,
      servername: undefined,
      remoteAddress,
      remotePort: plain.remotePort ?? 0,
      localAddress: '127.0.0.1',
      localPort: plain.localPort ?? 0,
      id,
    });
  };
  const how = { pauseOnConnect: true, noDelay: true };
  const listener = createServer(how, (plain) => void begin(plain));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const close = async (): Promise<void> => {
    listener.close();
    await service.drain(0);
  };
  return { port, close };
}

async function secured(plain: Socket, tls: TlsContexts): Promise<Socket> {
  const socket = new TLSSocket(plain, { isServer: true, secureContext: tls.context(undefined) });
  plain.resume();
  await once(socket, 'secure');
  return socket;
}
