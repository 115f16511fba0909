import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { traceId } from '../../base/ids.ts';
import { systemRandom } from '../../base/random.ts';
import type { Service, TlsContexts } from '../../net/types.ts';

/** A listener in this process that gives its connections to a service, as net/ does. */
export interface TestListener {
  readonly port: number;
  close(): Promise<void>;
}

/** @param options `peer`: the address the service is told; `tls`: implicit TLS. */
export async function listen(
  service: Service,
  options: { readonly peer?: string; readonly tls?: TlsContexts } = {},
): Promise<TestListener> {
  const give = (socket: Socket | TLSSocket, secure: boolean): void =>
    service.handle({
      socket,
      secure,
      servername: undefined,
      id: traceId(systemRandom),
      remoteAddress: options.peer ?? '127.0.0.1',
      remotePort: socket.remotePort ?? 0,
      localAddress: '127.0.0.1',
      localPort: socket.localPort ?? 0,
    });
  const server = createServer((socket) => {
    if (!options.tls) return give(socket, false);
    const secureContext = options.tls.context(undefined);
    const tlsSocket = new TLSSocket(socket, { isServer: true, secureContext });
    tlsSocket.once('secure', () => give(tlsSocket, true));
    tlsSocket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close();
      await service.drain(0);
    },
  };
}
