/** One body for another: every 15th message that is fetched is its neighbour. */
import { MaildirMaildrop } from '../../../src/mailbox/maildrop.ts';
import { every } from './storage.ts';

const now = every(15, 'other-body');
const { read } = MaildirMaildrop.prototype;
MaildirMaildrop.prototype.read = function (index) {
  return read.call(this, now() ? (index + 1) % this.count : index);
};
