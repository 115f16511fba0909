import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { has } from '../../test/harness/needs.ts';
import { startSlapd } from '../../test/harness/slapd.ts';
import type { LdapDirectoryOptions } from './client/directory.ts';
import { demoAdministrator, demoEntries } from './demo.ts';
import { serveEmbeddedDirectory } from './embedded/server.ts';
import type { EmbeddedServerOptions } from './embedded/server.ts';
import { frameEntries, type SeedEntry } from './frame.ts';
import { DEFAULT_SUFFIX, layout } from './schema.ts';

/** Either server; what a test is told of it is the same. */
export interface TestServer {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** Entries in the tree (of slapd: those it was started with). */
  readonly size: number;
  /** Ends it. */
  close(): Promise<void>;
}

/** With a password that stays as it is. */
export type TestAccess = LdapDirectoryOptions & { readonly bindPassword: string };

/** A real directory for a test, on loopback, with the demo's entries. */
export interface TestDirectory {
  readonly server: TestServer;
  /** Where the embedded server keeps its data; of slapd, its configuration and data. */
  readonly data: string;
  /** For `ldapDirectory`: as a front end. */
  readonly frontend: TestAccess;
  /** For `openAdmin`. */
  readonly admin: TestAccess;
  close(): Promise<void>;
}

export type TestServerKind = 'embedded' | 'slapd';

/**
 * The servers that a suite runs on: `describe.each(TEST_SERVERS)('%s', (server) => …)`. Where
 * slapd is not installed its half is missing, which is said; in CI it fails.
 */
export const TEST_SERVERS: readonly TestServerKind[] = testServers();

function testServers(): readonly TestServerKind[] {
  if (has('slapd') || process.env['CI'] !== undefined) return ['embedded', 'slapd'];
  process.stderr.write(
    'NOT TESTED against slapd, which is missing: node test/harness/install.ts\n',
  );
  return ['embedded'];
}

export interface TestDirectoryOptions {
  readonly server?: TestServerKind;
  readonly host?: string;
  /** Beside the demo's. */
  readonly entries?: readonly SeedEntry[];
  /** A certificate as PEM, for TLS from the start or StartTLS, on either server. */
  readonly tls?: {
    readonly mode: 'implicit' | 'starttls';
    readonly cert: string;
    readonly key: string;
  };
  /** Of these slapd takes `port`, `suffix` and `firstStart`. */
  readonly options?: Partial<EmbeddedServerOptions>;
}

const FRONTEND_PASSWORD = 'frontend-secret';
const ADMIN_PASSWORD = 'admin-secret';

/** The demo's entries with hashes that cost nothing to verify (SSHA512). */
export async function startTestDirectory(given: TestDirectoryOptions = {}): Promise<TestDirectory> {
  const suffix = given.options?.suffix ?? DEFAULT_SUFFIX;
  const data = given.options?.data ?? (await mkdtemp(join(tmpdir(), 'mailfarm-directory-')));
  const firstStart = {
    adminPassword: ADMIN_PASSWORD,
    frontendPassword: FRONTEND_PASSWORD,
    administrators: [demoAdministrator(suffix)],
    ...given.options?.firstStart,
    entries: [...demo(suffix), ...(given.entries ?? [])],
  };
  const server = await START[given.server ?? 'embedded'](given, { data, suffix, firstStart });
  const names = layout(suffix);
  const access = { urls: [server.url], suffix };
  return {
    server,
    data,
    frontend: { ...access, bindDn: names.frontend, bindPassword: firstStart.frontendPassword },
    admin: { ...access, bindDn: names.admin, bindPassword: firstStart.adminPassword },
    close: async () => {
      await server.close();
      if (given.options?.data === undefined) await rm(data, { recursive: true, force: true });
    },
  };
}

interface Prepared {
  readonly data: string;
  readonly suffix: string;
  readonly firstStart: Required<
    Pick<FirstStart, 'adminPassword' | 'frontendPassword' | 'administrators' | 'entries'>
  > &
    FirstStart;
}
type FirstStart = NonNullable<EmbeddedServerOptions['firstStart']>;

const START: Readonly<
  Record<TestServerKind, (given: TestDirectoryOptions, prepared: Prepared) => Promise<TestServer>>
> = {
  embedded: async (given, { data, firstStart }) => {
    const { mode, ...pem } = given.tls ?? {};
    const context = mode === undefined ? undefined : createSecureContext(pem);
    return await serveEmbeddedDirectory({
      host: given.host ?? '127.0.0.1',
      port: 0,
      ...(mode && context && { tls: { mode, contexts: { context: () => context } } }),
      ...given.options,
      data,
      options: { 'directory.embedded.password.scheme': 'SSHA512', ...given.options?.options },
      firstStart,
    });
  },
  slapd: async (given, { data, suffix, firstStart }) => {
    if (!has('slapd')) throw new Error('slapd is missing here (node test/harness/install.ts)');
    await chmod(data, 0o711);
    const { host, options, tls } = given;
    const { administrators, settings = {}, adminPassword, frontendPassword } = firstStart;
    const server = await startSlapd({
      directory: data,
      suffix,
      ...firstStart,
      ...(host !== undefined && { host }),
      ...(options?.port !== undefined && options.port !== 0 && { port: options.port }),
      ...(tls && { tls: await certificateFiles(data, tls) }),
    });
    const url = tls?.mode === 'implicit' ? server.secureUrl : server.url;
    const frame = { administrators, settings, adminPassword, frontendPassword };
    return {
      host: new URL(url).hostname,
      port: Number(new URL(url).port),
      url,
      size: frameEntries(layout(suffix), frame).length + firstStart.entries.length,
      close: () => server.stop(),
    };
  },
};

async function certificateFiles(
  data: string,
  pem: { readonly cert: string; readonly key: string },
): Promise<{ readonly certificate: string; readonly key: string }> {
  const files = { certificate: join(data, 'cert.pem'), key: join(data, 'key.pem') };
  await writeFile(files.certificate, pem.cert);
  await writeFile(files.key, pem.key, { mode: 0o600 });
  return files;
}

function demo(suffix: string): readonly SeedEntry[] {
  const volume = { identity: 'v', weight: 1, state: 'active', use: 'mail' } as const;
  return demoEntries({
    suffix,
    volumes: [
      { name: 'mail1', path: '/mail1', ...volume },
      { name: 'mail2', path: '/mail2', ...volume },
    ],
    node: {
      name: 'node1',
      nid: 1,
      server: 'localhost',
      status: 'SP',
      listen: ['mx 127.0.0.1:10025'],
      addresses: [],
      beatAt: undefined,
      version: undefined,
    },
  });
}

/** An entry of a user, for `startTestDirectory`. */
export function userEntry(
  login: string,
  uid: number,
  more: Record<string, string | readonly string[]> = {},
): SeedEntry {
  return {
    dn: `cn=${login},${layout(DEFAULT_SUFFIX).users}`,
    attributes: {
      objectClass: ['top', 'mwUser'],
      cn: login,
      uid: String(uid),
      userPassword: `secret of ${login}`,
      ...more,
    },
  };
}
