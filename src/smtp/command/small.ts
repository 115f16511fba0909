import { ReplyError } from '../replies.ts';
import type { SmtpSession } from '../session.ts';

/** NOOP (RFC 5321 §4.1.1.9). An argument is allowed and ignored. */
export function noop(session: SmtpSession): void {
  session.reply('ok');
}

/** HELP (RFC 5321 §4.1.1.8). */
export function help(session: SmtpSession): void {
  session.reply('help');
}

/** VRFY (RFC 5321 §4.1.1.6, §7.3): who exists is not told, and no one is looked up. */
export function vrfy(session: SmtpSession, args: string): void {
  if (args === '') throw new ReplyError('badSyntax');
  session.reply('cannotVerify');
}

/** RSET (RFC 5321 §4.1.1.5): the transaction is dropped whole. */
export function rset(session: SmtpSession, args: string): void {
  if (args !== '') throw new ReplyError('badSyntax');
  session.transaction = undefined;
  session.reply('ok');
}

/** QUIT (RFC 5321 §4.1.1.10). */
export function quit(session: SmtpSession, args: string): void {
  if (args !== '') throw new ReplyError('badSyntax');
  session.ending = 'quit';
  session.reply('bye');
  session.close();
}
