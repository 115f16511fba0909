import { systemError } from '../errno.ts';
import { uniqueNames } from '../names.ts';
import type { Maildirs, MaildirsOptions } from '../types.ts';
import { addAll, addLinks, arrivalOf, type NotAdded } from './add.ts';
import { openLog } from './begin.ts';
import type { Message } from './book.ts';
import { NAMES_MAX } from './compact.ts';
import { commitRows, expungePlace, type Uids } from './expunge.ts';
import { NO_ROWS } from './format.ts';
import { folderPathOf, newPlace, type Failure, type Journal, type Place } from './place.ts';
import type { Rules } from './rules.ts';
import { Shelves, type Sharing } from './shelves.ts';
import { storeAll } from './store.ts';
import { syncPlace, TRIES_MAX } from './sync.ts';
import type {
  Added,
  Copied,
  FlagChange,
  FolderRef,
  Journals,
  StagedMessage,
  Stored,
} from './types.ts';
import { renameFolder, seedPlace } from './whole.ts';

/**
 * The journal of a folder: UIDs, MODSEQ and keywords for a plain Maildir that any number of
 * processes on any number of hosts read and change at once. No lock, no file that is written
 * twice, no index that could disagree with the mail.
 *
 * ## On disk
 *
 *     <folder>/mailfarm/log/<validity>.<number>            a commit; number 000000000 is a begin
 *     <folder>/mailfarm/log/<validity>.<number>.snapshot   all that was true after that commit
 *     <folder>/mailfarm/last/<validity>.<number>-<id>      second name of its writer's last commit
 *     <folder>/mailfarm/<drawer>/<name>                    facts (facts.ts)
 *
 * `validity` (10 digits) is the UIDVALIDITY, so a name says which numbers it speaks of, and names
 * sort by age. A position is (validity, number). A begin and a snapshot are *starts*: a reader
 * needs nothing before them. Files are text with a random id, length and checksum (format.ts).
 *
 * ## A commit, step by step
 *
 *  1. Know the log up to N-1 (a listing, and each commit read in its order).
 *  2. Make the rows from that state: numbers for new keys, flags that files have, keywords wanted.
 *  3. Create `last/N-<id>`, write, fsync unless it says nothing but flags, close.
 *  4. link(2) it to `log/N`. fsync of log/ where the file system needs that.
 *  5. Whatever link answered, list log/ afresh. A start at or above N: lost. link said anything
 *     but success: read N; another id there: lost. N not there: link once more, then "unknown".
 *  6. Won: apply the rows; only now does anybody learn of a UID. Remove the name in last/ of the
 *     commit before. Lost: remove `last/N-<id>`, read what is new, and go to 2.
 *
 * Reading: list log/. The newest start that is whole, then the commits after it, each once, in
 * order, without a gap. A process that is at N has nothing to read when nothing newer is listed.
 *
 * sync: list log/, read what is new, list new/ and cur/; if they show anything but what is known,
 * list them once more, and commit what both show: numbers for keys that are new, letters that
 * others changed, absence that is proved. An unchanged folder is three listings (three GETATTR on
 * NFS), three stats where directory times are exact.
 *
 * store: rename from the exact name known (the compare-and-swap of letters), then one commit for
 * all messages of the call. Lost renames: sync, and again for those; a sync before the commit, too,
 * where others have recorded other letters since the rename. Calls that wait for one folder are run
 * one by one; a store takes along the stores that wait behind it, an add the adds: they share one
 * commit, and its fsyncs.
 *
 * expunge: commit, unlink, commit that they are cleared. add: rename into cur/, then commit.
 * copy: link into the other folder's cur/, then commit there. move: the same under a key that keeps
 * the message's identity (names.ts), then expunge here.
 * A begin: UIDVALIDITY taken from INBOX's journal (a commit there), then the begin is linked.
 *
 * ## Invariants
 *
 *  I1. (UIDVALIDITY, UID) of a folder's name means one message, for ever, to whoever was told it.
 *  I2. UIDs ascend: a message numbered later has a higher one. MODSEQ ascends with the position.
 *  I3. All processes that are at one position hold the same numbers, keywords and recorded letters.
 *  I4. What was answered is in the log (numbers, keywords: durable) or in file names (letters).
 *  I5. No message file is removed but those of expunged UIDs, asked for by a client.
 *  I6. When all rest and each has synced twice 10 s apart, journal and files say the same.
 *
 * ## Rules, each with the race that it is for
 *
 * own-id: when link says anything but success, N is ours only if N holds our id. EEXIST is a lost
 *   reply as well as a competitor; believed as ours, two writers give one UID to two messages.
 * covered: nothing is won at or below a start, seen in a listing after link. A writer that slept
 *   from step 1 to 4 finds N free again after a compaction (measured), or a new begin above.
 * newest-start: a reader takes no commit at or below the newest start, but reads the start. What
 *   lies at such a number may be that writer's litter.
 * snapshot-first: nothing is removed that no snapshot covers which was linked and read back whole.
 * keep-previous: only what the last but one whole snapshot covers is removed, it stays itself. A
 *   listing that is under way while a snapshot comes and an old one goes may show neither.
 * list-again: a gap in a listing, or a listed file that is not there (ENOENT, ESTALE): list again,
 *   from the newest start. Only a gap that stays is a loss.
 * torn-empty: a commit whose length or checksum is wrong counts as empty, a start as absent: power
 *   failed on a commit of flags, which is not fsynced. It still takes its number.
 * follows-on: a commit names the id before it. When that is not the one in memory, memory is of a
 *   log that is gone: read from the start. When the log itself does not chain: a loss.
 * witness: `last/` keeps a second name of the newest commits. Who opens a folder anew and finds
 *   there the next position of the log, whole, links it: its writer died or is slow (the commit is
 *   right at that position, whoever links it), or the newest commits were deleted, and with them
 *   UIDs that clients know. One further on than the next proves a loss.
 * new-validity: after a loss (no start, a gap, a broken chain, less than this process has read) a
 *   begin with a higher UIDVALIDITY. Nobody repairs from memory: whether there is a loss is judged
 *   by files alone, so that all judge alike.
 * validity-record: a UIDVALIDITY is the server's seconds, and above the last that was given to any
 *   folder of this Maildir, which INBOX's journal holds; it is committed there before its begin is
 *   linked. So a folder that is deleted, made again or renamed never meets an old one.
 * own-inode: a start holds the inodes it was written with, its own and that of cur/. Others: this
 * is
 *   a copy or a restored backup, whose log has forgotten UIDs: a loss. Our own rename keeps inodes.
 * settle: log/ is there, empty or at a loss, and changed in this very second by the server's clock:
 *   the begin waits for the next, or two begins could take one UIDVALIDITY. Often it is another
 *   host's begin under way.
 * fsync: commits with numbers, keywords or expunges are durable before they have a name.
 * log-before-files: log/ is listed before new/ and cur/. Then a file that the log has cleared
 *   is not in the listing because of age: it came back. And its letters are not older than the
 *   log's.
 * start-over: whoever loses a number to another with rows from a listing lists anew. An older
 * listing
 *   shows files that the commits just read have expunged: they would get a new UID.
 * two-listings: what differs from the journal counts when two successive listings show it alike.
 *   One listing taken while others rename misses and doubles (measured).
 * proof-of-absence: a numbered key is expunged for others' sake when looks at least 10 s apart miss
 *   it and all looks between, in two listings each that agree on what is there; a commit that
 *   changes its letters begins anew. A listing misses only what is renamed meanwhile (measured; two
 *   in a row none of 200), so renames of other keys do not hold a proof up, however many they are.
 * expunge-commit: our own expunge is committed before the unlink, so nobody numbers or proves it.
 * clear: the file of an expunged key that is not cleared is removed by whoever sees it; a cleared
 *   key that comes back is a new message with a new UID. A restored letter is never removed.
 * numbered-once: an add that lost its number looks whether others have numbered its message and
 *   expunged it since, in what it reads of the log, or by the file where a start hides that
 *   (arriving.ts). Numbered again, a client would be shown for 10 s what it has expunged.
 *
 * MODSEQ is one more than the last, and at least our clock's milliseconds in a commit that is
 * fsynced. One of flags may be lost with the power; its MODSEQ, told to a client, must not return
 * for another change, whatever the next host's clock says: it is exactly one more, and a torn
 * commit counts so.
 *
 * ## Full volume
 *
 * A folder without a journal cannot be shown: numbers that no begin vouches for would be others
 * tomorrow, and an empty folder would be a lie. Every operation says ENOSPC, EDQUOT or EROFS, and
 * that room is to be made. Once there is a journal, a volume without room is read and emptied:
 *
 * ENOSPC, EDQUOT, EROFS of a commit: the state is what files say. Letters are shown with the MODSEQ
 * they had, new messages are counted in `unnumbered`, expunge unlinks and tries its commit again
 * once there is room; if there is none, others prove the absence. Nothing of it is remembered: the
 * next sync finds it again.
 *
 * ## What is left
 *
 * - Whoever deletes the newest commits and their witnesses too, leaves no trace of them. All of
 *   mailfarm/ in INBOX and folder, made, deleted and made again within one second: the same.
 * - Two that begin a journal at once where there is none, one of them put aside for a second
 *   between its look and its link: the later begin wins, and who was told the earlier UIDVALIDITY
 *   is told a second one. No number means two messages; clients fetch the folder twice.
 * - A copy that gets the very inodes of the original (an image of the volume) is the original.
 * - A letter changed there and back between two listings is never seen; it has changed nothing.
 *
 * ## Rejected
 *
 * A lock or lease (a paused holder writes on). One appended file (two hosts' appends overwrite each
 * other over NFS: 450 to 510 of 600 lines survive). UIDs in file names (two renames race, and other
 * tools drop them). Sequence numbers without UIDVALIDITY in the name (a process that
 * remembers a log that was deleted cannot tell the new one from it by listing). The folder's own
 * inode alone (a restore writes into a directory that is there). Commits kept for an hour whatever
 * their number (a thousand a second would make each poll list millions); the hour holds for few.
 *
 * Standards: RFC 9051 §2.3.1.1, RFC 7162 §3.1    Errors: UnknownResultError, system errors
 */
