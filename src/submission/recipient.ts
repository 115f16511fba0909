/**
 * RCPT: where a letter of a user goes. Ours are delivered at once, all others leave through the
 * spool. As at the MX the whole address is looked up as it is: no percent, bang or quoted @ in a
 * local part means anything.
 *
 * Address literals are refused: they let whoever has a password open connections to any port 25
 * that our hosts can reach and the user cannot.
 *
 * A mailbox of a list that takes nothing for its own reasons is left out, and the list goes on.
 */
import {
  placeElsewhere,
  placeOf,
  placesOf,
  Way,
  type Places,
  type Rcpt,
} from '../delivery/places.ts';
import type { Delivery, Outbound, Recipient } from '../delivery/types.ts';
import { DirectoryUnavailable } from '../directory/types.ts';
import type { Account, Directory, Resolution } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { Mailbox } from '../smtp/address.ts';
import { ReplyError, type ReplyName } from '../smtp/replies.ts';
import type { RecipientDsn, Sender, SessionView } from '../smtp/types.ts';
import { StoreError } from '../volumes/error.ts';
import { recipients, type RecipientResult } from './metrics.ts';
import type { SubmissionOptions } from './options.ts';
import type { Author } from './sender.ts';
import { STORE_REPLIES } from '../delivery/replies.ts';

export interface RecipientPolicy {
  readonly directory: Pick<Directory, 'resolve'>;
  readonly delivery: Pick<Delivery, 'check'>;
  /** Without it only mail for our own users is taken. */
  readonly outbound?: Outbound | undefined;
  readonly options: SubmissionOptions;
  readonly logger: Logger;
}

export interface GivenRecipient {
  readonly author: Author;
  readonly sender: Sender;
  readonly mailbox: Mailbox;
  readonly dsn: RecipientDsn;
  /** Recipients that the letter has already. */
  readonly taken: number;
}

/** Mailboxes checked at once. */
const CHECKED_AT_ONCE = 16;

/** @throws ReplyError with the reply that fits */
export async function acceptRecipient(
  policy: RecipientPolicy,
  session: Pick<SessionView, 'id'>,
  given: GivenRecipient,
): Promise<Places> {
  requireRecipient(policy, given);
  try {
    const places = await lookUp(policy, session, given);
    await take(given.author);
    recipients.inc(places.leaving.length > 0 ? 'elsewhere' : 'local');
    return places;
  } catch (error) {
    if (error instanceof DirectoryUnavailable) {
      throw refusal('directory-down', 'directoryDown', { cause: error });
    }
    if (!(error instanceof StoreError)) throw error;
    throw refusal('storage', STORE_REPLIES[error.kind], { cause: error });
  }
}

/** One more recipient, whose place somebody else finds. @throws ReplyError */
export async function takeRecipient(
  policy: Pick<RecipientPolicy, 'options'>,
  given: Pick<GivenRecipient, 'author' | 'mailbox' | 'taken'>,
): Promise<void> {
  requireRecipient(policy, given);
  await take(given.author);
}

function requireRecipient(
  { options }: Pick<RecipientPolicy, 'options'>,
  { taken, mailbox }: Pick<GivenRecipient, 'mailbox' | 'taken'>,
): void {
  if (taken >= options['submission.recipients.max']) {
    throw refusal('too-many', 'tooManyRecipients');
  }
  if (mailbox.literal) throw refusal('not-an-address', 'literalRefused');
}

async function take({ allowance }: Author): Promise<void> {
  try {
    await allowance.take();
  } catch (error) {
    if (error instanceof ReplyError) recipients.inc('limit');
    throw error;
  }
}

