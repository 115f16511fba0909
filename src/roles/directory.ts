import { readFileSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import type { AttributeMapFile, LdapAccessFile } from '../config/directory-file.ts';
import type { NodeFile } from '../config/node-file.ts';
import { ldapDirectory, type LdapDirectoryOptions } from '../directory/client/directory.ts';
import { nodeIdentity } from '../directory/registration.ts';
import { MAPS, type AttributeMap } from '../directory/map.ts';
import { SnapshotError } from '../directory/snapshot/format.ts';
import { withSnapshot } from '../directory/snapshot/live.ts';
import { openSnapshot, snapshotFault } from '../directory/snapshot/open.ts';
import type { Directory } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { isServiceName, SERVICES, type Protocol } from './services.ts';

/**
 * The password is read now, so that a file which is not there is told at once, and at each bind.
 */
function readBind({ bind }: LdapAccessFile) {
  if (!bind) return { bindDn: '', bindPassword: '' };
  const read = (): string => readFileSync(bind.passwordFile, 'utf8').replace(/\r?\n$/, '');
  read();
  return { bindDn: bind.dn, bindPassword: read };
}

const readTls = ({ startTls, ca }: LdapAccessFile) => ({
  mode: startTls ? ('starttls' as const) : ('none' as const),
  ...(ca === undefined ? {} : { ca: readFileSync(ca, 'utf8') }),
});

/** The preset, with what the file says otherwise. */
export function attributeMap(file: AttributeMapFile): AttributeMap {
  const { preset, uid, path, ...same } = file;
  const base: AttributeMap = MAPS[preset];
  return {
    ...base,
    ...same,
    ...(uid === undefined ? {} : { uid: { ...base.uid, attribute: uid } }),
    ...(path === undefined ? {} : { paths: [path] }),
  };
}

/** How the node's file says that the directory is reached. Reads the CA now. */
export function directoryAccess(file: NodeFile): Omit<LdapDirectoryOptions, 'clock' | 'logger'> {
  const { urls, base, users } = file.directory;
  return {
    urls,
    suffix: base,
    ...readBind(file.directory),
    tls: readTls(file.directory),
    ...(users && {
      users: {
        urls: users.urls,
        base: users.base,
        ...readBind(users),
        tls: readTls(users),
        map: attributeMap(users.map),
      },
    }),
  };
}

/**
 * The directory that the node's file names: servers, servers with a snapshot beside them, or a
 * snapshot alone. Connects when it is first asked.
 */
export function openDirectory(parts: {
  readonly file: NodeFile;
  readonly options?: LdapDirectoryOptions['options'];
  readonly logger: Logger;
  readonly clock: Clock;
}): Directory {
  const { logger, clock, options } = parts;
  const { snapshot: path, urls } = parts.file.directory;
  const snapshot =
    path === undefined
      ? undefined
      : openSnapshot(path, { logger, clock, ...(options && { options }) });
  if (snapshot && urls.length === 0) return snapshot;
  const { name, data, directory } = parts.file;
  const live = ldapDirectory({
    ...directoryAccess(parts.file),
    identity: () => nodeIdentity({ name, data, suffix: directory.base }),
    ...(options === undefined ? {} : { options }),
    logger,
    clock,
  });
  return snapshot ? withSnapshot(live, snapshot) : live;
}

/** Protocols in which users log in with a password. */
const LOGINS: ReadonlySet<Protocol> = new Set(['pop3', 'imap', 'submission', 'relay', 'web']);

/**
 * Why a node that listens so must not use the snapshot its file names, as a list for reports:
 * hashes have no business on an MX or a relay, nor where servers verify passwords. A snapshot that
 * is not there yet has no fault.
 */
export async function snapshotProblems(
  file: NodeFile,
  listen: readonly { readonly service: string }[],
): Promise<readonly string[]> {
  const { snapshot, urls } = file.directory;
  if (snapshot === undefined) return [];
  const logins = listen.some(
    ({ service }) => isServiceName(service) && LOGINS.has(SERVICES[service].protocol),
  );
  try {
    const fault = await snapshotFault(snapshot, { logins, servers: urls.length > 0 });
    return fault === undefined ? [] : [fault];
  } catch (error) {
    if (error instanceof SnapshotError) return [];
    throw error;
  }
}
