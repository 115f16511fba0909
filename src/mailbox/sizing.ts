import type { Located } from '../volumes/table.ts';
import { StoreError } from '../volumes/error.ts';
import type { Entry } from '#maildir';
import { READ_CHUNK_BYTES } from './reader.ts';
import { mailboxEvents } from './metrics.ts';
import { lineEndsOf, wireCount } from './wire.ts';

/** A message whose sizes are known. */
export interface Sized {
  /** As it is named now. */
  readonly entry: Entry;
  readonly octets: number;
  readonly wireOctets: number;
}

/**
 * Reads a file once to learn its sizes, and writes them into its name. The UIDL does not change.
 * Where the rename fails (no permission, another was quicker) the sizes hold all the same.
 * @returns undefined when the message is gone. @throws StoreError
 */
export async function sizeMessage(mailbox: Located, entry: Entry): Promise<Sized | undefined> {
  const { volume, maildir } = mailbox;
  const count = wireCount(lineEndsOf(entry.name));
  let found = entry;
  try {
    for (let end = false; !end;) {
      const request = { maildir, entry: found, offset: count.octets, length: READ_CHUNK_BYTES };
      const piece = await volume.read(request);
      count.add(piece.bytes);
      found = piece.entry;
      end = piece.end;
    }
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'message-gone') return undefined;
    throw error;
  }
  const { octets, wireOctets } = count;
  mailboxEvents.inc('sized');
  try {
    found = await volume.setSizes({ maildir, entry: found, octets, wireOctets });
  } catch {
    // Counted by the volume; next time it is read once more.
  }
  return { entry: found, octets, wireOctets };
}

/** Sizes several messages, so many at once. Results in order; undefined for those gone. */
export async function sizeMessages(
  mailbox: Located,
  entries: readonly Entry[],
  parallel: number,
): Promise<(Sized | undefined)[]> {
  const results: (Sized | undefined)[] = entries.map(() => undefined);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < entries.length; at = next++) {
      results[at] = await sizeMessage(mailbox, entries[at] as Entry);
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, entries.length) }, work));
  return results;
}
