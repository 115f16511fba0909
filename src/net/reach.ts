import { connect } from 'node:net';

/**
 * Whether a port takes connections: for people who want to know which part of the way is broken.
 * Nothing is sent.
 */
export function portState(options: {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}): Promise<'answers' | 'refused' | 'silent'> {
  const { host, port, timeoutMs } = options;
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (state: 'answers' | 'refused' | 'silent'): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(state);
    };
    const timer = setTimeout(() => end('silent'), timeoutMs);
    socket.once('connect', () => end('answers'));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ECONNREFUSED' ? 'refused' : 'silent'),
    );
  });
}
