/**
 * RCPT: who gets mail here, decided from the live directory. We never relay: an address in a domain
 * that is not ours is refused whatever it looks like. No path, route, percent or bang in a local
 * part means anything here; the whole address is looked up as it is.
 *
 * One address may be many mailboxes. What is accepted has to be stored at the end of the data: a
 * mailbox that can neither be reached nor parked for now defers the whole address. A mailbox
 * that takes nothing for its own reasons (suspended, full) is left out, and its list goes on.
 */
import { placeOf, placesOf, type Places } from '../delivery/places.ts';
import type { Delivery, Outbound, Recipient, RecipientDsn } from '../delivery/types.ts';
import { DirectoryUnavailable } from '../directory/types.ts';
import type { Account, Directory, Resolution } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { Mailbox } from '../smtp/address.ts';
import { ReplyError, type ReplyName } from '../smtp/replies.ts';
import type { Sender, SessionView } from '../smtp/types.ts';
import { StoreError } from '../volumes/error.ts';
import { expanded, recipients, type RecipientResult } from './metrics.ts';
import type { MxOptions } from './options.ts';
import { storeErrorReply, storeErrorResult } from './store-error.ts';

export interface RecipientPolicy {
  readonly directory: Pick<Directory, 'resolve'>;
  readonly delivery: Pick<Delivery, 'check'>;
  /** Without it nothing leaves this farm. */
  readonly outbound?: Outbound | undefined;
  readonly options: MxOptions;
  readonly logger: Logger;
}

/** What one RCPT became. */
export type AcceptedRecipient = Places;

/** Mailboxes checked at once. */
const CHECKED_AT_ONCE = 16;

/** @throws ReplyError with the reply that fits. */
export async function acceptRecipient(
  policy: RecipientPolicy,
  session: Pick<SessionView, 'id'>,
  given: {
    readonly sender: Sender;
    readonly mailbox: Mailbox;
    readonly dsn?: RecipientDsn | undefined;
    /** Mailboxes that the letter has already. */
    readonly taken: number;
  },
): Promise<AcceptedRecipient> {
  const { sender, mailbox, taken, dsn } = given;
  const { address } = mailbox;
  const rcpt = { address, sender: sender.address?.address ?? '', dsn };
  try {
    const resolution = await resolve(policy, sender, mailbox);
    if (resolution.kind === 'account') {
      const { account } = resolution;
      requireRoom(policy, taken, 1);
      const judged = await judge(policy, account, sender.size);
      if (judged.refused !== undefined) throw refusalOf(policy, judged);
      recipients.inc('accepted');
      return placeOf(rcpt, account);
    }
    const found = placesOf(rcpt, resolution);
    if (found.leaving.length > 0) await requireWay(policy, sender.size);
    requireRoom(policy, taken, found.mailboxes.length);
    const mailboxes = await takers(policy, { session, sender, ...found });
    recipients.inc('accepted');
    return { ...found, mailboxes };
  } catch (error) {
    if (error instanceof DirectoryUnavailable) {
      throw refusal('directory-down', 'directoryDown', error);
    }
    if (!(error instanceof StoreError)) throw error;
    const reply = storeErrorReply(error.kind, policy.options);
    throw refusal(storeErrorResult(error.kind), reply, error);
  }
}

/** Before anybody's mailbox is looked at: a thousand of them for each RCPT would be work. */
function requireRoom({ options }: RecipientPolicy, taken: number, more: number): void {
  if (taken === 0 || taken + more <= options['mx.mailboxes.max']) return;
  throw refusal('too-many', 'tooManyRecipients');
}

type Accepted = Extract<Resolution, { kind: 'account' | 'expanded' }>;

async function resolve(
  { directory }: RecipientPolicy,
  sender: Sender,
  mailbox: Mailbox,
): Promise<Accepted> {
  // An address literal is a host, and no host of another name than its domains is ours.
  if (mailbox.literal) throw refusal('unknown-domain', 'relayDenied');
  const context = { sender: sender.address?.address ?? '' };
  const resolution = await directory.resolve(mailbox.address, context);
  switch (resolution.kind) {
    case 'account':
    case 'expanded':
      return resolution;
    case 'refused':
      throw refusal('not-permitted', REFUSALS[resolution.reason]);
    case 'unknown-user':
      throw refusal('unknown-user', 'mailboxUnknown');
    case 'unknown-domain':
      throw refusal('unknown-domain', 'relayDenied');
  }
}

