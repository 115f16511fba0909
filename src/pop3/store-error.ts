import type { StoreErrorKind } from '../volumes/error.ts';

/** What a client is told of each storage failure. A new kind breaks the build here. */
const TEXT: Readonly<Record<StoreErrorKind, string>> = {
  'volume-down': 'Mailbox is not available at the moment',
  'volume-full': 'Mail storage is full at the moment',
  'volume-busy': 'Mail storage is busy, try again',
  'mailbox-missing': 'Mailbox is not available at the moment',
  'over-quota': 'Mailbox is full',
  'message-gone': 'Another session deleted this message',
};

/** Our own trouble is always temporary (RFC 3206 §4): the mail is there, only not now. */
export const storeErrorReply = (kind: StoreErrorKind): string =>
  `-ERR [SYS/TEMP] ${TEXT[kind]}\r\n`;
