import { hasKey, isMessageName, nameKey } from '../names.ts';
import { listFresh } from '../nfs.ts';
import type { Entry } from '../types.ts';
import { hasLetters, type Book, type Message } from './book.ts';
import type { Journal, MailNames, Place } from './place.ts';

/** How often new/ and cur/ are listed until two listings show the same difference. */
const LISTINGS_MAX = 4;

/** What a listing shows otherwise than the book. */
interface Survey {
  readonly names: MailNames;
  /** By key: files that have no number. */
  readonly fresh: Map<string, Entry>;
  /** By UID: files with another name than the book's. */
  readonly moved: Map<number, Entry>;
  readonly missing: Set<number>;
  /** By UID: files of what is expunged and not cleared. */
  readonly uncleared: Map<number, Entry>;
}

/** What two successive listings show alike. */
export interface Difference {
  readonly fresh: ReadonlyMap<string, Entry>;
  readonly moved: ReadonlyMap<number, Entry>;
  readonly missing: ReadonlySet<number>;
  readonly uncleared: ReadonlyMap<number, Entry>;
  /** Both had the same messages: what both miss is missing. */
  readonly complete: boolean;
  readonly names: MailNames;
  /** Whether a book that knows of this difference says the same as `names`. */
  readonly settled: boolean;
}

/** Lists new/ and cur/: once when they show what the book says, else until two listings agree. */
export async function surveyMail(
  journal: Journal,
  place: Place,
  book: Book,
  old?: MailNames,
): Promise<Difference> {
  const first = old ?? (await listMail(journal, place));
  if (sameMail(first, place.mailNames) && book.uncleared.size === 0) return nothing(first);
  let before = survey(first, book);
  if (isNothing(before, book)) return nothing(first);
  if (old !== undefined || !journal.keeps('two-listings')) return agreed(before, before, true);
  for (let listing = 2; ; listing++) {
    const latest = survey(await listMail(journal, place), book);
    const complete = sameMessages(before, latest);
    if (complete || listing >= LISTINGS_MAX) {
      if (!complete) journal.nfs.lie('listing');
      return agreed(before, latest, complete);
    }
    before = latest;
  }
}

/** new/ before cur/: messages move that way, so one that moves meanwhile is seen twice. */
export async function listMail({ nfs }: Journal, place: Place): Promise<MailNames> {
  const fresh = await listFresh(nfs, `${place.path}/new`);
  return { new: fresh, cur: await listFresh(nfs, `${place.path}/cur`) };
}

const sameList = (a: readonly string[], b: readonly string[]): boolean => {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
};

const sameMail = (a: MailNames, b: MailNames | undefined): boolean =>
  b !== undefined && sameList(a.new, b.new) && sameList(a.cur, b.cur);

const nothing = (names: MailNames): Difference => ({
  fresh: new Map(),
  moved: new Map(),
  missing: new Set(),
  uncleared: new Map(),
  complete: true,
  names,
  settled: true,
});

function isNothing(seen: Survey, book: Book): boolean {
  const changes = seen.fresh.size + seen.moved.size + seen.missing.size + seen.uncleared.size;
  return changes === 0 && book.uncleared.size === 0;
}

/**
 * Later names win: cur/ over new/, the last in order within a directory. Most names come in the
 * order of UIDs, so that the next message is the one, without a look-up.
 */
function survey(names: MailNames, book: Book): Survey {
  const seen: Survey = {
    names,
    fresh: new Map(),
    moved: new Map(),
    missing: new Set(),
    uncleared: new Map(),
  };
  const { messages } = book;
  const found = new Uint8Array(messages.length);
  let count = 0;
  let next = 0;
  for (const directory of ['new', 'cur'] as const) {
    for (const name of names[directory]) {
      if (!isMessageName(name)) continue;
      let message = messages[next];
      if (message === undefined || !hasKey(name, message.key)) {
        const key = nameKey(name);
        message = book.withKey(key);
        if (message === undefined) {
          surveyUnknown(seen, book, key, { directory, name });
          continue;
        }
        next = book.indexOf(message.uid);
      }
      if (found[next] === 0) count++;
      found[next++] = 1;
      surveyKnown(seen, message, directory, name);
    }
  }
  if (count === messages.length) return seen;
  for (const [index, { uid }] of messages.entries()) if (found[index] === 0) seen.missing.add(uid);
  return seen;
}

function surveyKnown(
  { moved }: Survey,
  { uid, entry, flags }: Message,
  directory: Entry['directory'],
  name: string,
): void {
  const isSame = entry.name === name && entry.directory === directory;
  if (!isSame) moved.set(uid, { directory, name });
  else if (!hasLetters(name, flags)) moved.set(uid, entry);
  else if (moved.size > 0) moved.delete(uid);
}

function surveyUnknown(seen: Survey, book: Book, key: string, entry: Entry): void {
  const uid = book.unclearedKeys.get(key);
  if (uid === undefined) seen.fresh.set(key, entry);
  else seen.uncleared.set(uid, entry);
}

function sameMessages(a: Survey, b: Survey): boolean {
  if (a.fresh.size !== b.fresh.size || a.missing.size !== b.missing.size) return false;
  if (a.uncleared.size !== b.uncleared.size) return false;
  for (const key of a.fresh.keys()) if (!b.fresh.has(key)) return false;
  for (const uid of a.missing) if (!b.missing.has(uid)) return false;
  for (const uid of a.uncleared.keys()) if (!b.uncleared.has(uid)) return false;
  return true;
}

function agreed(before: Survey, latest: Survey, complete: boolean): Difference {
  const fresh = new Map([...latest.fresh].filter(([key]) => before.fresh.has(key)));
  const moved = new Map(
    [...latest.moved].filter(([uid, entry]) => {
      const other = before.moved.get(uid);
      return other?.name === entry.name && other.directory === entry.directory;
    }),
  );
  const missing = new Set([...latest.missing].filter((uid) => before.missing.has(uid)));
  const { uncleared, names } = latest;
  const settled =
    fresh.size === latest.fresh.size &&
    moved.size === latest.moved.size &&
    latest.missing.size === 0 &&
    uncleared.size === 0;
  return { fresh, moved, missing, uncleared, complete, names, settled };
}
