import { TestAuthenticator } from '../../auth/testing.ts';
import { systemClock } from '../../base/clock.ts';
import { defaults } from '../../config/options.ts';
import type { Account } from '../../directory/types.ts';
import type { Logger } from '../../log/types.ts';
import { silentLogger } from '../../log/types.ts';
import { MemoryStore } from '../../mailbox/memory.ts';
import { served } from '../../net/testing/served.ts';
import type { Service, TlsContexts } from '../../net/types.ts';
import type { Mails } from '../context.ts';
import { IMAP_OPTIONS, type ImapOptionValues } from '../options.ts';
import { createImapService, type ImapServiceOptions } from '../service.ts';

export interface TestServer {
  readonly port: number;
  readonly service: Service;
  readonly auth: TestAuthenticator;
  readonly store: MemoryStore;
  close(): Promise<void>;
}

export interface TestServerOptions {
  /** In INBOX, stored form. */
  readonly messages?: readonly string[];
  readonly account?: Account;
  readonly store?: Mails;
  readonly values?: { -readonly [K in keyof ImapOptionValues]?: ImapOptionValues[K] };
  readonly tls?: TlsContexts;
  readonly remoteAddress?: string;
  readonly logger?: Logger;
  readonly extra?: Partial<ImapServiceOptions>;
}

/** The service behind a listener of its own on a free port of 127.0.0.1. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const auth = new TestAuthenticator();
  if (options.account !== undefined) auth.account = options.account;
  const store = new MemoryStore();
  for (const text of options.messages ?? []) store.deliver(auth.account, Buffer.from(text));
  const service = createImapService({
    store: options.store ?? store,
    auth,
    tls: options.tls ?? 'none',
    values: { ...defaults(IMAP_OPTIONS), ...options.values },
    appendMax: 52_428_800,
    logger: options.logger ?? silentLogger,
    clock: systemClock,
    hostName: 'imap.farm.example',
    sweepMs: 20,
    ...options.extra,
  });
  const { port, close } = await served({ service, remoteAddress: options.remoteAddress });
  return { port, service, auth, store, close };
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
