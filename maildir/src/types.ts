/** What the engine is given. Structural types: any clock, any chance, any file system will do. */
export interface Clock {
  /** Milliseconds since 1970, with a fraction where there is one. */
  now(): number;
  sleep(ms: number): Promise<void>;
}

export interface Random {
  bytes(n: number): Uint8Array;
}

/**
 * The file system as the engine uses it: one method a system call, nothing cached. Errors are
 * NodeJS.ErrnoException with `errno` set (ESTALE and EDQUOT have no `code` of their own).
 * Handles stay inside the engine; they appear in no type that leaves it.
 */
export interface Fs {
  /** O_WRONLY|O_CREAT|O_EXCL, mode 0600. */
  create(path: string): Promise<number>;
  /** O_WRONLY on a file that exists. */
  openWrite(path: string): Promise<number>;
  /** O_RDONLY, of a file or a directory. */
  openRead(path: string): Promise<number>;
  write(fd: number, bytes: Uint8Array, position: number): Promise<number>;
  read(fd: number, into: Uint8Array, position: number): Promise<number>;
  size(fd: number): Promise<number>;
  fsync(fd: number): Promise<void>;
  close(fd: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  link(existing: string, added: string): Promise<void>;
  unlink(path: string): Promise<void>;
  mkdir(path: string): Promise<void>;
  rmdir(path: string): Promise<void>;
  /** Names only: types would cost a LOOKUP each on NFS. */
  list(directory: string): Promise<string[]>;
  /** Modification time in milliseconds: for the sweep of tmp only, never to learn of new mail. */
  modified(path: string): Promise<number>;
  /**
   * Which directory this is and when names in it last changed (device, inode, ctime) as one text.
   * Asked only where `directoryTimes` is 'exact'.
   */
  changed(directory: string): Promise<string>;
  /**
   * Which file or directory this is, the same for all hosts and under all its names (inode): a copy
   * has another. Not the device, which is each host's own.
   */
  identity(path: string): Promise<string>;
}

/** Octets that one `ManyFiles.read` may ask for. */
export const MANY_OCTETS_MAX = 1024 * 1024;

/**
 * Calls on many files in one go, made in order. `undefined` as an answer: not now, and nothing was
 * done; the caller makes the calls himself.
 */
export interface ManyFiles {
  /** Whether a call about so many files is likely to be taken now. Asks nothing. */
  ready(files: number): boolean;
  /**
   * The begin of each file, of each at most so many `octets`, by one read(2). Octets lie in `into`;
   * after a failure nobody may use that any more. @returns octets or the error, for each file
   */
  read(request: {
    readonly paths: readonly string[];
    readonly octets: readonly number[];
    readonly into: Uint8Array;
  }): Promise<readonly (Uint8Array | Error)[] | undefined>;
  /**
   * Renames until one fails with anything but ENOENT or ESTALE. @returns for each that was tried
   * its error or undefined; rejects when it cannot be told what was done
   */
  rename(
    pairs: readonly (readonly [from: string, to: string])[],
  ): Promise<readonly (Error | undefined)[] | undefined>;
}

/**
 * What file systems, above all NFS, say that is not so; each is met in one wrapper of `nfs.ts`
 * and counted there. A closed set: it serves as a metric's label.
 */
export const LIES = [
  'rename', // Reported as failed, though it worked (lost reply).
  'link', // The same.
  'unlink', // The same, of a file that only we could remove.
  'mkdir', // The same.
  'rmdir', // The same.
  'lookup', // "No such file" from a cache, though another host had made it.
  'stale', // A handle or path went stale (ESTALE) and worked when asked again.
  'listing', // Two successive listings differed.
  'write', // Bytes were accepted and the error came at fsync or close only.
] as const;
export type Lie = (typeof LIES)[number];

export interface MaildirsOptions {
  readonly fs: Fs;
  readonly clock: Clock;
  readonly random: Random;
  /** This host's name; a token of it, at most 12 characters, goes into message names. */
  readonly node: string;
  readonly pid: number;
  /**
   * Whether a name is durable only after fsync of its directory: 'always' on a local file
   * system; 'never' on NFS, where the server commits names before it replies.
   */
  readonly directorySync: 'always' | 'never';
  /**
   * 'exact' on a file system of this machine, whose directories carry the time of their last
   * change: a Maildir that has not changed is not listed again. 'vague', the default, everywhere
   * else, above all on NFS.
   */
  readonly directoryTimes?: 'exact' | 'vague';
  /** Where calls on many files are cheaper in one go than one by one. */
  readonly many?: ManyFiles | undefined;
  /** Called once for each lie met. */
  readonly onLie?: (lie: Lie) => void;
  /** How often a flag change or a removal that lost a race is tried again; 5 by default. */
  readonly maxLieRetries?: number;
}

/** A Maildir is named by its absolute path; a message by the Maildir and its name. */
export interface Entry {
  /** `new` or `cur`. */
  readonly directory: 'new' | 'cur';
  /** File name as listed, with `:2,FLAGS` in cur. */
  readonly name: string;
}

export interface StageRequest {
  readonly maildir: string;
  /** From uniqueName(). */
  readonly base: string;
  /** Octets already staged; 0 creates the file exclusively. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** The last piece: fsync before close. Nothing is durable before. */
  readonly last: boolean;
}

export interface PublishRequest {
  /** Maildir in whose tmp the message was staged. */
  readonly maildir: string;
  readonly base: string;
  /**
   * The key it becomes visible under, where that is not `base`: a message that is landed by whoever
   * can has one key, and each attempt a file of its own in tmp.
   */
  readonly as?: string;
  /** Stored octets, for S=. */
  readonly octets: number;
  /** Octets with CRLF line ends, for W=. */
  readonly wireOctets: number;
  /**
   * Maildirs on the same volume that get it: linked to all but the last, renamed to the last.
   * One that is named twice gets it once.
   */
  readonly targets: readonly string[];
}

export interface Published {
  readonly target: string;
  /**
   * Name in new/, or undefined with the error that kept it from there. An UnknownResultError
   * says that it may be there, now or later; any other error that it is not and will not be.
   */
  readonly name: string | undefined;
  readonly error: Error | undefined;
}

/**
 * The engine's coarse operations: values in, values out. They reject with the errno of the
 * first call that failed; `nfs.ts` says which answers of NFS they do not believe.
 */
export interface Maildirs {
  uniqueName(): string;
  /** Makes tmp, new and cur (and missing parents below `root`); idempotent between hosts. */
  create(maildir: string, options: { readonly root: string }): Promise<void>;
  exists(maildir: string): Promise<boolean>;
  /** Writes one piece into tmp/. When it fails, or nothing is to follow: `discard`. */
  stage(request: StageRequest): Promise<void>;
  /**
   * Makes a staged message visible. Never rejects for storage trouble: each target has its
   * result. The staged file is gone afterwards; what failed has to be staged again.
   */
  publish(request: PublishRequest): Promise<readonly Published[]>;
  /** Removes a staged file; absent is fine. */
  discard(request: { readonly maildir: string; readonly base: string }): Promise<void>;
  /**
   * new and cur, listed until two successive listings agree in keys (at most three, else their
   * union): each message once, sorted by name. @throws ENOENT when there is no Maildir.
   */
  list(maildir: string): Promise<readonly Entry[]>;
  /** One listing of new and cur: for quota, where a miss is harmless. */
  listOnce(maildir: string): Promise<readonly Entry[]>;
  /**
   * A range of the stored file. A name that changed flags meanwhile is found again by its base.
   * @returns bytes (may be shorter than asked before `end` too), the entry it was found under.
   * @throws ENOENT when the message is gone.
   */
  read(request: {
    readonly maildir: string;
    readonly entry: Entry;
    readonly offset: number;
    readonly length: number;
    /**
     * `length` octets to read into, to spare an allocation; `bytes` may lie there. After a failure
     * nobody may use them any more: a call that is stuck can still write to them.
     */
    readonly into?: Uint8Array;
  }): Promise<{ readonly bytes: Uint8Array; readonly entry: Entry; readonly end: boolean }>;
  /** Whether `readMany` of so many messages costs less than as many `read`. Asks nothing. */
  readsMany(messages: number): boolean;
  /**
   * The begin of several messages, at most `length` octets of each, found again by their bases as
   * by `read`. @returns for each in order what `read` gives, or why there is nothing
   */
  readMany(request: {
    readonly maildir: string;
    readonly entries: readonly Entry[];
    readonly length: number;
    /** As of `read`, for all of them. */
    readonly into?: Uint8Array;
  }): Promise<
    readonly (
      | { readonly bytes: Uint8Array; readonly entry: Entry; readonly end: boolean }
      | Error
    )[]
  >;
  /**
   * Adds and removes flag letters by rename from the exact name; moves from new to cur.
   * @throws ENOENT when the message is gone; EAGAIN when others were quicker again and again;
   *   EINVAL for what is not a letter.
   */
  setFlags(request: {
    readonly maildir: string;
    readonly entry: Entry;
    readonly add: string;
    readonly remove: string;
  }): Promise<Entry>;
  /** Renames so that the name carries S= and W=; flags and base up to the first comma stay. */
  setSizes(request: {
    readonly maildir: string;
    readonly entry: Entry;
    readonly octets: number;
    readonly wireOctets: number;
  }): Promise<Entry>;
  /** Deletes; already gone is success. @returns one error or undefined per entry, in order. */
  remove(request: {
    readonly maildir: string;
    readonly entries: readonly Entry[];
  }): Promise<readonly (Error | undefined)[]>;
  /**
   * Maildir++ folders (`.Sent`, `.Archive.2026`), without the leading dot, sorted. A folder's
   * messages are in the Maildir at `${maildir}/.${folder}`.
   */
  folders(maildir: string): Promise<readonly string[]>;
  /** Idempotent. @throws EINVAL for a name that cannot be one (see folderNameFault). */
  createFolder(maildir: string, folder: string): Promise<void>;
  /** With all messages, at once; subfolders stay. @throws ENOENT when there is none. */
  removeFolder(maildir: string, folder: string): Promise<void>;
  /**
   * Removes a whole Maildir, in pieces: it is renamed to `aside` first, a name beside it that
   * nobody else makes, so that whatever happens meanwhile no half of it is left under its name.
   * To be called until it says `gone`; also after a crash, with the same `aside`.
   * @returns `more` when something is left, `gone` when it was removed, `absent` when there was
   *   nothing. @throws ENOTEMPTY when directories are in it that no Maildir has: nothing is done.
   */
  destroy(request: {
    readonly maildir: string;
    readonly aside: string;
    /** Files removed in one call. */
    readonly max: number;
  }): Promise<'more' | 'gone' | 'absent'>;
  /**
   * Removes files in tmp not modified for `olderThanMs` by the volume server's own clock; not
   * those of folders, which are Maildirs of their own. @returns how many.
   */
  sweep(maildir: string, options: { readonly olderThanMs: number }): Promise<number>;
}
