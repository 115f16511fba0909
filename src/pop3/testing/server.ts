import { TestAuthenticator } from '../../auth/testing.ts';
import { systemClock } from '../../base/clock.ts';
import { defaults } from '../../config/options.ts';
import type { Logger } from '../../log/types.ts';
import { silentLogger } from '../../log/types.ts';
import type { MailStore } from '../../mailbox/types.ts';
import { served } from '../../net/testing/served.ts';
import type { Service, TlsContexts } from '../../net/types.ts';
import { POP3_OPTIONS, type Pop3OptionValues } from '../options.ts';
import { createPop3Service, type Pop3ServiceOptions } from '../service.ts';

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
  const tls = options.tlsMode === 'implicit' ? options.tls : undefined;
  const { port, close } = await served({ service, tls, remoteAddress: options.remoteAddress });
  return { port, service, auth, close };
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
