import type { ReplyName } from '../smtp/replies.ts';
import type { StoreErrorKind } from '../volumes/error.ts';

/** Storage trouble in SMTP. Total: a new kind breaks the build here. Ours is never 5xx. */
export const STORE_REPLIES: Readonly<Record<StoreErrorKind, ReplyName>> = {
  'volume-down': 'storageDown',
  'volume-full': 'storageFull',
  'volume-busy': 'storageBusy',
  'mailbox-missing': 'storageDown',
  'over-quota': 'overQuota',
  'message-gone': 'storageDown', // Not met in delivery.
};
