import { systemClock } from '../../base/clock.ts';
import type { LdapDirectoryOptions } from '../client/directory.ts';
import { AdminSession } from './session.ts';
import { Domains, Nodes, Settings, Volumes } from './tables.ts';
import { Users } from './users.ts';

/** Everything an administrator does to the directory; the CLI and the web call the same. */
export interface Admin {
  readonly users: Users;
  readonly domains: Domains;
  readonly volumes: Volumes;
  readonly nodes: Nodes;
  readonly settings: Settings;
  close(): Promise<void>;
}

/**
 * Connects with an administrator's credentials (`bindDn`, `bindPassword`).
 * @throws AdminError denied, unavailable; the functions behind it throw AdminError only
 */
export async function openAdmin(options: LdapDirectoryOptions): Promise<Admin> {
  const session = await AdminSession.open(options);
  return {
    users: new Users(session, options.clock ?? systemClock),
    domains: new Domains(session),
    volumes: new Volumes(session),
    nodes: new Nodes(session),
    settings: new Settings(session),
    close: () => session.close(),
  };
}

export { AdminError, ADMIN_ERROR_KINDS, type AdminErrorKind } from './session.ts';
