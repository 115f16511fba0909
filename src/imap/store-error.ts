import type { MailErrorKind } from '../mailbox/mail.ts';
import type { StoreErrorKind } from '../volumes/error.ts';
import type { Code } from './replies.ts';

/** What a client is told of each storage failure. A new kind breaks the build here. */
const STORE: Readonly<Record<StoreErrorKind, readonly [Code, string]>> = {
  'volume-down': ['UNAVAILABLE', 'Mailbox is not available at the moment, try again later'],
  'volume-full': ['UNAVAILABLE', 'Mail storage is full at the moment; reading and deleting work'],
  'volume-busy': ['UNAVAILABLE', 'Mail storage is busy, try again'],
  'mailbox-missing': ['UNAVAILABLE', 'Mailbox is not available at the moment, try again later'],
  'over-quota': ['OVERQUOTA', 'Mailbox is full'], // RFC 9208 §4.3.
  'message-gone': ['EXPUNGEISSUED', 'Another session deleted some of the messages'], // RFC 5530.
};

/** RFC 5530 §3, RFC 9051 §7.1; the text is that of the error, which is for the user. */
const MAIL: Readonly<Record<MailErrorKind, Code>> = {
  'no-such-folder': 'NONEXISTENT',
  'folder-exists': 'ALREADYEXISTS',
  'bad-name': 'CANNOT',
  'has-children': 'HASCHILDREN',
  'over-quota': 'OVERQUOTA',
  'too-many-folders': 'LIMIT',
  'too-large': 'TOOBIG',
  'too-costly': 'LIMIT',
  'not-possible': 'CANNOT',
};

export const storeErrorReply = (kind: StoreErrorKind): readonly [Code, string] => STORE[kind];
export const mailErrorCode = (kind: MailErrorKind): Code => MAIL[kind];
