import { ReplyError } from '../replies.ts';
import type { SmtpSession } from '../session.ts';

/** DATA (RFC 5321 §4.1.1.4): 354 when the message may come. */
export function data(session: SmtpSession, args: string): void {
  if (args !== '') throw new ReplyError('badSyntax');
  if (!session.transaction) throw new ReplyError('mailFirst');
  if (session.transaction.recipients.length === 0) throw new ReplyError('recipientFirst');
  session.receive(session.transaction);
}
