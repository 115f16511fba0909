import type { ReplyName } from '../smtp/replies.ts';
import type { StoreErrorKind } from '../volumes/error.ts';

/** Total: a new kind breaks the build here. Our own trouble is never 5xx. */
const REPLY: Readonly<Record<StoreErrorKind, ReplyName>> = {
  'volume-down': 'storageDown',
  'volume-full': 'storageFull',
  'volume-busy': 'storageBusy',
  'mailbox-missing': 'storageDown',
  'over-quota': 'overQuota',
  'message-gone': 'storageDown', // Not met in delivery.
};

export const storeErrorReply = (kind: StoreErrorKind): ReplyName => REPLY[kind];
