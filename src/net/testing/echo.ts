import type { Connection, Service } from '../types.ts';

/**
 * A service for tests: greets with who it sees, sends back what it gets, ends at `quit`. The
 * greeting is JSON, so that a test reads what the service was told.
 */
export function echoService(extra: object = {}): Service & { readonly seen: Connection[] } {
  const seen: Connection[] = [];
  const open = new Set<Connection>();
  return {
    seen,
    get connections() {
      return open.size;
    },
    handle: (connection) => {
      const { socket, ...told } = connection;
      seen.push(connection);
      open.add(connection);
      socket.on('error', () => {});
      socket.on('close', () => open.delete(connection));
      socket.write(`${JSON.stringify({ ...told, ...extra })}\r\n`);
      socket.on('data', (chunk: Buffer) => {
        if (chunk.toString('latin1').startsWith('quit')) socket.end('bye\r\n');
        else socket.write(chunk);
      });
    },
    drain: async () => {
      for (const { socket } of open) socket.destroy();
    },
  };
}
