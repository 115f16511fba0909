import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { isErrno } from '#maildir';

/** Room on a volume. Undefined inodes: the file system makes them as it needs them. */
export interface Space {
  readonly freeBytes: number;
  readonly freeInodes: number | undefined;
  /** `local`: the inodes are this kernel's own, so a stat tells the truth. */
  readonly fileSystem: 'nfs' | 'local' | 'other';
  /** `unknown`: the volume's root is not for us to write, or the server exports it read-only. */
  readonly mode: 'writable' | 'read-only' | 'unknown';
}

/** Asks the file system at `path`; a coarse call of its own, made under the volume's probe. */
export type AskSpace = (path: string) => Promise<Space>;

/** By f_type of statfs(2). What is not here may be a client of something and is not trusted. */
const FILE_SYSTEMS: ReadonlyMap<number, Space['fileSystem']> = new Map([
  [0x6969, 'nfs'],
  [0xef53, 'local'], // ext4
  [0x58465342, 'local'], // XFS
  [0x9123683e, 'local'], // Btrfs
  [0x01021994, 'local'], // tmpfs
]);

/** The real questions: statfs(2), and whether the root may be written. @throws a system error */
export const askSpace: AskSpace = async (path) => {
  const stat = await statfs(path);
  const mode = await access(path, constants.W_OK).then(
    () => 'writable' as const,
    (error: unknown) => (isErrno(error, 'EROFS') ? 'read-only' : 'unknown'),
  );
  return {
    mode,
    freeBytes: stat.bavail * stat.bsize,
    freeInodes: stat.files === 0 ? undefined : stat.ffree,
    fileSystem: FILE_SYSTEMS.get(stat.type) ?? 'other',
  };
};

/**
 * Whether a name is durable only after fsync of its directory: an NFS server commits names before
 * it replies, so there the call is a wasted round trip.
 */
export const directorySyncOf = (space: Space | undefined): 'always' | 'never' =>
  space?.fileSystem === 'nfs' ? 'never' : 'always';

/** Whether a directory's change time may be believed: see the engine's `directoryTimes`. */
export const directoryTimesOf = (space: Space | undefined): 'exact' | 'vague' =>
  space?.fileSystem === 'local' ? 'exact' : 'vague';

/** Whether `bytes` more leave the reserve free. */
export function hasRoom(
  space: Space,
  bytes: number,
  reserve: { readonly bytes: number; readonly inodes: number },
): boolean {
  if (space.freeBytes - bytes < reserve.bytes) return false;
  return space.freeInodes === undefined || space.freeInodes > reserve.inodes;
}
