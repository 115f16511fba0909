import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LdapDirectoryOptions } from './client/directory.ts';
import { demoAdministrator, demoEntries } from './demo.ts';
import { serveEmbeddedDirectory } from './embedded/server.ts';
import type { EmbeddedServer, EmbeddedServerOptions } from './embedded/server.ts';
import type { SeedEntry } from './frame.ts';
import { DEFAULT_SUFFIX, layout } from './schema.ts';

/** A real embedded directory for a test, on loopback, with the demo's entries. */
export interface TestDirectory {
  readonly server: EmbeddedServer;
  readonly data: string;
  /** For `ldapDirectory`: as a front end. */
  readonly frontend: LdapDirectoryOptions;
  /** For `openAdmin`. */
  readonly admin: LdapDirectoryOptions;
  close(): Promise<void>;
}

const FRONTEND_PASSWORD = 'frontend-secret';
const ADMIN_PASSWORD = 'admin-secret';

/** The demo's entries with hashes that cost nothing to verify (SSHA512). */
export async function startTestDirectory(
  given: {
    readonly host?: string;
    readonly entries?: readonly SeedEntry[];
    readonly options?: Partial<EmbeddedServerOptions>;
  } = {},
): Promise<TestDirectory> {
  const data = given.options?.data ?? (await mkdtemp(join(tmpdir(), 'mailfarm-directory-')));
  const suffix = given.options?.suffix ?? DEFAULT_SUFFIX;
  const volume = { identity: 'v', weight: 1, state: 'active' } as const;
  const entries = demoEntries({
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
      beatAt: undefined,
      version: undefined,
    },
  });
  const server = await serveEmbeddedDirectory({
    host: given.host ?? '127.0.0.1',
    port: 0,
    ...given.options,
    data,
    options: { 'directory.embedded.password.scheme': 'SSHA512', ...given.options?.options },
    firstStart: {
      adminPassword: ADMIN_PASSWORD,
      frontendPassword: FRONTEND_PASSWORD,
      administrators: [demoAdministrator(suffix)],
      ...given.options?.firstStart,
      entries: [...entries, ...(given.entries ?? [])],
    },
  });
  const names = layout(suffix);
  const access = { urls: [server.url], suffix };
  return {
    server,
    data,
    frontend: { ...access, bindDn: names.frontend, bindPassword: FRONTEND_PASSWORD },
    admin: { ...access, bindDn: names.admin, bindPassword: ADMIN_PASSWORD },
    close: async () => {
      await server.close();
      if (given.options?.data === undefined) await rm(data, { recursive: true, force: true });
    },
  };
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
