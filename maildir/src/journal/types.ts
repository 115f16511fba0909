import type { Entry } from '../types.ts';

/** A folder of a Maildir++: INBOX is the Maildir itself. */
export interface FolderRef {
  /** Absolute path of the user's Maildir. */
  readonly maildir: string;
  /** Name on disk without its leading dot (`Archive.2026`); '' is INBOX. */
  readonly folder: string;
}

/** A message with its number. Immutable, and shared between versions of a folder's state. */
export interface Numbered {
  readonly uid: number;
  /** Its name before the first comma or colon: the identity of the file. */
  readonly key: string;
  /** Where the file was seen last. */
  readonly entry: Entry;
  /** Letters of the name, sorted: D F P R S T of Maildir, a to z of other tools. */
  readonly flags: string;
  /**
   * Sorted, each once, as their first writer spelled them. One array serves all that have the same.
   */
  readonly keywords: readonly string[];
  /** Change number of its last change (RFC 7162 §3.1). */
  readonly modseq: number;
}

export interface Expunged {
  readonly uid: number;
  readonly modseq: number;
  /** EMAILID of the message that it was; '' where an older snapshot did not say. */
  readonly emailId: string;
}

/**
 * What is known of a folder at one moment. A version never changes; a later one has another
 * `modseq` or other entries. 100,000 messages are one array of shared objects.
 */
export interface FolderState {
  /**
   * Random id of this journal, 16 hexadecimal digits: of one folder alone, and the same whatever
   * the folder is called. Another one whenever `uidValidity` is another.
   */
  readonly journalId: string;
  /** RFC 9051 §2.3.1.1; another one means that no number of before counts. */
  readonly uidValidity: number;
  /** Above every UID given so far. */
  readonly uidNext: number;
  /** HIGHESTMODSEQ: of the last change. Starts at 1. */
  readonly modseq: number;
  /** By UID, ascending. */
  readonly messages: readonly Numbered[];
  /** Ascending by modseq; every expunge above `expungedSince` is here. */
  readonly expunged: readonly Expunged[];
  readonly expungedSince: number;
  /** Files that wait for a number because the volume takes no commit now. */
  readonly unnumbered: number;
}

/** What a change of flags is asked to do; the same for every UID. */
export interface FlagChange {
  readonly uids: readonly number[];
  /**
   * `replace`: `letters` and `keywords` become all there is, but for letters nobody asks for by
   * name.
   */
  readonly how: 'add' | 'remove' | 'replace';
  /** Of D F P R S T. */
  readonly letters: string;
  readonly keywords: readonly string[];
  /** A message with a higher MODSEQ is left alone (UNCHANGEDSINCE, RFC 7162 §3.1.3). */
  readonly unchangedSince?: number;
  /** See Journals: what the UIDs are numbers of. */
  readonly uidValidity?: number;
}

export interface Stored {
  readonly state: FolderState;
  /** UIDs left alone for `unchangedSince`. */
  readonly modified: readonly number[];
  /** UIDs that are not there any more. */
  readonly gone: readonly number[];
}

/** A message whose bytes lie durable in the folder's own tmp/ under `base` (see Maildirs.stage). */
export interface StagedMessage {
  /** The key it gets. Its leading seconds are the message's INTERNALDATE. */
  readonly base: string;
  readonly octets: number;
  readonly wireOctets: number;
  readonly letters: string;
  readonly keywords: readonly string[];
}

export interface Added {
  readonly state: FolderState;
  /**
   * One for each message asked for, in order; undefined: it is there and waits for a number, or
   * others have expunged it already.
   */
  readonly uids: readonly (number | undefined)[];
}

export interface Copied {
  /** Of the folder that got them. */
  readonly state: FolderState;
  /** UIDs here and there, in order; messages that are gone are left out. */
  readonly pairs: readonly { readonly from: number; readonly to: number | undefined }[];
}

/** Numbers that an import brings along (N-08). */
export interface Seed {
  readonly uidValidity: number;
  readonly uidNext: number;
  /** UID and keywords by key of the file. Files without a row are numbered as new ones. */
  readonly messages: ReadonlyMap<
    string,
    { readonly uid: number; readonly keywords?: readonly string[] }
  >;
}

/**
 * The journal's coarse operations: values in, values out. They reject with the errno of the first
 * call that failed, as those of `Maildirs` do; an UnknownResultError is repeated by the caller's
 * next `sync`, which finds what came of it. No operation takes a lock or waits for another host.
 *
 * UIDs mean messages only together with the UIDVALIDITY that they were told with. Whoever remembers
 * UIDs from before a call passes it; when the folder has another, all of them are gone. Left out,
 * it is the one this process knows when the operation begins.
 */
export interface Journals {
  /** The newest state this process knows, without asking; undefined when it knows none. */
  known(ref: FolderRef): FolderState | undefined;
  /**
   * Reads new commits, lists new and cur, numbers what has no number, notes what others changed.
   * With `claim`, messages in new/ are moved to cur/. On a full volume the state is what the files
   * say, without new numbers. @throws ENOENT when there is no such folder
   */
  sync(
    ref: FolderRef,
    options?: { readonly claim?: boolean },
  ): Promise<{ readonly state: FolderState; readonly claimed: readonly number[] }>;
  /** Changes flags (renames) and keywords (in a commit). */
  store(ref: FolderRef, change: FlagChange): Promise<Stored>;
  /** Removes messages for good; those that are gone already count as removed. */
  expunge(ref: FolderRef, uids: readonly number[], uidValidity?: number): Promise<FolderState>;
  /** Makes staged messages visible in cur/, all or none, and numbers them. */
  add(ref: FolderRef, messages: readonly StagedMessage[]): Promise<Added>;
  /**
   * Links messages into another folder of the same Maildir under new keys, flags and keywords kept.
   */
  copy(
    from: FolderRef,
    uids: readonly number[],
    to: FolderRef,
    uidValidity?: number,
  ): Promise<Copied>;
  /** As `copy`; then they are expunged here. A crash may leave both, never neither. */
  move(
    from: FolderRef,
    uids: readonly number[],
    to: FolderRef,
    uidValidity?: number,
  ): Promise<Copied>;
  /** Renames a folder; its numbers stay with it. The old name's UIDVALIDITY is never used again. */
  rename(from: FolderRef, to: FolderRef): Promise<void>;
  /** Begins a journal with numbers of an import. @throws EEXIST when one has begun already */
  seed(ref: FolderRef, seed: Seed): Promise<FolderState>;
}

/**
 * Small immutable files in the `mailfarm/` directory of a Maildir or folder, one fact or batch a
 * file, written whole under a name, never changed. Caches and settings lie there. Losing a cache
 * costs time only.
 */
export interface Facts {
  /** Names in a drawer, sorted; [] when there is no drawer. */
  facts(ref: FolderRef, drawer: string): Promise<readonly string[]>;
  /** @throws ENOENT */
  readFact(ref: FolderRef, drawer: string, name: string): Promise<Uint8Array>;
  /** Replaces what has the name. `durable`: fsynced before it is there. */
  putFact(request: {
    readonly ref: FolderRef;
    readonly drawer: string;
    readonly name: string;
    readonly bytes: Uint8Array;
    readonly durable: boolean;
  }): Promise<void>;
  /** Absent is fine. */
  removeFact(ref: FolderRef, drawer: string, name: string): Promise<void>;
}
