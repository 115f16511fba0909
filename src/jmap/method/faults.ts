/**
 * Why one object of several could not be made or changed. Our own trouble concerns it alone: what
 * was done of the others was done, and is told.
 */
import { MailError } from '../../mailbox/mail.ts';
import { StoreError } from '../../volumes/error.ts';
import type { SetError } from '../types.ts';
import { SetRefusal } from './standard.ts';

/** @throws what is neither a refusal nor trouble: a bug */
export function faultOf(error: unknown): SetError {
  if (error instanceof SetRefusal) return error.error;
  if (error instanceof MailError) {
    return { type: MAIL_ERRORS[error.kind], description: error.message };
  }
  if (!(error instanceof StoreError)) throw error;
  if (error.kind === 'over-quota') return { type: 'overQuota', description: FULL };
  return { type: 'serverUnavailable', description: AWAY };
}

const FULL = 'The mailbox is full: remove mail that is not needed';
const AWAY = 'The mailbox cannot be reached at present: try again in a minute';

const MAIL_ERRORS = {
  'no-such-folder': 'notFound',
  'folder-exists': 'alreadyExists',
  'bad-name': 'invalidProperties',
  'has-children': 'mailboxHasChild',
  'over-quota': 'overQuota',
  'too-many-folders': 'overQuota',
  'too-large': 'tooLarge',
  'too-costly': 'forbidden',
  'not-possible': 'forbidden',
} as const satisfies Record<MailError['kind'], SetError['type']>;
