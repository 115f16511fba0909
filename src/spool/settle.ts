import { nfsLies } from '../volumes/metrics.ts';
import type { Volume } from '../volumes/volume.ts';
import { attemptName, fence } from '#maildir';

export { attemptName };

/**
 * Ends all former attempts to land these letters in a mailbox, and says which of them are in it.
 * @throws StoreError 'mailbox-missing', 'volume-down', …
 */
export async function settle(
  volume: Volume,
  maildir: string,
  ids: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const found = await volume.guard({
    operation: 'list',
    where: maildir,
    absent: 'mailbox-missing',
    run: (fs) =>
      fence({ fs, directorySync: 'never', lie: (lie) => nfsLies.inc(lie) }, maildir, ids),
  });
  return new Set(found.keys());
}
