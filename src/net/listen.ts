/** Binding an address, with errors that say what to do. */
import { createServer, type Server, type ServerOpts, type Socket } from 'node:net';
import { formatHostPort } from './address.ts';

export interface BindOptions {
  readonly host: string;
  readonly port: number;
  readonly onConnection: (socket: Socket) => void;
  /** accept(2) failed; the server goes on listening. */
  readonly onAcceptError: (error: NodeJS.ErrnoException) => void;
  readonly pauseOnConnect: ServerOpts['pauseOnConnect'];
}

/** An address could not be bound; `code` is the row of errors.ts. */
export class ListenError extends Error {
  readonly code: 'MF-NET-001' | 'MF-NET-002' | 'MF-NET-003';
  constructor(host: string, port: number, cause: NodeJS.ErrnoException) {
    const code = LISTEN_CODES[cause.code ?? ''] ?? 'MF-NET-003';
    const reason = LISTEN_PROSE[code] ?? cause.message;
    super(`${formatHostPort(host, port)} ${reason} (${cause.code}): ${code}`, { cause });
    this.name = 'ListenError';
    this.code = code;
  }
}

const LISTEN_CODES: Readonly<Record<string, ListenError['code']>> = {
  EADDRINUSE: 'MF-NET-001',
  EACCES: 'MF-NET-002',
  EPERM: 'MF-NET-002',
};

const LISTEN_PROSE: Readonly<Record<ListenError['code'], string>> = {
  'MF-NET-001': 'is taken by another process',
  'MF-NET-002': 'needs a right this process does not have',
  'MF-NET-003': 'is not an address of this machine that can be used',
};

/** Connections the kernel keeps until they are accepted; net.core.somaxconn bounds it. */
const BACKLOG = 4096;

/** Listens on one address. @throws ListenError. */
export function bind(options: BindOptions): Promise<Server> {
  const { host, port } = options;
  return new Promise((resolve, reject) => {
    const server = createServer(
      { pauseOnConnect: options.pauseOnConnect ?? false },
      options.onConnection,
    );
    const onError = (error: NodeJS.ErrnoException): void => {
      server.close();
      reject(new ListenError(host, port, error));
    };
    server.once('error', onError);
    // `::` takes IPv4 too, `exclusive` keeps node:cluster out of it.
    server.listen({ host, port, backlog: BACKLOG, exclusive: true }, () => {
      server.off('error', onError).on('error', options.onAcceptError);
      resolve(server);
    });
  });
}

/** The port that a server got, for those that asked for 0. */
export function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
