/**
 * RCPT: who gets mail here, decided from the live directory. We never relay: an address in a domain
 * that is not ours is refused whatever it looks like. No path, route, percent or bang in a local
 * part means anything here; the whole address is looked up as it is.
 */
import type { Delivery, Recipient } from '../delivery/types.ts';
import { DirectoryUnavailable, type Account, type Directory } from '../directory/types.ts';
import type { Mailbox } from '../smtp/address.ts';
import { ReplyError, type ReplyName } from '../smtp/replies.ts';
import type { Sender } from '../smtp/types.ts';
import { StoreError } from '../volumes/error.ts';
import { recipients, type RecipientResult } from './metrics.ts';
import type { MxOptions } from './options.ts';
import { storeErrorReply, storeErrorResult } from './store-error.ts';

export interface RecipientPolicy {
  readonly directory: Pick<Directory, 'resolve'>;
  readonly delivery: Pick<Delivery, 'check'>;
  readonly options: MxOptions;
}

/** @throws ReplyError with the reply that fits. */
export async function acceptRecipient(
  policy: RecipientPolicy,
  sender: Sender,
  mailbox: Mailbox,
): Promise<Recipient> {
  const account = await holder(policy, mailbox);
  if (account.suspended.includes('mail')) throw refusal('suspended', 'mailboxSuspended');
  try {
    await policy.delivery.check(account, sender.size);
  } catch (error) {
    if (error instanceof DirectoryUnavailable) throw directoryDown(error);
    if (!(error instanceof StoreError)) throw error;
    const reply = storeErrorReply(error.kind, policy.options);
    throw refusal(storeErrorResult(error.kind), reply, error);
  }
  recipients.inc('accepted');
  return { address: mailbox.address, account };
}

async function holder(policy: RecipientPolicy, mailbox: Mailbox): Promise<Account> {
  // An address literal is a host, and no host of another name than its domains is ours.
  if (mailbox.literal) throw refusal('unknown-domain', 'relayDenied');
  let resolution;
  try {
    resolution = await policy.directory.resolve(mailbox.address);
  } catch (error) {
    throw error instanceof DirectoryUnavailable ? directoryDown(error) : error;
  }
  switch (resolution.kind) {
    case 'account':
      return resolution.account;
    case 'expanded':
    case 'refused':
    case 'unknown-user':
      throw refusal('unknown-user', 'mailboxUnknown');
    case 'unknown-domain':
      throw refusal('unknown-domain', 'relayDenied');
  }
}

const directoryDown = (cause: Error): ReplyError =>
  refusal('directory-down', 'directoryDown', cause);

function refusal(result: RecipientResult, reply: ReplyName, cause?: unknown): ReplyError {
  recipients.inc(result);
  return new ReplyError(reply, cause === undefined ? undefined : { cause });
}
