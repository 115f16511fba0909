import { STORE_REPLIES } from '../delivery/replies.ts';
import type { ReplyName } from '../smtp/replies.ts';
import type { StoreErrorKind } from '../volumes/error.ts';
import type { RecipientResult } from './metrics.ts';
import type { MxOptions } from './options.ts';

export const storeErrorReply = (kind: StoreErrorKind, options: MxOptions): ReplyName =>
  kind === 'over-quota' && options['mx.over-quota'] === 'permanent'
    ? 'overQuotaFinal'
    : STORE_REPLIES[kind];

/** As metrics have it. */
export const storeErrorResult = (kind: StoreErrorKind): RecipientResult =>
  kind === 'message-gone' ? 'volume-down' : kind; // Not met in delivery.
