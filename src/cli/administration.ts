import { systemClock as clock } from '../base/clock.ts';
import { openAdmin, type Admin } from '../directory/admin/admin.ts';
import { postHint } from '../http/client.ts';
import { isLoopback, parseListen } from '../net/address.ts';
import { directoryAccess } from '../roles/directory.ts';
import { HEALTH } from '../roles/services.ts';
import type { Call } from './command.ts';
import { loadFile } from './place.ts';

const HINT_MS = 500;

/** Runs `work` with the administrator's session of the configuration file. */
export async function withAdmin<T>(call: Call, work: (admin: Admin) => Promise<T>): Promise<T> {
  const file = await loadFile(call);
  const admin = await openAdmin({ ...directoryAccess(file), clock });
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

/** The same for a change: nodes of this machine are told, so that it is effective at once. */
export const withChange = <T>(call: Call, work: (admin: Admin) => Promise<T>): Promise<T> =>
  withAdmin(call, async (admin) => {
    const result = await work(admin);
    await hintNodes(admin);
    return result;
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
