import { systemError } from '../errno.ts';
import { folderNameFault } from '../folders.ts';
import { nameBase, nameKey } from '../names.ts';
import { listFresh, moveDirectory, syncDirectory } from '../nfs.ts';
import { begin } from './begin.ts';
import { Book, lettersOf } from './book.ts';
import type { StartMessage } from './format.ts';
import { FORWARDED, Keywords } from './keywords.ts';
import { readLog } from './log.ts';
import { surveyMail } from './mail.ts';
import type { Journal, Place } from './place.ts';
import { storeAll } from './store.ts';
import { syncPlace } from './sync.ts';
import type { FolderState, Seed } from './types.ts';

/** What concerns a folder as a whole: renaming it, and the numbers of an import. */

/** The interface's `rename`: the journal lies in the folder and goes with it. */
export async function renameFolder(journal: Journal, from: Place, to: Place): Promise<void> {
  const { maildir } = from.ref;
  const fault = folderNameFault(from.ref.folder) ?? folderNameFault(to.ref.folder);
  if (fault !== undefined || maildir !== to.ref.maildir) {
    throw systemError('EINVAL', fault ?? 'Both names must be of one Maildir', to.path);
  }
  const names = await listFresh(journal.nfs, maildir);
  if (names.includes(`.${to.ref.folder}`)) throw systemError('EEXIST', 'rename', to.path);
  await moveDirectory(journal.nfs, from.path, to.path);
  await syncDirectory(journal.nfs, maildir);
}

/** The interface's `seed`. */
export async function seedPlace(journal: Journal, place: Place, seed: Seed): Promise<FolderState> {
  const read = await readLog(journal, place);
  if (read.what === 'read' || read.floor >= seed.uidValidity) {
    throw systemError('EEXIST', 'seed', place.log);
  }
  const messages = await seeded(journal, place, seed);
  const uidNext = Math.max(seed.uidNext, 1, ...messages.slice(-1).map(({ uid }) => uid + 1));
  const beginning = { uidNext, messages };
  if ((await begin(journal, place, read, beginning, seed.uidValidity)) === 'lost') {
    throw systemError('EEXIST', 'seed', place.log);
  }
  const { state } = await syncPlace(journal, place);
  // What has a letter of its own is in the name, not in the journal.
  const uids = messages.filter(({ base }) => isForwarded(seed, base)).map(({ uid }) => uid);
  if (uids.length === 0) return state;
  const change = { uids, how: 'add' as const, letters: '', keywords: [FORWARDED] };
  const [stored] = await storeAll(journal, place, [change]);
  return stored?.state ?? state;
}

function isForwarded(seed: Seed, base: string): boolean {
  const keywords = seed.messages.get(nameKey(base))?.keywords ?? [];
  return keywords.some((name) => name.toLowerCase() === FORWARDED.toLowerCase());
}

/** Files that the import has numbers for, by UID. @throws EINVAL when a UID is there twice */
async function seeded(journal: Journal, place: Place, seed: Seed): Promise<StartMessage[]> {
  const nobody = new Book(
    {
      kind: 'begin',
      id: '-',
      at: { validity: seed.uidValidity, number: 0 },
      after: '-',
      journal: '-',
      modseq: 1,
      uidNext: 1,
      inodes: '',
      since: 0,
      validity: undefined,
      messages: [],
      expunged: [],
      uncleared: new Map(),
    },
    new Keywords([]),
    undefined,
  );
  const { fresh } = await surveyMail(journal, place, nobody);
  const messages: StartMessage[] = [];
  for (const [key, { name }] of fresh) {
    const row = seed.messages.get(key);
    if (row === undefined) continue;
    const { own } = nobody.keywords.split(row.keywords ?? []);
    const keywords = nobody.keywords.intern(own);
    const letters = lettersOf(name);
    messages.push({ uid: row.uid, modseq: 1, letters, keywords, base: nameBase(name) });
  }
  messages.sort((a, b) => a.uid - b.uid);
  let before = 0;
  for (const { uid } of messages) {
    if (!Number.isSafeInteger(uid) || uid <= before) {
      throw systemError('EINVAL', `uid ${uid}`, place.path);
    }
    before = uid;
  }
  return messages;
}