async function lookUp(
  policy: RecipientPolicy,
  session: Pick<SessionView, 'id'>,
  { author, sender, mailbox, dsn }: GivenRecipient,
): Promise<Places> {
  const { address } = mailbox;
  const { account } = author;
  const way = new Way();
  // Senders are addresses of ours here, for which our hosts speak: no forward rewrites one.
  const rcpt: Rcpt = { address, sender: sender.address?.address ?? '', dsn, way };
  const by = { origin: 'submission', owner: account.id, login: account.login } as const;
  // Lists ask who writes. That is who logged in, whichever own address stands in MAIL FROM.
  const context = { sender: account.login, onStop: way.onStop };
  const resolution = await policy.directory.resolve(address, context);
  switch (resolution.kind) {
    case 'account': {
      const problem = await problemOf(policy, resolution.account, sender.size);
      if (problem) throw refusal(problem.result, problem.reply);
      return placeOf(rcpt, resolution.account);
    }
    case 'expanded': {
      const places = placesOf(rcpt, resolution, by);
      if (places.leaving.length > 0) await requireWay(policy, sender.size);
      return { ...places, mailboxes: await takers(policy, { session, sender, places }) };
    }
    case 'unknown-domain': {
      const places = placeElsewhere(rcpt, by);
      if (!places) throw refusal('not-an-address', 'badRecipient');
      await requireWay(policy, sender.size);
      return places;
    }
    case 'unknown-user':
      throw refusal('unknown-user', 'mailboxUnknown');
    case 'refused':
      throw refusal('not-permitted', REFUSALS[resolution.reason]);
  }
}

const REFUSALS = {
  'members-only': 'membersOnly',
  'no-members': 'noMembers',
} as const satisfies Record<Extract<Resolution, { kind: 'refused' }>['reason'], ReplyName>;

/** @throws ReplyError, StoreError when nothing can leave now */
async function requireWay({ outbound }: RecipientPolicy, size: number): Promise<void> {
  if (outbound) return await outbound.accept({ size });
  throw refusal('no-relay', 'noRelay');
}

interface Problem {
  readonly result: 'suspended' | 'over-quota';
  readonly reply: ReplyName;
}

/** Why a mailbox takes nothing now, if that is its own affair. @throws StoreError for ours */
async function problemOf(
  { delivery }: RecipientPolicy,
  account: Account,
  bytes: number,
): Promise<Problem | undefined> {
  if (account.suspended.includes('mail')) {
    return { result: 'suspended', reply: 'mailboxSuspended' };
  }
  try {
    await delivery.check(account, bytes);
    return undefined;
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== 'over-quota') throw error;
    return { result: 'over-quota', reply: 'overQuota' };
  }
}

/** Those of the mailboxes that take the letter. @throws StoreError, ReplyError */
async function takers(
  policy: RecipientPolicy,
  given: {
    readonly session: Pick<SessionView, 'id'>;
    readonly sender: Sender;
    readonly places: Places;
  },
): Promise<readonly Recipient[]> {
  const { session, sender, places } = given;
  const { mailboxes, leaving, address } = places;
  const problems: (Problem | undefined)[] = [];
  for (let at = 0; at < mailboxes.length; at += CHECKED_AT_ONCE) {
    const some = mailboxes.slice(at, at + CHECKED_AT_ONCE);
    const asked = some.map(({ account }) => problemOf(policy, account, sender.size));
    problems.push(...(await Promise.all(asked)));
  }
  const taking = mailboxes.filter((_, at) => problems[at] === undefined);
  const [first] = problems;
  if (taking.length === 0 && leaving.length === 0 && first) {
    // Room may come, so a full mailbox among suspended ones decides.
    const full = problems.find((one) => one?.result === 'over-quota') ?? first;
    throw refusal(full.result, full.reply);
  }
  if (taking.length < mailboxes.length) {
    const count = mailboxes.length - taking.length;
    policy.logger.info({ trace: session.id, address, count }, 'members left out');
  }
  return taking;
}

function refusal(result: RecipientResult, reply: ReplyName, options?: ErrorOptions): ReplyError {
  recipients.inc(result);
  return new ReplyError(reply, options);
}
