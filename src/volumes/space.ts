import { statfs } from 'node:fs/promises';

/** Room on a volume. Undefined inodes: the file system makes them as it needs them. */
export interface Space {
  readonly freeBytes: number;
  readonly freeInodes: number | undefined;
  readonly fileSystem: 'nfs' | 'other';
}

/** Asks the file system at `path`; a coarse call of its own, made under the volume's probe. */
export type AskSpace = (path: string) => Promise<Space>;

const NFS_SUPER_MAGIC = 0x6969;

/** The real question: statfs(2). @throws a system error */
export const askSpace: AskSpace = async (path) => {
  const stat = await statfs(path);
  return {
    freeBytes: stat.bavail * stat.bsize,
    freeInodes: stat.files === 0 ? undefined : stat.ffree,
    fileSystem: stat.type === NFS_SUPER_MAGIC ? 'nfs' : 'other',
  };
};

/**
 * Whether a name is durable only after fsync of its directory: an NFS server commits names before
 * it replies, so there the call is a wasted round trip.
 */
export const directorySyncOf = (space: Space | undefined): 'always' | 'never' =>
  space?.fileSystem === 'nfs' ? 'never' : 'always';

/** Whether `bytes` more leave the reserve free. */
export function hasRoom(
  space: Space,
  bytes: number,
  reserve: { readonly bytes: number; readonly inodes: number },
): boolean {
  if (space.freeBytes - bytes < reserve.bytes) return false;
  return space.freeInodes === undefined || space.freeInodes > reserve.inodes;
}
