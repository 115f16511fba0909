/** A truncated message with a clean end: half of every 15th, and the final dot. */
import { MaildirMaildrop } from '../../../src/mailbox/maildrop.ts';
import { every } from './storage.ts';

const now = every(15, 'truncated');
const { read } = MaildirMaildrop.prototype;
MaildirMaildrop.prototype.read = async function* (index) {
  if (!now()) {
    yield* read.call(this, index);
    return;
  }
  const pieces: Buffer[] = [];
  for await (const piece of read.call(this, index)) pieces.push(Buffer.from(piece));
  const whole = Buffer.concat(pieces);
  yield whole.subarray(0, Math.ceil(whole.length / 2));
};
