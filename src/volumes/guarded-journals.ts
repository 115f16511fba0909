import type { Facts, FolderRef, Journals } from '#maildir';
import type { Engine } from './engine.ts';
import type { VolumeOperation } from './metrics.ts';

/** Runs an operation of the engine under bulkhead, breaker and deadline. */
export type RunGuarded = <T>(
  operation: VolumeOperation,
  guarded: {
    readonly maildir: string;
    readonly run: (engine: Engine) => Promise<T>;
    readonly deadlines?: number;
  },
) => Promise<T>;

/** One deadline for each so many messages that an operation names: a link or rename each. */
const MESSAGES_PER_DEADLINE = 50;
/** And for each so many that it lists or reads from a snapshot. */
const LISTED_PER_DEADLINE = 20_000;
/** For a folder of which this process knows nothing yet: nobody knows how large it is. */
const UNKNOWN_DEADLINES = 6;

const deadlinesFor = (messages: number): number => 1 + Math.floor(messages / MESSAGES_PER_DEADLINE);

/**
 * The journal's operations as callers of a volume get them. The bulkhead's key is the mailbox, so
 * that a folder that hangs costs its owner, and one operation at a time per folder is the
 * journal's own rule.
 */
export function guardedJournals(run: RunGuarded, engine: () => Engine): Journals {
  const known = (ref: FolderRef): ReturnType<Journals['known']> => engine().journals.known(ref);
  const listing = (ref: FolderRef): number => {
    const state = known(ref);
    if (state === undefined) return UNKNOWN_DEADLINES;
    return 1 + Math.floor(state.messages.length / LISTED_PER_DEADLINE);
  };
  return {
    known,
    sync: (ref, options) =>
      run('journalSync', {
        maildir: ref.maildir,
        run: ({ journals }) => journals.sync(ref, options),
        deadlines: listing(ref),
      }),
    store: (ref, change) =>
      run('journalStore', {
        maildir: ref.maildir,
        run: ({ journals }) => journals.store(ref, change),
        deadlines: listing(ref) + deadlinesFor(change.uids.length),
      }),
    expunge: (ref, uids, uidValidity) =>
      run('journalExpunge', {
        maildir: ref.maildir,
        run: ({ journals }) => journals.expunge(ref, uids, uidValidity),
        deadlines: listing(ref) + deadlinesFor(uids.length),
      }),
    add: (ref, messages) =>
      run('journalAdd', {
        maildir: ref.maildir,
        run: ({ journals }) => journals.add(ref, messages),
        deadlines: listing(ref) + deadlinesFor(messages.length),
      }),
    copy: (from, uids, to, uidValidity) =>
      run('journalCopy', {
        maildir: from.maildir,
        run: ({ journals }) => journals.copy(from, uids, to, uidValidity),
        deadlines: listing(from) + listing(to) + deadlinesFor(uids.length),
      }),
    move: (from, uids, to, uidValidity) =>
      run('journalMove', {
        maildir: from.maildir,
        run: ({ journals }) => journals.move(from, uids, to, uidValidity),
        deadlines: listing(from) + listing(to) + deadlinesFor(2 * uids.length),
      }),
    rename: (from, to) =>
      run('journalRename', {
        maildir: from.maildir,
        run: ({ journals }) => journals.rename(from, to),
      }),
    seed: (ref, seed) =>
      run('journalSeed', {
        maildir: ref.maildir,
        run: ({ journals }) => journals.seed(ref, seed),
        deadlines: UNKNOWN_DEADLINES + 1 + Math.floor(seed.messages.size / LISTED_PER_DEADLINE),
      }),
  };
}

/** The small files beside a folder, as callers of a volume get them. */
export function guardedFacts(run: RunGuarded): Facts {
  return {
    facts: (ref, drawer) =>
      run('facts', { maildir: ref.maildir, run: ({ facts }) => facts.facts(ref, drawer) }),
    readFact: (ref, drawer, name) =>
      run('readFact', {
        maildir: ref.maildir,
        run: ({ facts }) => facts.readFact(ref, drawer, name),
      }),
    putFact: (request) =>
      run('putFact', { maildir: request.ref.maildir, run: ({ facts }) => facts.putFact(request) }),
    removeFact: (ref, drawer, name) =>
      run('removeFact', {
        maildir: ref.maildir,
        run: ({ facts }) => facts.removeFact(ref, drawer, name),
      }),
  };
}
