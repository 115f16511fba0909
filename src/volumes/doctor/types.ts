/** What the doctor knows (facts, gathered) and what it says of it (complaints, judged). */
import type { HostBeat, HostFacts } from '../hosts-file.ts';
import type { Mount } from './mounts.ts';

export type Severity = 'warning' | 'error';

/** What is wrong, what that does to mail, and what mends it. */
export interface Complaint {
  readonly severity: Severity;
  /** What is wrong, with the value that was seen. */
  readonly wrong: string;
  readonly mail: string;
  /** Commands, mount lines or sentences, in their order. */
  readonly mend: readonly string[];
}

/** Complaints; or, in some words, that all is well; undefined: it could not be asked. */
export type Verdict = readonly Complaint[] | string | undefined;

/** One thing that is looked at: a row of the table in checks.ts. */
export interface Check {
  readonly id: string;
  readonly judge: (volume: VolumeFacts, farm: FarmFacts) => Verdict;
}

export interface Owned {
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

export interface Room {
  readonly totalBytes: number;
  /** For users who are not root. */
  readonly freeBytes: number;
  /** 0: the file system makes inodes as it needs them. */
  readonly totalInodes: number;
  readonly freeInodes: number;
}

export type SentinelSeen =
  | { readonly kind: 'none' | 'torn' }
  | { readonly kind: 'whole'; readonly identity: string; readonly name: string };

/** A call that failed where none should. */
export interface Failed {
  /** The step and the call: `trial: fsync`. */
  readonly at: string;
  /** Its name where the system has one: `EROFS`. */
  readonly code: string;
  readonly message: string;
}

/** What was tried in a directory of the doctor's own. */
export interface TrialFacts {
  /** The file that we made, as the server says it is. */
  readonly made?: Owned;
  /** The server's time less ours lies between these, in ms. */
  readonly skew?: readonly [least: number, most: number];
  /** Each promise of the file system that was tried: undefined where it was kept. */
  readonly broken: Readonly<Partial<Record<Trial, string>>>;
  readonly kept: readonly Trial[];
  /** Median of some, in ms, by call. */
  readonly durations: Readonly<Record<string, number>>;
  /** NFS calls of one warm delivery. */
  readonly calls?: { readonly count: number; readonly by: string };
}

export const TRIALS = [
  'exclusive', // O_EXCL refuses the second.
  'link', // A second name, a link count of two, EEXIST for a name that is there.
  'rename-over', // Replaces, and the old name is gone.
  'fsync',
  'long-names', // 255 octets.
  'case', // `a` and `A` are two files.
  'colon', // `:2,S` in names.
  'open-unlinked', // A file that was removed can be read on.
  'listing', // What was made is listed at once.
] as const;
export type Trial = (typeof TRIALS)[number];

/** A volume as this host sees it. What is absent could not be learnt. */
export interface VolumeFacts {
  readonly name: string;
  readonly path: string;
  /** What its sentinel has to say; undefined when nobody said. */
  readonly identity: string | undefined;
  readonly state: 'active' | 'closed' | 'offline';
  /** The mount that the path lies in: of the path itself, or one above it. */
  readonly mount?: Mount | undefined;
  /** What /etc/fstab mounts there. */
  readonly fstab?: string | undefined;
  /** The server's name for the file system (fsid), with the server. */
  readonly fileSystem?: string | undefined;
  /** A call did not come back. */
  readonly hung?: { readonly at: string; readonly ms: number; readonly port: PortState };
  readonly failed: readonly Failed[];
  readonly sentinel?: SentinelSeen;
  readonly room?: Room;
  readonly root?: Owned;
  /** Some of the hashed directories and mailboxes. */
  readonly below?: readonly Owned[];
  readonly trial?: TrialFacts;
  readonly hosts?: HostsSeen;
}

/** Whether the server's NFS port takes connections; undefined: no server, or not asked. */
export type PortState = 'answers' | 'refused' | 'silent' | undefined;

/** What other hosts wrote on the volume. */
export interface HostsSeen {
  readonly beats: readonly SeenBeat[];
  /** Milliseconds until each node answered; absent when nobody was asked. */
  readonly answers?: ReadonlyMap<string, number>;
  readonly waitedMs: number;
}

export interface SeenBeat {
  readonly beat: HostBeat;
  /** When the server got it, by its clock. */
  readonly writtenAt: number;
  /** By the server's clock. */
  readonly ageMs: number;
}

/** What is known beside the volume itself. */
export interface FarmFacts {
  readonly volumes: readonly VolumeFacts[];
  /** Names of all volumes in the table; undefined when no directory was asked. */
  readonly table: readonly string[] | undefined;
  /** Volumes that users' entries name and the table has not, with how many users. */
  readonly strays: ReadonlyMap<string, number>;
  readonly nodes: readonly FarmNode[];
  /** When the directory was asked, in ms since 1970. */
  readonly now: number;
  readonly host: HostFacts;
  /** Who the doctor runs as. */
  readonly uid: number;
  /** The name of a user of this host; else `#1234`. */
  readonly userName: (uid: number) => string;
  readonly reserve: { readonly bytes: number; readonly inodes: number };
}

export interface FarmNode {
  readonly name: string;
  /** When it last said to the directory that it lives; undefined: never. */
  readonly beatAt: number | undefined;
}
