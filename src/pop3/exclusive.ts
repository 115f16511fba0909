import { join } from 'node:path';
import { lock } from 'proper-lockfile';
import type { Logger } from '../log/types.ts';
import type { Exclusive } from './context.ts';

/**
 * Exclusive sessions by proper-lockfile in a local directory, which exists. Such a lock was
 * measured unsafe as a protector over NFS, so nothing depends on it: it spares users of old
 * clients the sight of one mailbox in two windows, on one node. When the directory cannot be
 * used, everybody gets in.
 */
export function exclusiveByLockFiles(directory: string, logger: Logger): Exclusive {
  return async (account) => {
    const path = join(directory, account.id); // /^[A-Za-z0-9-]{1,64}$/, see Account.
    try {
      const release = await lock(path, {
        realpath: false,
        stale: 30_000,
        update: 10_000,
        onCompromised: (error) =>
          logger.warn({ lock: path, err: error }, 'Exclusive session lost its lock'),
      });
      return () => release().catch(() => {}); // A lock that is gone is released.
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ELOCKED') return 'in-use';
      logger.error({ code: 'MF-POP-002', lock: path, err: error }, 'Lock cannot be taken');
      return async () => {};
    }
  };
}
