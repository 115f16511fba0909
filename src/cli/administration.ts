import { readFileSync } from 'node:fs';
import { systemClock } from '../base/clock.ts';
import { AdminError, openAdmin, type Admin } from '../directory/admin/admin.ts';
import type { LdapDirectoryOptions } from '../directory/client/directory.ts';
import { postHint } from '../http/client.ts';
import { isLoopback, parseListen } from '../net/address.ts';
import { directoryAccess } from '../roles/directory.ts';
import { HEALTH } from '../roles/services.ts';
import { flagText, UsageError, type Call } from './command.ts';
import { loadFile } from './place.ts';

const HINT_MS = 500;
const PASSWORD = 'MAILFARM_ADMIN_PASSWORD';

type Access = Omit<LdapDirectoryOptions, 'clock' | 'logger'>;

/**
 * Who works: the identity of the configuration file or, with --as or MAILFARM_ADMIN, a person with
 * a level of their own. Then the file's password is not read: whoever types needs no right to it.
 */
export async function accessOf(call: Call): Promise<Access> {
  const file = await loadFile(call);
  const login = flagText(call, 'as') ?? call.env['MAILFARM_ADMIN'];
  if (login === undefined || login === '') return directoryAccess(file);
  const { bind: _, ...directory } = file.directory;
  const access = directoryAccess({ ...file, directory: { ...directory, bind: undefined } });
  return { ...access, bindDn: login, bindPassword: await passwordOf(call, login) };
}

async function passwordOf(call: Call, login: string): Promise<string> {
  const path = flagText(call, 'password-file');
  const password =
    path === undefined
      ? (call.env[PASSWORD] ?? (await call.askSecret?.(`Password of ${login}: `)))
      : readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  // An empty password would be an anonymous bind, which succeeds (RFC 4513 §5.1.2).
  if (password === '') throw new AdminError('denied', `The password of ${login} is empty`);
  if (password !== undefined) return password;
  throw new UsageError(
    `The password of ${login} is read from --password-file, ${PASSWORD} or a terminal; none is here`,
  );
}

/** Runs `work` with the administrator's session. */
export async function withAdmin<T>(call: Call, work: (admin: Admin) => Promise<T>): Promise<T> {
  const clock = call.clock ?? systemClock;
  const admin = await openAdmin({ ...(await accessOf(call)), clock });
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

/**
 * The same for a change: nodes of this machine are told, so that it is effective at once.
 * @param isChange whether anything was changed; what failed halfway may have been
 */
export const withChange = <T>(
  call: Call,
  work: (admin: Admin) => Promise<T>,
  isChange: (result: T) => boolean = () => true,
): Promise<T> =>
  withAdmin(call, async (admin) => {
    let changed = true;
    try {
      const result = await work(admin);
      changed = isChange(result);
      return result;
    } finally {
      if (changed) await hintNodes(admin);
    }
  });

/**
 * Tells the nodes of this machine to forget what they cached. A hint: a node that does not hear it
 * notices within `directory.cache.fresh`.
 */
async function hintNodes(admin: Admin): Promise<void> {
  const nodes = await admin.nodes.list().catch(() => []);
  const addresses = nodes
    .flatMap((node) => node.listen)
    .map(parseListen)
    .flatMap((where) => (typeof where === 'string' || where.service !== HEALTH ? [] : [where]))
    .filter(({ host }) => isLoopback(host));
  const timeoutMs = HINT_MS;
  await Promise.all(
    addresses.map(({ host, port }) => postHint({ host, port, path: '/invalidate', timeoutMs })),
  );
}
