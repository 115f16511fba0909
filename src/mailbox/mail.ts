import type { Account } from '../directory/types.ts';
import type { Added, Copied, FlagChange, FolderState, Numbered, Stored } from '#maildir';
import type { Query } from './query.ts';
import type { Ahead, AheadRequest } from './read-ahead.ts';
import type { Stretch } from './search.ts';
import type { HeadSummary, Summary } from './summary.ts';
import type { UserFacts } from './user-facts.ts';

/** What the engine's types mean to protocols, which do not import the engine. */
export type {
  Added,
  Copied,
  Entry,
  Expunged,
  FlagChange,
  FolderState,
  Numbered,
  Stored,
} from '#maildir';

/**
 * One user's mail as IMAP and JMAP see it. Two stores implement it (memory, Maildir) and pass one
 * conformance suite. All methods throw StoreError for trouble with storage, and MailError for what
 * the user asked that cannot be.
 */
export interface Mail {
  readonly account: Account;
  /** All folders, INBOX first, then by name. */
  folders(): Promise<readonly FolderInfo[]>;
  create(name: string, use?: SpecialUse): Promise<void>;
  /** With all messages. Folders below it stay. */
  remove(name: string): Promise<void>;
  /** With the folders below it. INBOX: its messages move to a new folder (RFC 9051 §6.3.6). */
  rename(from: string, to: string): Promise<void>;
  /** Of any name, there or not (RFC 9051 §6.3.7). */
  subscribe(name: string, subscribed: 'yes' | 'no'): Promise<void>;
  /** Names subscribed to, of folders that are there or not. */
  subscriptions(): Promise<readonly string[]>;
  /** A folder to work in; sessions of one process share its state. `close` it when done. */
  open(name: string): Promise<Folder>;
  quota(): Promise<Quota>;
  /** What is known of the user beside the mail. */
  readonly facts: UserFacts;
  /** Begins a message for `append`; checks that the folder is there and the quota lets it in. */
  draft(folder: string, options: DraftOptions): Promise<Draft>;
  /** All of them or none (MULTIAPPEND, RFC 3502). The drafts are used up. */
  append(folder: string, drafts: readonly Draft[]): Promise<Added>;
  /** Ends what works for this user in this process. */
  close(): void;
}

export interface DraftOptions {
  /** Octets that are to come, where the client says. */
  readonly octets?: number;
  /** Octets of the drafts before it that are appended with it; they count for the quota. */
  readonly before?: number;
  readonly letters: string;
  readonly keywords: readonly string[];
  /** INTERNALDATE in milliseconds since 1970; now when left out. */
  readonly date?: number;
}

/** A message that is being written; bare LF becomes CRLF. */
export interface Draft {
  /** Takes over wire form in pieces of any size; resolves when more may come. */
  write(piece: Uint8Array): Promise<void>;
  /** Gives it up and removes what was written. */
  discard(): Promise<void>;
}

export interface FolderInfo {
  /** Unicode, parts separated by `/`. INBOX is `INBOX`, whatever case a client writes. */
  readonly name: string;
  readonly use: SpecialUse | undefined;
  readonly subscribed: boolean;
}

/** RFC 6154 §2, RFC 8457 §3. */
export const SPECIAL_USES = [
  'All',
  'Archive',
  'Drafts',
  'Flagged',
  'Junk',
  'Sent',
  'Trash',
  'Important',
] as const;
export type SpecialUse = (typeof SPECIAL_USES)[number];

export interface Quota {
  /** Octets of all folders, sum of S= over names. */
  readonly octets: number;
  readonly messages: number;
  /** 0: no limit. */
  readonly octetsMax: number;
}

/**
 * An open folder. `state` is the newest that this process knows; it never goes back. A session
 * keeps the version it has told its client of, and compares.
 */
export interface Folder {
  readonly name: string;
  readonly state: FolderState;
  /** Looks at the files and the journal now. */
  refresh(): Promise<FolderState>;
  /**
   * As `refresh`, and takes messages out of new/: @returns their UIDs, \Recent of this session
   * alone. INBOX of somebody who never got mail is made.
   */
  claim(): Promise<readonly number[]>;
  /**
   * Calls `listener` after each change that this process learns of, until the function returned is
   * called. While somebody watches, the folder is looked at on a timer that backs off, and at once
   * when a hint comes. Failures are told to `listener` as the state of before, nothing else.
   */
  watch(listener: (state: FolderState) => void): () => void;
  /**
   * UIDs of before a call may be of a folder that has been replaced since: `uidValidity` (in
   * `store` part of the change) is what they are numbers of. Where the folder has another, all are
   * gone.
   */
  store(change: FlagChange): Promise<Stored>;
  expunge(uids: readonly number[], uidValidity?: number): Promise<FolderState>;
  copy(uids: readonly number[], to: string, uidValidity?: number): Promise<Copied>;
  move(uids: readonly number[], to: string, uidValidity?: number): Promise<Copied>;
  /**
   * Stored octets from `offset` to `end` in wire form, in pieces that may be used until the next
   * is asked for. @throws StoreError 'message-gone'
   */
  read(message: Numbered, range?: StoredRange): AsyncIterable<Buffer>;
  /**
   * These will be read in this order, each from its begin: what comes of it may be taken instead of
   * reading. Undefined where that would not help.
   */
  readAhead(request: AheadRequest): Promise<Ahead | undefined>;
  /** Octets of the message in wire form. Sized once where the name does not say. */
  octets(message: Numbered): number | Promise<number>;
  /** INTERNALDATE in milliseconds since 1970. */
  date(message: Numbered): number | Promise<number>;
  /**
   * One for each message, in order; undefined: it is gone. From batches, else read and kept.
   * `head`, which is far cheaper where nothing is kept yet, has neither structure nor preview.
   */
  summaries(messages: readonly Numbered[], need: 'head'): AsyncIterable<HeadSummary | undefined>;
  summaries(messages: readonly Numbered[], need: 'all'): AsyncIterable<Summary | undefined>;
  /** UIDs that match, ascending, of the state given. @throws MailError 'too-costly' */
  search(query: Query, state: FolderState): Promise<readonly number[]>;
  /**
   * The same from the newest message on, until that is done or it is `until` (milliseconds of the
   * clock); what is left then goes on being found out for whoever asks again.
   */
  searchNewest(query: Query, state: FolderState, until: number): AsyncGenerator<Stretch>;
  close(): void;
}

/** Positions in the stored file, which lines of wire form begin at. */
export interface StoredRange {
  readonly offset: number;
  readonly end: number;
}

export type MailErrorKind =
  | 'no-such-folder'
  | 'folder-exists'
  | 'bad-name'
  | 'has-children'
  | 'over-quota'
  | 'too-many-folders'
  | 'too-large'
  | 'too-costly'
  | 'not-possible';

/** The user asked for what cannot be. The message is for the user. */
export class MailError extends Error {
  readonly kind: MailErrorKind;
  constructor(kind: MailErrorKind, message: string) {
    super(message);
    this.name = 'MailError';
    this.kind = kind;
  }
}
