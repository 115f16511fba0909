/**
 * MAIL: who may send, and as whom. Asked anew for each message, so that whose account was suspended
 * or removed since the login sends no more.
 */
import { DirectoryUnavailable, type Account, type Directory } from '../directory/types.ts';
import { ReplyError } from '../smtp/replies.ts';
import type { Sender, SessionAccount, SessionView } from '../smtp/types.ts';
import { senders } from './metrics.ts';
import type { SubmissionOptions } from './options.ts';
import { Ownership } from './ownership.ts';
import type { Allowance, SendingLimits } from './sending-limits.ts';

export interface SenderPolicy {
  readonly directory: Pick<Directory, 'account' | 'accountById' | 'ownerOf'>;
  readonly limits: SendingLimits | undefined;
  readonly options: SubmissionOptions;
}

/** What is known of one transaction from MAIL on. */
export interface Author {
  readonly account: Account;
  readonly own: Ownership;
  readonly allowance: Allowance;
}

const UNLIMITED: Allowance = { take: async () => {} };

/** @throws ReplyError with the reply that fits */
export async function acceptSender(
  policy: SenderPolicy,
  session: Pick<SessionView, 'account'>,
  sender: Sender,
): Promise<Author> {
  if (!session.account) {
    senders.inc('no-login');
    throw new ReplyError('authFirst');
  }
  try {
    const account = await accountOf(policy, session.account);
    const own = new Ownership(policy.directory, account);
    await requireOwn(policy, own, sender);
    const allowance = await allowanceOf(policy, account);
    senders.inc('accepted');
    return { account, own, allowance };
  } catch (error) {
    if (!(error instanceof DirectoryUnavailable)) throw error;
    senders.inc('directory-down');
    throw new ReplyError('directoryDown', { cause: error });
  }
}

async function accountOf({ directory }: SenderPolicy, known: SessionAccount): Promise<Account> {
  const named = await directory.account(known.login);
  // Under another login by now, perhaps; another user of the old one is somebody else.
  const account = named?.id === known.id ? named : await directory.accountById(known.id);
  if (account && !account.suspended.includes('submission')) return account;
  senders.inc('suspended');
  throw new ReplyError('sendingSuspended');
}

async function requireOwn(
  { options }: SenderPolicy,
  own: Ownership,
  { address }: Sender,
): Promise<void> {
  if (address === undefined) {
    if (options['submission.sender.null'] === 'allowed') return;
  } else if (!address.literal && (await own.has(address.address))) return;
  senders.inc('not-yours');
  throw new ReplyError('senderNotYours', { detail: address?.address ?? 'the null sender' });
}

async function allowanceOf({ limits }: SenderPolicy, account: Account): Promise<Allowance> {
  if (!limits) return UNLIMITED;
  try {
    return await limits.begin(account);
  } catch (error) {
    if (error instanceof ReplyError) senders.inc('limit');
    throw error;
  }
}
