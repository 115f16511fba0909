import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { systemClock, type Clock } from '../../base/clock.ts';
import { defaults, type OptionValues } from '../../config/options.ts';
import { parseSettings } from '../../config/settings.ts';
import { silentLogger, type Logger } from '../../log/types.ts';
import { limitKey } from '../../net/address.ts';
import type { TlsContexts } from '../../net/types.ts';
import { EMBEDDED_OPTIONS } from '../options.ts';
import { DEFAULT_SUFFIX } from '../schema.ts';
import { EmbeddedDirectory } from './directory.ts';
import { lockDirectory } from './lock.ts';
import { systemRandom } from '../../base/random.ts';
import { FARM_COOKIE, newFarmCookie } from '../farm-cookie.ts';
import { frameEntries, type SeedEntry } from '../frame.ts';
import { LdapSession } from './session.ts';
import { StoreFailure } from './store.ts';
import { BindThrottle, hold } from './throttle.ts';
import { toAdd } from './upgrade.ts';

export interface EmbeddedServerOptions {
  /** Directory on a local disk that holds the data; made when missing. */
  readonly data: string;
  readonly host: string;
  /** 0 is a free port. */
  readonly port: number;
  readonly suffix?: string;
  /** Where TLS comes from, and whether it starts with the connection or with StartTLS. */
  readonly tls?: { readonly mode: 'implicit' | 'starttls'; readonly contexts: TlsContexts };
  /** Counts more than the farm's settings `directory.embedded.…`, which are followed live. */
  readonly options?: Partial<EmbeddedValues>;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /**
   * Passwords of the service identities, for the first start on empty data; random ones when
   * left out. Entries beyond the frame of the tree are added by whoever wants them.
   */
  readonly firstStart?: {
    readonly adminPassword?: string;
    readonly frontendPassword?: string;
    readonly entries?: readonly SeedEntry[];
    /** DNs of administrators beside cn=admin. */
    readonly administrators?: readonly string[];
    /** Settings of the farm, as option name to text. */
    readonly settings?: Readonly<Record<string, string>>;
  };
}

export interface EmbeddedServer {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly connections: number;
  /** Entries in the tree. */
  readonly size: number;
  /** Takes no new connection, ends the others, closes the data. */
  close(): Promise<void>;
}

/**
 * Opens the data and serves it over LDAP.
 * @throws StoreFailure MF-DIR-011 damaged data, MF-DIR-012 served by another process
 */
export async function serveEmbeddedDirectory(
  options: EmbeddedServerOptions,
): Promise<EmbeddedServer> {
  const logger = options.logger ?? silentLogger;
  const clock = options.clock ?? systemClock;
  let settings = (): readonly string[] => [];
  const values = liveValues(() => settings(), { over: options.options, logger });
  await mkdir(options.data, { recursive: true, mode: 0o700 });
  const unlock = await lockDirectory(options.data);
  if (!unlock) throw new StoreFailure(`${options.data} is served already (MF-DIR-012)`);
  try {
    const directory = await EmbeddedDirectory.open({
      data: options.data,
      suffix: options.suffix ?? DEFAULT_SUFFIX,
      scheme: () =>
        values()['directory.embedded.password.scheme'] === 'SSHA512' ? 'SSHA512' : 'ARGON2',
      journalBytesMax: () => values()['directory.embedded.journal.max'],
      clock,
      logger,
    });
    settings = () => directory.settings;
    if (directory.size === 0) await fill(directory, options);
    return await listen({ options, values, clock, directory, logger, unlock });
  } catch (error) {
    await unlock();
    throw error;
  }
}

async function fill(directory: EmbeddedDirectory, options: EmbeddedServerOptions): Promise<void> {
  const first = options.firstStart ?? {};
  const random = (): string => randomBytes(24).toString('base64url');
  const frame = frameEntries(directory.layout, {
    adminPassword: first.adminPassword ?? random(),
    frontendPassword: first.frontendPassword ?? random(),
    administrators: first.administrators ?? [],
    settings: { [FARM_COOKIE]: newFarmCookie(systemRandom), ...first.settings },
  });
  await directory.seed([...frame, ...(first.entries ?? [])].map(toAdd));
}

