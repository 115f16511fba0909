/**
 * A planted fault, loaded before a node: 250 before the bytes are safe. `early-reply` leaves fsync
 * out, and through NFS that costs nothing, because close() writes back and commits as well. Here
 * both come seconds later than the rename and the reply.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeFs } from '../../../maildir/src/node-fs.ts';

const LATE_MS = 20_000;
const { close } = nodeFs;
const written = new Set<number>();

nodeFs.fsync = async (fd) => void written.add(fd);
nodeFs.close = async (fd) => {
  if (!written.delete(fd)) return close(fd);
  void sleep(LATE_MS, undefined, { ref: false }).then(() => close(fd));
};
