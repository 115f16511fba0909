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

/** Writes one piece into tmp/. @throws a system error; the file is then to be discarded. */
export async function stage(nfs: Nfs, request: StageRequest): Promise<void> {
  const path = `${request.maildir}/tmp/${request.base}`;
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

async function writeAll(nfs: Nfs, fd: number, request: StageRequest, path: string): Promise<void> {
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
  const name = publishedName(request.base, request.octets, request.wireOctets);
  const targets = [...new Set(request.targets)];
  const results = new Map<string, Published>();
  for (const [index, target] of targets.entries()) {
    const call = index === targets.length - 1 ? 'rename' : 'link';
    results.set(target, await publishTo(nfs, request, { call, target, name }));
  }
  if (results.get(targets.at(-1) ?? '')?.error !== undefined) {
    // Nothing may be left that could become visible later, or that nobody would remove.
    await removeIfThere(nfs, `${request.maildir}/tmp/${request.base}`).catch(() => {});
  }
  return request.targets.map((target) => results.get(target) as Published);
}

async function publishTo(
  nfs: Nfs,
  request: PublishRequest,
  to: { readonly call: 'link' | 'rename'; readonly target: string; readonly name: string },
): Promise<Published> {
  const { target, name } = to;
  try {
    await commitName(nfs, {
      call: to.call,
      from: { directory: `${request.maildir}/tmp`, name: request.base },
      to: { maildir: target, name },
    });
  } catch (error) {
    return { target, name: undefined, error: asError(error) };
  }
  try {
    await syncDirectory(nfs, `${target}/new`);
    return { target, name, error: undefined };
  } catch (error) {
    const unknown = new UnknownResultError(`fsync of ${target}/new`, error);
    return { target, name: undefined, error: unknown };
  }
}
