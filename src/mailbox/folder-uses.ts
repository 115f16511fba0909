import { StoreError } from '../volumes/error.ts';
import type { Located } from '../volumes/table.ts';
import type { SpecialUse } from './mail.ts';
import { isSpecialUse } from './special-use.ts';

/**
 * What folders were made for (CREATE with USE, RFC 6154 §3): one fact for each use, in INBOX, that
 * names the folder on disk. There, and not in each folder, because LIST then asks one directory and
 * not all of them. One that names a folder which is gone says nothing.
 */
const DRAWER = 'uses';

const refOf = ({ maildir }: Located): { maildir: string; folder: string } => ({
  maildir,
  folder: '',
});

/** Uses by folder on disk. @throws StoreError */
export async function readUses(mailbox: Located): Promise<ReadonlyMap<string, SpecialUse>> {
  const { facts } = mailbox.volume;
  const uses = new Map<string, SpecialUse>();
  for (const use of await facts.facts(refOf(mailbox), DRAWER)) {
    if (!isSpecialUse(use)) continue;
    try {
      const bytes = await facts.readFact(refOf(mailbox), DRAWER, use);
      uses.set(Buffer.from(bytes).toString(), use);
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'message-gone') throw error;
    }
  }
  return uses;
}

/** @throws StoreError */
export const writeUse = (mailbox: Located, use: SpecialUse, disk: string): Promise<void> =>
  mailbox.volume.facts.putFact({
    ref: refOf(mailbox),
    drawer: DRAWER,
    name: use,
    bytes: Buffer.from(disk),
    durable: true,
  });

/** @throws StoreError */
export const removeUse = (mailbox: Located, use: SpecialUse): Promise<void> =>
  mailbox.volume.facts.removeFact(refOf(mailbox), DRAWER, use);
