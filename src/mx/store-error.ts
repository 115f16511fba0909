import type { ReplyName } from '../smtp/replies.ts';
import type { StoreErrorKind } from '../volumes/error.ts';
import type { RecipientResult } from './metrics.ts';
import type { MxOptions } from './options.ts';

interface Mapped {
  readonly reply: ReplyName;
  readonly result: RecipientResult;
}

/** Total: a new kind breaks the build here. Our own trouble is never 5xx. */
const MAP: Readonly<Record<StoreErrorKind, Mapped>> = {
  'volume-down': { reply: 'storageDown', result: 'volume-down' },
  'volume-full': { reply: 'storageFull', result: 'volume-full' },
  'volume-busy': { reply: 'storageBusy', result: 'volume-busy' },
  'mailbox-missing': { reply: 'storageDown', result: 'mailbox-missing' },
  'over-quota': { reply: 'overQuota', result: 'over-quota' },
  'message-gone': { reply: 'storageDown', result: 'volume-down' }, // Not met in delivery.
};

export const storeErrorReply = (kind: StoreErrorKind, options: MxOptions): ReplyName =>
  kind === 'over-quota' && options['mx.over-quota'] === 'permanent'
    ? 'overQuotaFinal'
    : MAP[kind].reply;

export const storeErrorResult = (kind: StoreErrorKind): RecipientResult => MAP[kind].result;
