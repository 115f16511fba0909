import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Attempt, Authenticator, Verdict } from '../../auth/types.ts';
import { systemClock } from '../../base/clock.ts';
import { defaults } from '../../config/options.ts';
import type { Account } from '../../directory/types.ts';
import type { Logger } from '../../log/types.ts';
import { silentLogger } from '../../log/types.ts';
import { MemoryStore } from '../../mailbox/memory.ts';
import type { Service, TlsContexts } from '../../net/types.ts';
import type { Mails } from '../context.ts';
import { IMAP_OPTIONS, type ImapOptionValues } from '../options.ts';
import { createImapService, type ImapServiceOptions } from '../service.ts';

export const TEST_ACCOUNT: Account = {
  id: '0f9c1e52-0000-4000-8000-000000000001',
  dn: 'cn=tevie@t1.example,ou=users,o=farm',
  login: 'tevie@t1.example',
  uid: 2001,
  addresses: ['tevie@t1.example'],
  suspended: [],
  quotaBytes: 0,
  volume: 'mail1',
  path: undefined,
  forwards: [],
  keepsForwarded: false,
  site: undefined,
  vacation: undefined,
};

/** Accepts one password, remembers every attempt. */
export class TestAuthenticator implements Authenticator {
  readonly attempts: Attempt[] = [];
  verdict: Verdict | undefined;
  account = TEST_ACCOUNT;

  async verify(attempt: Attempt): Promise<Verdict> {
    this.attempts.push(attempt);
    if (this.verdict !== undefined) return this.verdict;
    return attempt.login === 'tevie' && attempt.password === 'secret word'
      ? { kind: 'accepted', account: this.account }
      : { kind: 'refused' };
  }
}

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
  let sessions = 0;
  const listener = createServer({ pauseOnConnect: true, noDelay: true }, (socket: Socket) => {
    sessions += 1;
    service.handle({
      socket,
      secure: socket instanceof TLSSocket,
      servername: undefined,
      remoteAddress: options.remoteAddress ?? '127.0.0.1',
      remotePort: socket.remotePort ?? 0,
      localAddress: '127.0.0.1',
      localPort: 143,
      id: `session${sessions}`,
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const close = async (): Promise<void> => {
    listener.close();
    await service.drain(0);
  };
  return { port: (listener.address() as AddressInfo).port, service, auth, store, close };
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
