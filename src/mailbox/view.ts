/**
 * A user's mail as one collection of emails (RFC 8621 §1.4), whatever folders they lie in: ids that
 * survive moves and renames, states that any node can continue from, threads. IMAP sees folders
 * (`mail.ts`); JMAP sees this. Decision 22 says what ids and states are made of.
 */
import type { Account } from '../directory/types.ts';
import type { Folder, FolderInfo, FolderState, Mail, Numbered } from './mail.ts';

export interface FolderView {
  /** Of the Mailbox object (RFC 8621 §2): survives renames, never another folder's. */
  readonly id: string;
  readonly info: FolderInfo;
  readonly folder: Folder;
  readonly state: FolderState;
}

export interface EmailPlace {
  readonly in: FolderView;
  readonly message: Numbered;
}

/** All folders of a user at one moment. Never changes. */
export interface MailVersion {
  /** INBOX first, then by name. */
  readonly folders: readonly FolderView[];
  folder(id: string): FolderView | undefined;
  /**
   * Where an email lies; [] where it is not. More than one after the crash of a move, or copying
   * by a tool that kept the name.
   */
  places(emailId: string): readonly EmailPlace[];
  /** Of Email and Thread objects (RFC 8620 §5.1). */
  readonly emailState: string;
  /** Of Mailbox objects. */
  readonly mailboxState: string;
}

/** Ids, as RFC 8620 §5.2 wants them told. */
export interface Changed {
  readonly created: readonly string[];
  readonly updated: readonly string[];
  readonly destroyed: readonly string[];
}

/** Some of what changed, as many ids as were asked for, and the state of whoever applied them. */
export interface ChangedPart {
  readonly told: Changed;
  readonly newState: string;
  readonly hasMore: boolean;
}

export interface Threads {
  /** Also of emails destroyed lately, where a node had told their threads (RFC 8621 §3.2). */
  threadOf(emailId: string): string | undefined;
  /** By time of arrival, oldest first. */
  emailsOf(threadId: string): readonly string[];
}

export interface ThreadsSoFar {
  readonly threads: Threads;
  readonly isAll: boolean;
}

/** Shared by the requests of a process; a cache: forgotten at any time, nothing is lost. */
export interface MailView {
  readonly mail: Mail;
  /** The newest that this process knows. */
  readonly version: MailVersion;
  /**
   * Looks at all folders, or at those with these ids, now: sees what other nodes acknowledged
   * before. One look serves all who wait.
   */
  refresh(which?: readonly string[]): Promise<MailVersion>;
  /**
   * undefined: cannot be told (foreign string, older than 30 days): cannotCalculateChanges
   * (RFC 8620 §5.2). Also of a state that is newer than `version`, as another node may have given
   * it: `refresh` all before asking.
   */
  emailChanges(since: string, version: MailVersion): Changed | undefined;
  mailboxChanges(
    since: string,
    version: MailVersion,
  ): (Changed & { readonly countsOnly: boolean }) | undefined;
  /**
   * The same in parts: at most `max` ids, at least one where anything changed. `all` is what there
   * is to be told. `unseen`, where it is asked for: emails that came since and are gone again,
   * which count as ids; whoever asked for their threads meanwhile was shown them.
   */
  emailChangesPart(
    since: string,
    version: MailVersion,
    how: { readonly max: number; readonly unseen: 'told' | 'left out' },
  ): (ChangedPart & { readonly all: Changed; readonly unseen: readonly string[] }) | undefined;
  /** `recount`: counts of all mailboxes are others now, whatever the journals say. */
  mailboxChangesPart(
    since: string,
    version: MailVersion,
    how: { readonly max: number; readonly recount: boolean },
  ): (ChangedPart & { readonly countsOnly: boolean }) | undefined;
  /** Thread ids without an index, for lists: from heads (batches on disk). In order. */
  threadIds(places: readonly EmailPlace[]): Promise<readonly string[]>;
  /**
   * The whole index: built once from batches on disk, in slices, then kept up to date. `gone`:
   * emails that are not in the version; what other nodes have written of them is looked for.
   */
  threads(version: MailVersion, gone?: readonly string[]): Promise<Threads>;
  /**
   * The same, or after so many milliseconds what of it is known by then, of the newest emails
   * first: a list must not wait for heads of 100,000. When all is known listeners are told.
   */
  threadsSoon(version: MailVersion, ms: number): Promise<ThreadsSoFar>;
  /** What other nodes found out of threads they write down at once: this process knows it then. */
  toldThreads(): Promise<void>;
  /** Somebody was told of threads before all of them were known, and they are not yet. */
  readonly threadsPending: boolean;
  /**
   * Told of each new version that this process learns of; while somebody listens folders are
   * watched. Returns what ends it.
   */
  watch(listener: (version: MailVersion) => void): () => void;
}

/** Views of a process, the least used forgotten first. */
export interface MailViews {
  of(account: Account): Promise<MailView>;
}
