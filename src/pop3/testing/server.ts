import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Attempt, Authenticator, Verdict } from '../../auth/types.ts';
import { systemClock } from '../../base/clock.ts';
import { defaults } from '../../config/options.ts';
import type { Logger } from '../../log/types.ts';
import { silentLogger } from '../../log/types.ts';
import type { MailStore } from '../../mailbox/types.ts';
import type { Service, TlsContexts } from '../../net/types.ts';
import { POP3_OPTIONS, type Pop3OptionValues } from '../options.ts';
import { createPop3Service, type Pop3ServiceOptions } from '../service.ts';
import { TEST_ACCOUNT } from './store.ts';

/** Accepts one password, remembers every attempt. */
export class TestAuthenticator implements Authenticator {
  readonly attempts: Attempt[] = [];
  verdict: Verdict | undefined;
  before: (() => Promise<void>) | undefined;

  async verify(attempt: Attempt): Promise<Verdict> {
    this.attempts.push(attempt);
    await this.before?.();
    if (this.verdict !== undefined) return this.verdict;
    return attempt.login === 'tevie' && attempt.password === 'secret word'
      ? { kind: 'accepted', account: TEST_ACCOUNT }
      : { kind: 'refused' };
  }
}

export type LogLine = Record<string, unknown> & {
  readonly level: string;
  readonly message: string;
};

export const collectingLogger = (lines: LogLine[]): Logger => {
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ ...fields, level, message });
  const logger: Logger = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  };
  return logger;
};

export interface TestServer {
  readonly port: number;
  readonly service: Service;
  readonly auth: TestAuthenticator;
  close(): Promise<void>;
}

export interface TestServerOptions {
  readonly store: MailStore;
  readonly values?: { -readonly [K in keyof Pop3OptionValues]?: Pop3OptionValues[K] };
  readonly tls?: TlsContexts;
  readonly tlsMode?: 'implicit' | 'stls';
  readonly remoteAddress?: string;
  readonly logger?: Logger;
  readonly extra?: Partial<Pop3ServiceOptions>;
}

/** The service behind a listener of its own on a free port of 127.0.0.1. */
export async function startServer(options: TestServerOptions): Promise<TestServer> {
  const auth = new TestAuthenticator();
  const service = createPop3Service({
    store: options.store,
    auth,
    tls: options.tls ?? 'none',
    values: { ...defaults(POP3_OPTIONS), ...options.values },
    logger: options.logger ?? silentLogger,
    clock: systemClock,
    hostName: 'pop.farm.example',
    sweepMs: 20,
    ...options.extra,
  });
  let sessions = 0;
  const listener = createServer({ pauseOnConnect: true }, (socket) => {
    sessions += 1;
    void accept(socket, options).then((ready) =>
      service.handle({
        socket: ready,
        secure: ready instanceof TLSSocket,
        servername: undefined,
        remoteAddress: options.remoteAddress ?? '127.0.0.1',
        remotePort: socket.remotePort ?? 0,
        localAddress: '127.0.0.1',
        localPort: 110,
        id: `session${sessions}`,
      }),
    );
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const close = async (): Promise<void> => {
    listener.close();
    await service.drain(0);
  };
  return { port: (listener.address() as AddressInfo).port, service, auth, close };
}

async function accept(socket: Socket, options: TestServerOptions): Promise<Socket> {
  if (options.tlsMode !== 'implicit' || options.tls === undefined) return socket;
  const secureContext = options.tls.context(undefined);
  const secured = new TLSSocket(socket, { isServer: true, secureContext });
  socket.resume();
  await once(secured, 'secure');
  return secured;
}

/** Starts a server, runs, closes it, whatever happens. */
export async function withServer<T>(
  options: TestServerOptions,
  run: (server: TestServer) => Promise<T>,
): Promise<T> {
  const server = await startServer(options);
  try {
    return await run(server);
  } finally {
    await server.close();
  }
}
