import { spawn } from 'node:child_process';
import { type Socket, createServer } from 'node:net';
import { dirname } from 'node:path';
import { type InPeers, enter, runInPeers } from './in-peers.ts';

export interface CourierOptions {
  readonly protocol: 'imap' | 'pop3';
  readonly maildir: string;
  /** Directory that holds the Maildir and is shown to Courier; the Maildir's parent by default. */
  readonly bind?: string;
}

/**
 * One session with Courier's server on its standard streams, signed in already, as its login
 * process would start it: POP3 begins with +OK, IMAP with PREAUTH. @returns all it said.
 */
export async function courierSession(options: CourierOptions, input: string): Promise<string> {
  const result = await runInPeers(program(options), {
    ...place(options),
    input: Buffer.from(input, 'latin1'),
    ms: 120_000,
  });
  if (result.code !== 0) throw new Error(`courier: exit ${result.code}\n${result.stderr}`);
  return result.stdout.toString('latin1');
}

/** The same on a port of 127.0.0.1: a process per connection, no login. */
export async function startCourier(
  options: CourierOptions,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const at = place(options);
  const argv = ['--pdeathsig', 'KILL', ...enter(program(options), at)];
  const env = { ...process.env, ...at.env };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const child = spawn('setpriv', argv, { stdio: ['pipe', 'pipe', 'ignore'], env });
    socket.pipe(child.stdin);
    child.stdout.pipe(socket);
    for (const stream of [socket, child.stdin]) stream.on('error', () => child.kill('SIGKILL'));
    sockets.add(socket);
    socket.on('close', () => {
      sockets.delete(socket);
      child.kill('SIGKILL');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { port: address.port, stop };
}

function program(options: CourierOptions): string[] {
  return options.protocol === 'pop3'
    ? ['/usr/lib/courier/courier/courierpop3d', options.maildir]
    : ['/usr/bin/imapd', options.maildir];
}

function place(options: CourierOptions): InPeers {
  const bind = options.bind ?? dirname(options.maildir);
  const env = {
    AUTHENTICATED: 'test',
    AUTHADDR: 'test',
    HOME: bind,
    MAILDIR: options.maildir,
    IMAP_KEYWORDS: '1',
    IMAP_CAPABILITY: 'IMAP4rev1 UIDPLUS NAMESPACE',
  };
  return { bind: [bind], cwd: bind, env };
}
