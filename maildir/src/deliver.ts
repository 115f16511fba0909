import { asError, systemError, UnknownResultError } from './errno.ts';
import { publishedName } from './names.ts';
import {
  believed,
  commitName,
  finishWriting,
  removeIfThere,
  syncDirectory,
  type Nfs,
} from './nfs.ts';
import type { Published, PublishRequest, StageRequest } from './types.ts';

/**
 * Delivery in two phases.
 *
 * stage: create (exclusive), write, fsync, close in tmp/. publish: link to every target but the
 * last, rename to the last, then fsync of each new/ where the file system needs that. These are
 * all the calls there are: a delivery of one small message to one Maildir on NFS is create,
 * write, fsync, close, rename.
 *
 * Invariants: nothing is in new/ before its bytes are durable. A target is answered with success
 * only when its name is there and durable. A crash leaves a file in tmp/ (swept later) or a
 * message that nobody was told of (its sender sends again).
 *
 * Races: none among deliveries, since no two make the same name. A target that is removed
 * meanwhile fails alone (ENOENT); the others get the message.
 *
 * Rejected: link and unlink for the last target (two calls more, and a crash between them leaves
 * the message in tmp/ as well); open once for several pieces (a descriptor would have to live
 * between calls; a piece is large enough to pay for its open); fsync of tmp/ (its name is gone
 * again before it matters); verifying what was written (fsync's answer is what there is).
 * A write error of an earlier piece is reported by the fsync of the last, since Linux keeps it
 * with the inode until an fsync has told it.
 *
 * Standards: https://cr.yp.to/proto/maildir.html    Errors: UnknownResultError
 */

export type FilePiece = Pick<StageRequest, 'offset' | 'bytes' | 'last'>;

/** Writes one piece into tmp/. @throws a system error; the file is then to be discarded. */
export const stage = (nfs: Nfs, request: StageRequest): Promise<void> =>
  writePiece(nfs, `${request.maildir}/tmp/${request.base}`, request);

/**
 * Writes one piece of a file whose name only we could make.
 * @throws a system error; the file is then to be removed.
 */
export async function writePiece(nfs: Nfs, path: string, request: FilePiece): Promise<void> {
  const fd = await believed(nfs, path, () =>
    request.offset === 0 ? nfs.fs.create(path) : nfs.fs.openWrite(path),
  );
  try {
    await writeAll(nfs, fd, request, path);
  } catch (error) {
    await nfs.fs.close(fd).catch(() => {}); // The write's own error is the one to tell.
    throw error;
  }
  await finishWriting(nfs, fd, request.last);
}

async function writeAll(nfs: Nfs, fd: number, request: FilePiece, path: string): Promise<void> {
  let { bytes } = request;
  let position = request.offset;
  while (bytes.byteLength > 0) {
    const written = await nfs.fs.write(fd, bytes, position);
    if (written <= 0) throw systemError('EIO', 'write', path);
    position += written;
    if (written === bytes.byteLength) return;
    bytes = bytes.subarray(written);
  }
}

/** Links to all targets but the last, renames to the last. Never rejects. */
export async function publish(nfs: Nfs, request: PublishRequest): Promise<readonly Published[]> {
  const name = publishedName(request.as ?? request.base, request.octets, request.wireOctets);
  const targets = new Set(request.targets);
  const results = new Map<string, Published>();
  let left = targets.size;
  for (const target of targets) {
    const call = --left === 0 ? 'rename' : 'link';
    const error = await nameIn(nfs, request, { call, target, name });
    results.set(target, { target, name: error === undefined ? name : undefined, error });
    if (call === 'rename' && error !== undefined) await removeStaged(nfs, request);
  }
  if (nfs.directorySync === 'always') {
    for (const [target, result] of results) results.set(target, await synced(nfs, result));
  }
  return request.targets.map((target) => results.get(target) as Published);
}

async function nameIn(
  nfs: Nfs,
  request: PublishRequest,
  to: { readonly call: 'link' | 'rename'; readonly target: string; readonly name: string },
): Promise<Error | undefined> {
  try {
    await commitName(nfs, {
      call: to.call,
      from: { directory: `${request.maildir}/tmp`, name: request.base },
      to: { maildir: to.target, name: to.name },
    });
    return undefined;
  } catch (error) {
    return asError(error);
  }
}

/** Nothing may be left that a late rename could still make visible, or that nobody removes. */
const removeStaged = (nfs: Nfs, request: PublishRequest): Promise<unknown> =>
  removeIfThere(nfs, `${request.maildir}/tmp/${request.base}`).catch(() => {});

/** A name that is visible and not durable is neither success nor failure. */
async function synced(nfs: Nfs, result: Published): Promise<Published> {
  const { target } = result;
  if (result.error !== undefined) return result;
  try {
    await syncDirectory(nfs, `${target}/new`);
    return result;
  } catch (error) {
    const unknown = new UnknownResultError(`fsync of ${target}/new`, error);
    return { target, name: undefined, error: unknown };
  }
}
