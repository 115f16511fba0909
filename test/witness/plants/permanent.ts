/** A temporary failure told as a permanent one: every 9th fsync fails, and the reply is 550. */
import { systemError } from '../../../maildir/src/errno.ts';
import { REPLIES } from '../../../src/smtp/replies.ts';
import { every, isOn, nodeFs } from './storage.ts';

const NAME = 'permanent';
const now = every(9, NAME);
const { fsync } = nodeFs;
nodeFs.fsync = (fd) => (now() ? Promise.reject(systemError('EIO', 'fsync', 'planted')) : fsync(fd));
for (const reply of Object.values(REPLIES)) {
  const { code, enhanced } = reply;
  if (code !== 451) continue;
  Object.defineProperties(reply, {
    code: { get: () => (isOn(NAME) ? 550 : code) },
    enhanced: { get: () => (isOn(NAME) ? '5.3.0' : enhanced) },
  });
}