export interface JournalsOptions extends MaildirsOptions {
  /** Whose names are used, so that one count serves both; the journal has its own otherwise. */
  readonly maildirs?: Pick<Maildirs, 'uniqueName'>;
  /** Called for each failure of what no operation depends on; when it lasts, log/ grows. */
  readonly onFailure?: (what: Failure, error: unknown) => void;
  /** Messages of all folders that are kept in memory; those used least recently go first. */
  readonly messagesMax?: number;
}

/** Some 300 octets each. */
const MESSAGES_MAX = 500_000;

export const openJournals = (options: JournalsOptions): Journals => openWithout(options, {});

/** For tests of the rules: the journal with one of them left out, and with small limits. */
export function openWithout(options: JournalsOptions, rules: Rules): Journals {
  const shelves = new Shelves(options.messagesMax ?? MESSAGES_MAX);
  const journal = journalOf(options, rules, shelves);
  const storing: Sharing<FlagChange, Stored> = {
    kind: 'store',
    runAll: (place, changes) => storeAll(journal, place, changes),
  };
  const adding: Sharing<readonly StagedMessage[], Added | NotAdded> = {
    kind: 'add',
    runAll: (place, calls) => addAll(journal, place, calls),
  };
  return {
    known: (ref) => shelves.peek(ref)?.state,
    sync: (ref, sync) => shelves.run(ref, (place) => syncPlace(journal, place, sync)),
    store: (ref, change) =>
      shelves.share(ref, change, storing, change.unchangedSince !== undefined),
    expunge: (ref, uids, uidValidity) =>
      shelves.run(ref, (place) => expungePlace(journal, place, { uids, uidValidity })),
    add: async (ref, messages) => {
      const outcome = await shelves.share(ref, messages, adding);
      if ('error' in outcome) throw outcome.error;
      return outcome;
    },
    copy: async (from, uids, to, uidValidity) =>
      (await copyTo(journal, shelves, { from, uids, uidValidity, to, how: 'copied' })).copied,
    move: async (from, uids, to, uidValidity) => {
      const done = await copyTo(journal, shelves, { from, uids, uidValidity, to, how: 'moved' });
      const moved = {
        uids: done.copied.pairs.map((pair) => pair.from),
        uidValidity: done.uidValidity,
      };
      await shelves.run(from, (place) => expungePlace(journal, place, moved));
      const state = shelves.peek(to)?.state ?? done.copied.state;
      return { ...done.copied, state };
    },
    rename: async (from, to) => {
      await shelves.run(from, (place) => renameFolder(journal, place, newPlace(to)));
      await shelves.forget(from);
      await shelves.forget(to);
    },
    seed: (ref, seed) => shelves.run(ref, (place) => seedPlace(journal, place, seed)),
  };
}

