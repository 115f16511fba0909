import { readFileSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import type { NodeFile } from '../config/node-file.ts';
import { ldapDirectory, type LdapDirectoryOptions } from '../directory/client/directory.ts';
import type { Directory } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';

/** How the node's file says that the directory is reached. Reads the password and the CA now. */
export function directoryAccess(file: NodeFile): Omit<LdapDirectoryOptions, 'clock' | 'logger'> {
  const { urls, base, bind, startTls, ca } = file.directory;
  return {
    urls,
    suffix: base,
    bindDn: bind?.dn ?? '',
    bindPassword: bind ? readFileSync(bind.passwordFile, 'utf8').replace(/\r?\n$/, '') : '',
    tls: {
      mode: startTls ? 'starttls' : 'none',
      ...(ca === undefined ? {} : { ca: readFileSync(ca, 'utf8') }),
    },
  };
}

/** The directory that the node's file names. Connects when it is first asked. */
export function openDirectory(parts: {
  readonly file: NodeFile;
  readonly options?: LdapDirectoryOptions['options'];
  readonly logger: Logger;
  readonly clock: Clock;
}): Directory {
  return ldapDirectory({
    ...directoryAccess(parts.file),
    ...(parts.options === undefined ? {} : { options: parts.options }),
    logger: parts.logger,
    clock: parts.clock,
  });
}
