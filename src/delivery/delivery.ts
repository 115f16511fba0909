import { defaults } from '../config/options.ts';
import type { Account } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { MaildirStore } from '../mailbox/store.ts';
import { StoreError } from '../volumes/error.ts';
import type { Mailboxes } from '../volumes/mailboxes.ts';
import { IncomingMessage, type IncomingParts } from './incoming.ts';
import { checks } from './metrics.ts';
import { DELIVERY_OPTIONS, type DeliveryOptions } from './options.ts';
import type { Delivery } from './types.ts';

export interface OpenDeliveryOptions {
  readonly mailboxes: Mailboxes<Account>;
  /** Knows mailbox sizes, and is told of what is delivered here. */
  readonly store: Pick<MaildirStore, 'usage' | 'added'>;
  readonly log: Logger;
  readonly options?: DeliveryOptions;
}

/** The way into the mailboxes of this farm's volumes. */
export function openDelivery(parts: OpenDeliveryOptions): Delivery {
  const { mailboxes, store, log } = parts;
  const options = parts.options ?? defaults(DELIVERY_OPTIONS);
  const incoming: IncomingParts = {
    mailboxes,
    log,
    usage: (account) => store.usage(account),
    onDelivered: (account, octets) => store.added(account, octets),
    bufferMax: options['delivery.buffer.max'],
    pieceBytes: options['delivery.piece.bytes'],
  };
  return {
    check: async (account, bytes) => {
      try {
        await check(parts, account, bytes);
        checks.inc('ok');
      } catch (error) {
        if (error instanceof StoreError) checks.inc(error.kind);
        throw error;
      }
    },
    begin: (message) => {
      if ((message.leaving ?? []).length > 0) throw new Error('nothing leaves this farm yet');
      return new IncomingMessage(incoming, message);
    },
  };
}

/** From what is known already, where possible: a recipient costs no call in the common case. */
async function check(parts: OpenDeliveryOptions, account: Account, bytes: number): Promise<void> {
  const { volume } = await parts.mailboxes.ensure(account);
  await volume.ready();
  if (!volume.fits(bytes)) throw new StoreError('volume-full', `Volume ${volume.name} is full`);
  const { quotaBytes } = account;
  if (quotaBytes === 0) return;
  // A client that does not say the size sends at least something.
  const after = (await parts.store.usage(account)) + Math.max(1, bytes);
  if (after > quotaBytes) {
    throw new StoreError('over-quota', `${account.id}: ${after} of ${quotaBytes} octets`);
  }
}