const REFUSALS = {
  'members-only': 'membersOnly',
  'no-members': 'noMembers',
} as const satisfies Record<Extract<Resolution, { kind: 'refused' }>['reason'], ReplyName>;

/** @throws ReplyError, StoreError when nothing can leave now */
async function requireWay({ outbound }: RecipientPolicy, size: number): Promise<void> {
  if (outbound) return outbound.accept({ size });
  throw refusal('no-relay', 'noRelay', new Error('This node has no way out of the farm'));
}

interface Judged {
  readonly account: Account;
  /** Why this mailbox takes nothing now; its own affair. */
  readonly refused?: 'suspended' | 'over-quota';
  readonly cause?: StoreError;
}

/** Those of the mailboxes that take the letter. @throws StoreError, ReplyError */
async function takers(
  policy: RecipientPolicy,
  given: {
    readonly session: Pick<SessionView, 'id'>;
    readonly sender: Sender;
  } & Pick<Places, 'address' | 'mailboxes' | 'leaving'>,
): Promise<readonly Recipient[]> {
  const { mailboxes, leaving, sender, session, address } = given;
  const judged: Judged[] = [];
  for (let at = 0; at < mailboxes.length; at += CHECKED_AT_ONCE) {
    const some = mailboxes.slice(at, at + CHECKED_AT_ONCE);
    const asked = some.map(({ account }) => judge(policy, account, sender.size));
    judged.push(...(await Promise.all(asked)));
  }
  const taking = judged.filter(({ refused }) => refused === undefined);
  // Room may come, so that a full mailbox among suspended ones is tried again.
  const full = judged.find(({ refused }) => refused === 'over-quota');
  if (taking.length === 0 && leaving.length === 0) throw refusalOf(policy, full ?? judged[0]);
  if (taking.length < judged.length) tellLeftOut(policy, { trace: session.id, address }, judged);
  if (taking.length === judged.length) return mailboxes;
  return mailboxes.filter((_, index) => judged[index]?.refused === undefined);
}

/** Names in one line of the log; counters have them all. */
const NAMED_MAX = 20;

/** A line for each reason: what is left out for want of room is a letter nobody sends again. */
function tellLeftOut(
  { logger }: RecipientPolicy,
  what: { readonly trace: string; readonly address: string },
  judged: readonly Judged[],
): void {
  for (const why of ['suspended', 'over-quota'] as const) {
    const out = judged.filter(({ refused }) => refused === why);
    if (out.length === 0) continue;
    expanded.inc(why, out.length);
    const users = out.slice(0, NAMED_MAX).map(({ account }) => account.login);
    const fields = { ...what, why, count: out.length, users };
    if (why === 'suspended') logger.info(fields, 'members left out');
    else logger.warn({ code: 'MF-MX-004', ...fields }, 'members left out');
  }
}

/** @throws StoreError for what is our own trouble, and passes */
async function judge(policy: RecipientPolicy, account: Account, bytes: number): Promise<Judged> {
  if (account.suspended.includes('mail')) return { account, refused: 'suspended' };
  try {
    await policy.delivery.check(account, bytes);
    return { account };
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== 'over-quota') throw error;
    return { account, refused: 'over-quota', cause: error };
  }
}

function refusalOf({ options }: RecipientPolicy, judged: Judged | undefined): ReplyError {
  if (judged?.refused !== 'over-quota') return refusal('suspended', 'mailboxSuspended');
  return refusal('over-quota', storeErrorReply('over-quota', options), judged.cause);
}

function refusal(result: RecipientResult, reply: ReplyName, cause?: unknown): ReplyError {
  recipients.inc(result);
  return new ReplyError(reply, cause === undefined ? undefined : { cause });
}
