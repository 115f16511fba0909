/**
 * RCPT: who gets mail here, decided from the live directory. We never relay: an address in a domain
 * that is not ours is refused whatever it looks like. No path, route, percent or bang in a local
 * part means anything here; the whole address is looked up as it is.
 *
 * One address may be many mailboxes. What is accepted has to be stored at the end of the data: a
 * mailbox that can neither be reached nor parked for now defers the whole address. A mailbox
 * that takes nothing for its own reasons (suspended, full) is left out, and its list goes on.
 */
import {
  placeElsewhere,
  placeOf,
  placesOf,
  Way,
  type Places,
  type Rcpt,
} from '../delivery/places.ts';
import { SrsUnavailable, type FarmSrs } from '../delivery/srs.ts';
import type { Delivery, Outbound, Recipient } from '../delivery/types.ts';
import { DirectoryUnavailable } from '../directory/types.ts';
import type { Account, Directory, Resolution } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { Mailbox } from '../smtp/address.ts';
import { ReplyError, type ReplyName } from '../smtp/replies.ts';
import type { RecipientDsn, Sender, SessionView } from '../smtp/types.ts';
import { StoreError } from '../volumes/error.ts';
import { expanded, recipients, type RecipientResult } from './metrics.ts';
import type { MxOptions } from './options.ts';
import { storeErrorReply, storeErrorResult } from './store-error.ts';

export interface RecipientPolicy {
  readonly directory: Pick<Directory, 'resolve'>;
  readonly delivery: Pick<Delivery, 'check'>;
  /** Without it nothing leaves this farm. */
  readonly outbound?: Outbound | undefined;
  /** Senders of forwards are rewritten, and bounces to such senders go back to the author. */
  readonly srs?: FarmSrs | undefined;
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
  session: Pick<SessionView, 'id' | 'mode'>,
  given: {
    readonly sender: Sender;
    readonly mailbox: Mailbox;
    readonly dsn?: RecipientDsn | undefined;
    /** Mailboxes that the letter has already. */
    readonly taken: number;
    /** Whether this client may send to anybody, asked only where that matters. */
    readonly mayRelay?: (() => Promise<boolean>) | undefined;
  },
): Promise<AcceptedRecipient> {
  const { sender, mailbox, dsn } = given;
  const rcpt = { address: mailbox.address, sender: sender.address?.address ?? '', dsn };
  try {
    const places = await place(policy, session, { ...given, rcpt });
    recipients.inc('accepted');
    return places;
  } catch (error) {
    if (error instanceof DirectoryUnavailable || error instanceof SrsUnavailable) {
      throw refusal('directory-down', 'directoryDown', error);
    }
    if (!(error instanceof StoreError)) throw error;
    const reply = storeErrorReply(error.kind, policy.options);
    throw refusal(storeErrorResult(error.kind), reply, error);
  }
}

interface Given {
  readonly sender: Sender;
  readonly mailbox: Mailbox;
  readonly rcpt: Rcpt;
  readonly taken: number;
  readonly mayRelay?: (() => Promise<boolean>) | undefined;
}

async function place(
  policy: RecipientPolicy,
  session: Pick<SessionView, 'id' | 'mode'>,
  { sender, mailbox, rcpt, taken, mayRelay }: Given,
): Promise<Places> {
  const author = await authorOf(policy, sender, mailbox);
  const way = new Way();
  // LMTP is of our own hosts, who know their users; at the MX anybody may say that he is anybody.
  const unproven = session.mode !== 'lmtp';
  const asked = { mailbox, author, way, mayRelay, unproven };
  const resolution = await resolve(policy, sender, asked);
  if (resolution.kind === 'unknown-domain') {
    await requireWay(policy, sender.size);
    const origin = author === undefined ? 'relay' : 'forward';
    return elsewhere({ ...rcpt, address: resolution.author }, origin);
  }
  if (resolution.kind === 'account') {
    const { account } = resolution;
    requireRoom(policy, taken, 1);
    const judged = await judge(policy, account, sender.size);
    if (judged.refused !== undefined) throw refusalOf(policy, judged);
    return placeOf(rcpt, account);
  }
  const forwards = resolution.destinations.some(
    (one) => one.kind !== 'mailbox' && one.fallback !== undefined,
  );
  const forwardSender = forwards ? await policy.srs?.rewrite(rcpt.sender) : undefined;
  const found = placesOf({ ...rcpt, forwardSender, way }, resolution);
  if (found.leaving.length > 0) await requireWay(policy, sender.size);
  requireRoom(policy, taken, found.mailboxes.length);
  return { ...found, mailboxes: await takers(policy, { session, sender, ...found }) };
}

/** A bounce to a sender that we made goes to whom it was made from; undefined for all others. */
async function authorOf(
  { srs }: RecipientPolicy,
  sender: Sender,
  mailbox: Mailbox,
): Promise<string | undefined> {
  if (srs?.isOurs(mailbox) !== true) return undefined;
  // Such an address would else be a way through us for whoever has seen a forwarded letter.
  if (sender.address !== undefined) throw refusal('not-permitted', 'mailboxUnknown');
  const reversed = await srs.reverse(mailbox);
  if (reversed.kind === 'refused') throw refusal('unknown-user', 'mailboxUnknown');
  return reversed.address;
}

function elsewhere(rcpt: Rcpt, origin: 'forward' | 'relay'): Places {
  const places = placeElsewhere(rcpt, { origin, owner: '', login: '' });
  if (places === undefined) throw refusal('unknown-user', 'mailboxUnknown');
  return places;
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
  asked: {
    readonly mailbox: Mailbox;
    /** Whom the letter is for instead: a foreign address is no relaying then. */
    readonly author: string | undefined;
    readonly way: Way;
    readonly mayRelay?: (() => Promise<boolean>) | undefined;
    readonly unproven: boolean;
  },
): Promise<Accepted | { readonly kind: 'unknown-domain'; readonly author: string }> {
  const { mailbox, author, way, mayRelay, unproven } = asked;
  // An address literal is a host, and no host of another name than its domains is ours.
  if (mailbox.literal) throw refusal('unknown-domain', 'relayDenied');
  const context = { sender: sender.address?.address ?? '', unproven, onStop: way.onStop };
  const resolution = await directory.resolve(author ?? mailbox.address, context);
  switch (resolution.kind) {
    case 'account':
    case 'expanded':
      return resolution;
    case 'refused':
      throw refusal('not-permitted', REFUSALS[resolution.reason]);
    case 'unknown-user':
      throw refusal('unknown-user', 'mailboxUnknown');
    case 'unknown-domain':
      if (author !== undefined) return { kind: 'unknown-domain', author };
      if (await mayRelay?.()) return { kind: 'unknown-domain', author: mailbox.address };
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
  throw refusal('no-relay', 'noRelay', new Error('Nothing can leave from this node (MF-MX-002)'));
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
