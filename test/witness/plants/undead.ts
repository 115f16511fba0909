/** A deletion that comes back: every 3rd message is left where it is, and QUIT says +OK. */
import { MaildirMaildrop } from '../../../src/mailbox/maildrop.ts';
import { every } from './storage.ts';

const now = every(3, 'undead');
const { remove } = MaildirMaildrop.prototype;
MaildirMaildrop.prototype.remove = function (indices) {
  return remove.call(
    this,
    indices.filter(() => !now()),
  );
};
