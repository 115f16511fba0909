/** A temporary failure told as a permanent one: every 9th fsync fails, and the reply is 550. */
import { systemError } from '../../../maildir/src/errno.ts';
import { REPLIES } from '../../../src/smtp/replies.ts';
import { every, nodeFs, real } from './storage.ts';

const now = every(9);
nodeFs.fsync = (fd) =>
  now() ? Promise.reject(systemError('EIO', 'fsync', 'planted')) : real.fsync(fd);
for (const reply of Object.values(REPLIES)) {
  if (reply.code === 451) Object.assign(reply, { code: 550, enhanced: '5.3.0' });
}
