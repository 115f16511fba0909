/**
 * Debian's slapd with Mailfarm's schema, rights, indexes and overlays, on 127.0.0.1. Its data lie
 * below a directory of the test's own and survive `kill` and `stop`; `empty` takes them away.
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { hashPassword, isHashed } from '../../src/directory/embedded/password.ts';
import { frameEntries, type SeedEntry } from '../../src/directory/frame.ts';
import { ldifRecord } from '../../src/directory/openldap/ldif.ts';
import { configuration, type Part } from '../../src/directory/openldap/print.ts';
import { DEFAULT_SUFFIX, layout } from '../../src/directory/schema.ts';
import type { TestCertificate } from './certificate.ts';
import { runInPeers, startInPeers } from './in-peers.ts';
import { type Running, saidBy } from './process.ts';

export interface SlapdOptions {
  /** A directory of the test's own; configuration and data go to `slapd` in it. */
  readonly directory: string;
  /** Folder below `directory`, for several servers. */
  readonly name?: string;
  readonly suffix?: string;
  /** What stands in the tree behind the frame; passwords in the clear are hashed. */
  readonly entries?: readonly SeedEntry[];
  /** DNs of administrators beside cn=admin. */
  readonly administrators?: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
  readonly adminPassword?: string;
  readonly frontendPassword?: string;
  /** StartTLS on the port, and a second port with TLS from the start. */
  readonly tls?: TestCertificate;
  /** An address of 127.0.0.0/8. */
  readonly host?: string;
  readonly port?: number;
  /** Largest size of the database (default 256 MiB; 200,000 users need 1 GiB). */
  readonly mapBytes?: number;
  /** Lines for the head of slapd.conf and for the end of its database. */
  readonly global?: string;
  readonly database?: string;
  /** What it prints (slapd -d): `filter` names attributes that were searched without an index. */
  readonly debug?: 'none' | 'filter' | 'stats' | 'sync' | 'acl';
  /** Starts without entries: for one that is filled by replication. */
  readonly unseeded?: boolean;
}

export interface Slapd {
  /** `ldap://127.0.0.1:PORT` */
  readonly url: string;
  /** `ldaps://…`, with a certificate; else as `url`. */
  readonly secureUrl: string;
  readonly suffix: string;
  readonly admin: { readonly dn: string; readonly password: string };
  readonly frontend: { readonly dn: string; readonly password: string };
  /** Configuration and data. */
  readonly home: string;
  /** Ends it in order; its data stay. */
  stop(): Promise<void>;
  /** SIGKILL; its data stay as they are. */
  kill(): Promise<void>;
  /** Starts it again on the same port, after `stop` or `kill`. */
  start(): Promise<void>;
  /** While it is stopped: takes away all its data, as a disk that was replaced. */
  empty(): void;
  running(): boolean;
  /** What it printed since its last start. */
  output(): string;
  cpuSeconds(): number;
}

/** Starts one and waits until it answers. */
export async function startSlapd(options: SlapdOptions): Promise<Slapd> {
  const server = await prepare(options);
  await server.start();
  return server;
}

/**
 * Two servers in mirror mode: each takes changes and hands them to the other. Both hold all
 * entries when this resolves.
 */
export async function startSlapdPair(
  options: Omit<SlapdOptions, 'name' | 'port' | 'unseeded'>,
): Promise<readonly [Slapd, Slapd]> {
  const ports = [await steadyPort(), await steadyPort()] as const;
  const suffix = options.suffix ?? DEFAULT_SUFFIX;
  const admin = layout(suffix).admin;
  const password = options.adminPassword ?? ADMIN_PASSWORD;
  const syncrepl = ports.map(
    (port, index) =>
      `syncrepl rid=00${index + 1} provider=ldap://127.0.0.1:${port} type=refreshAndPersist ` +
      `retry="1 +" searchbase="${suffix}" scope=sub schemachecking=off ` +
      `bindmethod=simple binddn="${admin}" credentials="${password}" ` +
      `timeout=3 network-timeout=2 keepalive=5:2:1\n`,
  );
  const one = (index: 0 | 1): Promise<Slapd> =>
    prepare({
      ...options,
      name: index === 0 ? 'slapd-a' : 'slapd-b',
      unseeded: index === 1,
      port: ports[index],
      global: `${options.global ?? ''}serverID ${index + 1}\n`,
      // Each knows the other only: a list with itself in it would need a URL for serverID.
      database: `${options.database ?? ''}${syncrepl[1 - index]}multiprovider on\n`,
    });
  const pair = [await one(0), await one(1)] as const;
  // The same entries with the same entryUUID, as after a first synchronisation.
  for (const file of readdirSync(dataOf(pair[0]))) {
    copyFileSync(join(dataOf(pair[0]), file), join(dataOf(pair[1]), file));
  }
  await Promise.all(pair.map((server) => server.start()));
  return pair;
}

const dataOf = (server: Slapd): string => join(server.home, 'data');

const ADMIN_PASSWORD = 'admin-secret';
const FRONTEND_PASSWORD = 'frontend-secret';

