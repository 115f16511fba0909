import { parsePath } from '../address.ts';
import { parseParameters } from '../parameters.ts';
import { ReplyError } from '../replies.ts';
import type { SmtpSession } from '../session.ts';
import { afterKeyword, parameterText } from './mail.ts';

/**
 * RCPT TO:<path> (RFC 5321 §4.1.1.3). It takes no parameter: DSN (RFC 3461) is not announced, since
 * whoever delivers finally and at once has nothing to notify later.
 */
export async function rcpt(session: SmtpSession, args: string): Promise<void> {
  const { transaction } = session;
  if (!transaction) throw new ReplyError('mailFirst');
  const rest = afterKeyword(session, args, 'TO:');
  const path = rest === undefined ? undefined : parsePath(rest);
  if (rest === undefined || path?.kind !== 'mailbox') throw new ReplyError('badRecipient');
  parseParameters(parameterText(rest, path.end, 'badRecipient'), []);
  const { mailbox } = path;
  if (mailbox.international && !transaction.sender.smtpUtf8) throw new ReplyError('utf8Needed');
  if (transaction.recipients.length >= session.engine.limits['smtp.recipients.max']) {
    throw new ReplyError('tooManyRecipients');
  }
  const recipient = await session.engine.policy.recipient(session, transaction.sender, mailbox);
  transaction.recipients.push(recipient);
  session.reply('recipientOk');
}