function journalOf(options: JournalsOptions, rules: Rules, shelves: Shelves): Journal {
  const { fs, directorySync, clock, random } = options;
  const journal: Journal = {
    nfs: { fs, directorySync, many: options.many, lie: options.onLie ?? (() => {}) },
    clock,
    random,
    uniqueName: options.maildirs?.uniqueName ?? uniqueNames(options),
    exact: options.directoryTimes === 'exact',
    keeps: (rule) => rules.without !== rule,
    snapshotEvery: rules.snapshotEvery,
    namesMax: rules.namesMax ?? NAMES_MAX,
    failed: options.onFailure ?? (() => {}),
    reserve: ({ maildir }, atLeast) =>
      shelves.run({ maildir, folder: '' }, async (inbox) => {
        await openLog(journal, inbox);
        let validity = atLeast;
        await commitRows(journal, inbox, (book) => {
          validity = Math.max(atLeast, book.validityGiven + 1);
          return { ...NO_ROWS, validity };
        });
        return validity;
      }),
  };
  return journal;
}

/**
 * Links into the other folder in its own turn. No turn is held while another is waited for: two
 * copies that cross would wait for ever.
 */
async function copyTo(
  journal: Journal,
  shelves: Shelves,
  request: Uids & {
    readonly from: FolderRef;
    readonly to: FolderRef;
    readonly how: 'moved' | 'copied';
  },
): Promise<{ readonly copied: Copied; readonly uidValidity: number | undefined }> {
  const { from, uids, to, how } = request;
  let { uidValidity } = request;
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const isKnown = attempt === 0 && shelves.peek(from)?.book !== undefined;
    const messages = await shelves.run(from, async (place) => {
      if (!isKnown || place.book === undefined) await syncPlace(journal, place);
      uidValidity ??= place.book?.validity;
      return thereNow(place, { uids, uidValidity });
    });
    const linked = messages.map((message) => ({
      from: message,
      arrival: arrivalOf(journal, message, how),
    }));
    const source = newPlace(from);
    const added = await shelves.run(to, (place) => addLinks(journal, place, source, linked));
    if (added === 'lost') continue; // Its name has changed, or it is gone.
    const pairs = messages.map(({ uid }, index) => ({ from: uid, to: added.uids[index] }));
    return { copied: { state: added.state, pairs }, uidValidity };
  }
  throw systemError('EAGAIN', 'link', folderPathOf(to));
}

function thereNow(place: Place, { uids, uidValidity }: Uids): readonly Message[] {
  if (place.book?.validity !== uidValidity) return [];
  return uids.flatMap((uid) => {
    const message = place.book?.find(uid);
    const isThere = !place.missing.has(uid) && !place.hidden.has(uid);
    return message !== undefined && isThere ? [message] : [];
  });
}