async function prepare(options: SlapdOptions): Promise<Slapd> {
  const suffix = options.suffix ?? DEFAULT_SUFFIX;
  const names = layout(suffix);
  const home = join(options.directory, options.name ?? 'slapd');
  const data = join(home, 'data');
  mkdirSync(data, { recursive: true });
  const port = options.port ?? (await steadyPort());
  const securePort = options.tls === undefined ? port : await steadyPort();
  const file = join(home, 'slapd.conf');
  writeFileSync(file, slapdConf({ ...options, suffix }, home), { mode: 0o600 });
  const passwords = {
    admin: options.adminPassword ?? ADMIN_PASSWORD,
    frontend: options.frontendPassword ?? FRONTEND_PASSWORD,
  };
  if (options.unseeded !== true) await seed(options, suffix, passwords, home);
  const host = options.host ?? '127.0.0.1';
  const url = `ldap://${host}:${port}`;
  const secureUrl = options.tls === undefined ? url : `ldaps://${host}:${securePort}`;
  const binds = bindsOf(options);
  let process: Running | undefined;
  const ended = async (end: (running: Running) => Promise<void> | void): Promise<void> => {
    if (!process) return;
    await end(process);
    await process.exited;
  };
  return {
    url,
    secureUrl,
    suffix,
    home,
    admin: { dn: names.admin, password: passwords.admin },
    frontend: { dn: names.frontend, password: passwords.frontend },
    stop: () => ended((running) => running.stop()),
    kill: () => ended((running) => running.kill('SIGKILL')),
    start: async () => {
      if (process?.running() === true) throw new Error(`${url} runs already`);
      const listen = [...new Set([url, secureUrl])].join(' ');
      process = startInPeers(
        ['/usr/sbin/slapd', '-d', options.debug ?? 'none', '-h', listen, '-f', file],
        {
          bind: binds,
        },
      );
      for (const each of new Set([port, securePort])) await waitUntilItAccepts(host, each, process);
    },
    empty: () => {
      if (process?.running() === true) throw new Error(`${url} runs: stop it first`);
      rmSync(data, { recursive: true, force: true });
      mkdirSync(data);
    },
    running: () => process?.running() === true,
    output: () => process?.output() ?? '',
    cpuSeconds: () => process?.cpuSeconds() ?? 0,
  };
}

const bindsOf = (options: SlapdOptions): string[] => [options.directory];

async function seed(
  options: SlapdOptions,
  suffix: string,
  passwords: { readonly admin: string; readonly frontend: string },
  home: string,
): Promise<void> {
  const frame = frameEntries(layout(suffix), {
    adminPassword: passwords.admin,
    frontendPassword: passwords.frontend,
    administrators: options.administrators ?? [],
    settings: options.settings ?? {},
  });
  let ldif = '';
  for (const entry of [...frame, ...(options.entries ?? [])]) {
    ldif += ldifRecord(entry.dn, await hashed(entry.attributes));
  }
  const file = join(home, 'seed.ldif');
  writeFileSync(file, ldif, { mode: 0o600 });
  // -w keeps contextCSN, as a server that was filled over LDAP has it.
  const argv = ['/usr/sbin/slapadd', '-q', '-w', '-f', join(home, 'slapd.conf'), '-l', file];
  const sid = /serverID (\d+)/.exec(options.global ?? '')?.[1];
  if (sid !== undefined) argv.push('-S', sid);
  const result = await runInPeers(argv, { bind: bindsOf(options), ms: 600_000 });
  if (result.code !== 0) throw new Error(`slapadd failed:\n${saidBy(result)}`);
}

/** slapadd stores what it is given, and slapd compares hashes. */
async function hashed(attributes: SeedEntry['attributes']): Promise<SeedEntry['attributes']> {
  const given = attributes['userPassword'];
  if (given === undefined) return attributes;
  const values = typeof given === 'string' ? [given] : given;
  const userPassword = await Promise.all(
    values.map(async (value) => (isHashed(value) ? value : await hashPassword(value, 'SSHA512'))),
  );
  return { ...attributes, userPassword };
}

function slapdConf(options: SlapdOptions & { readonly suffix: string }, home: string): string {
  const part = (name: Part): string =>
    configuration(name, { form: 'slapd.conf', suffix: options.suffix });
  const tls = options.tls;
  const schemas = ['core', 'cosine', 'nis', 'inetorgperson'];
  return [
    ...schemas.map((name) => `include /etc/ldap/schema/${name}.schema`),
    part('schema'),
    'modulepath /usr/lib/ldap',
    'moduleload back_mdb',
    part('modules'),
    `pidfile ${home}/pid`,
    'loglevel none',
    'threads 8',
    ...(tls === undefined
      ? []
      : [`TLSCertificateFile ${tls.certificate}`, `TLSCertificateKeyFile ${tls.key}`]),
    options.global ?? '',
    'database mdb',
    `suffix "${options.suffix}"`,
    `directory ${home}/data`,
    `maxsize ${options.mapBytes ?? 268_435_456}`,
    part('indexes'),
    part('access'),
    part('database'),
    options.database ?? '',
  ].join('\n');
}

/**
 * A free port below those that the kernel gives to clients: nobody takes it by chance while the
 * server is stopped.
 */
export async function steadyPort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** slapd listens before it opens its database, and serves no connection before that is done. */
async function waitUntilItAccepts(host: string, port: number, running: Running): Promise<void> {
  const until = performance.now() + 120_000;
  while (!(await connects(host, port))) {
    if (!running.running()) throw new Error(`slapd ended:\n${running.output()}`);
    if (performance.now() > until) throw new Error(`slapd is silent:\n${running.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
