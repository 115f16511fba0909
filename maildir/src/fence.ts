import { findKeys } from './listing.ts';
import { listFresh, removeIfThere, type Nfs } from './nfs.ts';
import type { Entry } from './types.ts';

/**
 * Landing: a message whose key was chosen long ago is brought into its mailbox by whoever can, and
 * whoever tried before may have been cut off at any call, or may only sleep.
 *
 * Every attempt writes a file of its own into tmp, `<key>.<attempt>`, and publishes that under the
 * key. `fence` removes the files of all former attempts, and only then looks for the message: an
 * attempt whose rename came before was seen by that look, one whose rename comes after finds its
 * file gone (ENOENT) and publishes nothing, however late it wakes. So after `fence` the mailbox has
 * the message or will not get it from anybody but the caller.
 *
 * Race that stays: the message was published, its owner removed it, and then `fence` looks: it is
 * not there and will be published again. Only a record on the mailbox's volume would tell, at the
 * price of a call more for each message.
 *
 * Rejected: one name in tmp for all attempts (an old rename would publish what a new attempt is
 * just writing); looking first (an old rename could come after the look).
 *
 * @returns where the messages are, by key; those in no listing of two are not there.
 */
export async function fence(
  nfs: Nfs,
  maildir: string,
  keys: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Entry>> {
  const tmp = `${maildir}/tmp`;
  // Twice: one listing may miss a name while others come and go.
  for (let listing = 0; listing < 2; listing++) {
    const staged = (await listFresh(nfs, tmp)).filter((name) => keys.has(keyOfAttempt(name)));
    for (const name of staged) await removeIfThere(nfs, `${tmp}/${name}`);
  }
  return findKeys(nfs, maildir, keys);
}

/** The name in tmp/ of one attempt to land a message. */
export const attemptName = (key: string, attempt: string): string => `${key}.${attempt}`;

const keyOfAttempt = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf('.')));
