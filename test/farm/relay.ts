import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A wire to a server that a test can make silent, as a host that hangs: nothing is refused. */
export interface Relay {
  readonly url: string;
  /** From now on nothing comes through, in either direction; connections are still taken. */
  hold(): void;
  /** Everything that waited goes on its way. */
  release(): void;
  close(): void;
}

/** @param url of the LDAP server behind it */
export async function startRelay(url: string): Promise<Relay> {
  const port = Number(new URL(url).port);
  const sockets = new Set<Socket>();
  let held = false;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    if (held) socket.pause();
    return socket;
  };
  const server = createServer((client) => {
    const behind = keep(connect(port, '127.0.0.1'));
    keep(client);
    client.on('data', (chunk) => behind.write(chunk));
    behind.on('data', (chunk) => client.write(chunk));
    client.on('close', () => behind.destroy());
    behind.on('close', () => client.destroy());
    if (held) for (const socket of [client, behind]) socket.pause();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `ldap://127.0.0.1:${address.port}`,
    hold: () => {
      held = true;
      for (const socket of sockets) socket.pause();
    },
    release: () => {
      held = false;
      for (const socket of sockets) socket.resume();
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
