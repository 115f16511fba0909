import { defaults } from '../config/options.ts';
import type { Account } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { MaildirStore } from '../mailbox/store.ts';
import type { OutboundSpools } from '../spool/outbound.ts';
import { StoreError } from '../volumes/error.ts';
import type { Mailboxes } from '../volumes/mailboxes.ts';
import { Aftermath, type AftermathParts, type LandedLetter } from './aftermath.ts';
import { IncomingMessage, type IncomingParts } from './incoming.ts';
import { Lander, type LanderParts } from './landing.ts';
import { Moderation, type ModerationParts } from './moderation.ts';
import { checks } from './metrics.ts';
import { DEFERRING, Parking, type ParkingPolicy } from './parking.ts';
import { DELIVERY_OPTIONS, type DeliveryOptions } from './options.ts';
import type { Delivery, Incoming, IncomingOptions, Outbound } from './types.ts';

export interface OpenDeliveryOptions {
  readonly mailboxes: Mailboxes<Account>;
  /** Knows mailbox sizes, and is told of what is delivered here. */
  readonly store: Pick<MaildirStore, 'usage' | 'delivered'>;
  readonly log: Logger;
  readonly options?: DeliveryOptions;
  /** Where mail is parked while its volume is down; without it, mail is deferred. */
  readonly degraded?: Pick<LanderParts, 'spools' | 'clock' | 'random' | 'directory' | 'table'>;
  /** Where letters wait that leave this farm; without it, nothing leaves. */
  readonly outbound?: OutboundSpools | undefined;
  /** Where letters to moderated lists are held; without it they are deferred. */
  readonly moderated?:
    | Pick<ModerationParts, 'spools' | 'directory' | 'clock' | 'random'>
    | undefined;
  /** For notices of success and answers in absence; without it there are none. */
  readonly answering?: Omit<AftermathParts, 'delivery' | 'leaves' | 'log'> | undefined;
}

/** Delivery, with what runs beside it. */
export interface OpenedDelivery extends Delivery {
  /** Brings parked mail to its users; there is none where nothing can be parked. */
  readonly lander: Lander | undefined;
  /** Sends what moderators approved; undefined where nothing is held. */
  readonly moderation: Moderation | undefined;
  /** What asks at RCPT whether a letter may leave; undefined where nothing leaves. */
  readonly outbound: Outbound | undefined;
  /** Resolves when the letters that are being landed are where they belong. */
  close(): Promise<void>;
}

/** The way into the mailboxes of this farm's volumes. */
export function openDelivery(parts: OpenDeliveryOptions): OpenedDelivery {
  const { mailboxes, store, log } = parts;
  const options = parts.options ?? defaults(DELIVERY_OPTIONS);
  const onDelivered = (account: Account, octets: number): void => store.delivered(account, octets);
  // Also where nothing is parked any more: what was has to land.
  const onLanded = (letter: LandedLetter): void => aftermath?.ofLanded(letter);
  const common = { mailboxes, options, log, onDelivered, onLanded };
  const lander = parts.degraded && new Lander({ ...parts.degraded, ...common });
  const parking =
    parts.degraded && options['delivery.degraded'] === 'park'
      ? new Parking({
          ...parts.degraded,
          mailboxes,
          accountMax: options['delivery.park.account'],
          log,
          onParked: () => lander?.stirred(),
        })
      : DEFERRING;
  const { outbound } = parts;
  const begin = (message: IncomingOptions): Incoming => {
    if ((message.leaving ?? []).length > 0 && outbound === undefined) {
      throw new Error('a letter leaves where nothing can');
    }
    return new IncomingMessage(incoming, message);
  };
  const own = { delivery: { begin }, leaves: outbound !== undefined, log };
  const aftermath = parts.answering && new Aftermath({ ...parts.answering, ...own });
  const moderation =
    parts.moderated &&
    new Moderation({
      ...parts.moderated,
      ...own,
      lookMs: options['delivery.moderation.interval'],
      expiresMs: options['delivery.moderation.expires'],
      hostName: parts.answering?.hostName,
    });
  const incoming: IncomingParts = {
    mailboxes,
    parking,
    outbound,
    log,
    moderation,
    onDurable: (letter) => aftermath?.of(letter),
    usage: (account) => store.usage(account),
    onDelivered,
    bufferMax: options['delivery.buffer.max'],
    pieceBytes: options['delivery.piece.bytes'],
  };
  lander?.start();
  moderation?.start();
  return {
    lander,
    moderation,
    outbound: outbound && { accept: ({ size }) => outbound.requireRoom(size) },
    close: async () => {
      await Promise.all([lander?.close(), moderation?.close(), aftermath?.idle()]);
    },
    check: async (account, bytes) => {
      try {
        checks.inc(await checkOrPark(parts, parking, { account, bytes }));
      } catch (error) {
        if (error instanceof StoreError) checks.inc(error.kind);
        throw error;
      }
    },
    begin,
  };
}

async function checkOrPark(
  parts: OpenDeliveryOptions,
  parking: ParkingPolicy,
  { account, bytes }: { readonly account: Account; readonly bytes: number },
): Promise<'ok' | 'parked'> {
  try {
    await check(parts, account, bytes);
    return 'ok';
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== 'volume-down') throw error;
    await parking.accept(account, bytes, error);
    return 'parked';
  }
}

/** From what is known already, where possible: a recipient costs no call in the common case. */
async function check(parts: OpenDeliveryOptions, account: Account, bytes: number): Promise<void> {
  const { volume } = await parts.mailboxes.ensure(account);
  await volume.ready();
  if (volume.writable === 'read-only') {
    throw new StoreError('volume-down', `Volume ${volume.name} is read-only`);
  }
  if (!volume.fits(bytes)) throw new StoreError('volume-full', `Volume ${volume.name} is full`);
  const { quotaBytes } = account;
  if (quotaBytes === 0) return;
  // A client that does not say the size sends at least something.
  const after = (await parts.store.usage(account)) + Math.max(1, bytes);
  if (after > quotaBytes) {
    throw new StoreError('over-quota', `${account.id}: ${after} of ${quotaBytes} octets`);
  }
}
