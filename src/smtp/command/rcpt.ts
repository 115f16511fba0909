import { parsePath } from '../address.ts';
import { dsnParameters, parseParameters } from '../parameters.ts';
import { ReplyError } from '../replies.ts';
import type { SmtpSession } from '../session.ts';
import { afterKeyword, parameterText } from './mail.ts';

const DSN_PARAMETERS: readonly string[] = ['NOTIFY', 'ORCPT'];

/** RCPT TO:<path> [parameters] (RFC 5321 §4.1.1.3), those of DSN where it is announced. */
export async function rcpt(session: SmtpSession, args: string): Promise<void> {
  const { transaction } = session;
  if (!transaction) throw new ReplyError('mailFirst');
  const rest = afterKeyword(session, args, 'TO:');
  const path = rest === undefined ? undefined : parsePath(rest);
  if (rest === undefined || path?.kind !== 'mailbox') throw new ReplyError('badRecipient');
  const known = session.engine.policy.dsn === true ? DSN_PARAMETERS : [];
  const parameters = parseParameters(parameterText(rest, path.end, 'badRecipient'), known);
  const dsn = dsnParameters(parameters, transaction.sender.smtpUtf8);
  const { mailbox } = path;
  if (mailbox.international && !transaction.sender.smtpUtf8) throw new ReplyError('utf8Needed');
  if (transaction.recipients.length >= session.engine.limits['smtp.recipients.max']) {
    throw new ReplyError('tooManyRecipients');
  }
  const { policy } = session.engine;
  const recipient = await policy.recipient(session, transaction.sender, mailbox, dsn);
  transaction.recipients.push(recipient);
  session.reply('recipientOk');
}