/**
 * What the server is run with: the farm's settings, as for every node, and over them what its
 * caller gave. A setting that cannot be read is told, and its default counts.
 */
function liveValues(
  settings: () => readonly string[],
  given: { readonly over: Partial<EmbeddedValues> | undefined; readonly logger: Logger },
): () => EmbeddedValues {
  let read: readonly string[] | undefined;
  let values = { ...defaults(EMBEDDED_OPTIONS), ...given.over };
  return () => {
    const now = settings();
    if (now === read) return values;
    read = now;
    const ours = now
      .map((setting) => [setting.slice(0, setting.indexOf('=')), setting] as const)
      .filter(([name]) => Object.hasOwn(EMBEDDED_OPTIONS, name))
      .map(([name, setting]) => [name, setting.slice(name.length + 1)] as const);
    const parsed = parseSettings([EMBEDDED_OPTIONS] as const, ours);
    for (const { message } of parsed.problems) {
      given.logger.warn({ setting: message }, 'setting of the farm ignored by the directory');
    }
    values = { ...parsed.values, ...given.over };
    return values;
  };
}

type EmbeddedValues = OptionValues<typeof EMBEDDED_OPTIONS>;

interface Running {
  readonly options: EmbeddedServerOptions;
  readonly values: () => EmbeddedValues;
  readonly clock: Clock;
  readonly directory: EmbeddedDirectory;
  readonly logger: Logger;
  readonly unlock: () => Promise<void>;
}

async function listen(running: Running): Promise<EmbeddedServer> {
  const { options, directory } = running;
  const sockets = new Set<Socket>();
  const server = makeServer(running, sockets);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: options.host, port: options.port }, () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  const scheme = options.tls?.mode === 'implicit' ? 'ldaps' : 'ldap';
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    host: options.host,
    port,
    url: `${scheme}://${host}:${port}`,
    get connections() {
      return sockets.size;
    },
    get size() {
      return directory.size;
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
      await directory.close();
      await running.unlock();
    },
  };
}

function makeServer(running: Running, sockets: Set<Socket>): Server {
  const { options, values, clock, directory, logger } = running;
  const tls = options.tls;
  const startTls = (socket: Socket): Socket =>
    new TLSSocket(socket, {
      isServer: true,
      secureContext: tls?.contexts.context(undefined),
    });
  const throttle = new BindThrottle({
    clock,
    delayMaxMs: () => values()['directory.embedded.bind.delay'],
  });
  const byAddress = new Map<string, number>();
  const accept = (socket: Socket): void => {
    const connections = values()['directory.embedded.connections'];
    server.maxConnections = connections;
    const address = socket.remoteAddress ?? '';
    const key = limitKey(address);
    // Half for one address: nobody alone keeps the others out, but for front ends.
    const full = (byAddress.get(key) ?? 0) >= connections / 2 && !throttle.isTrusted(address);
    if (full) return void socket.destroy();
    const leave = hold(byAddress, key);
    sockets.add(socket);
    socket.on('close', () => {
      sockets.delete(socket);
      leave();
    });
    socket.on('error', () => socket.destroy());
    socket.setTimeout(values()['directory.embedded.idle'], () => socket.destroy());
    socket.setNoDelay(true);
    new LdapSession(tls?.mode === 'implicit' ? startTls(socket) : socket, {
      directory,
      address,
      throttle,
      messageBytesMax: () => values()['directory.embedded.message.max'],
      logger,
      startTls: tls?.mode === 'starttls' ? startTls : undefined,
    });
  };
  const server = createServer(accept);
  server.maxConnections = values()['directory.embedded.connections'];
  server.on('error', (error) => logger.error({ err: error }, 'embedded directory server'));
  return server;
}
