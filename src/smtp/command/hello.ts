import { HELO_BYTES_MAX } from '../options.ts';
import { ReplyError } from '../replies.ts';
import type { SmtpSession } from '../session.ts';

/**
 * EHLO and HELO (RFC 5321 §4.1.1.1), LHLO (RFC 2033 §4.1). The argument is checked for harm, not
 * for truth: it is shown in Received and the log, and no decision rests on it (RFC 5321 §4.1.4).
 */
export const hello =
  (verb: 'EHLO' | 'HELO' | 'LHLO') =>
  (session: SmtpSession, args: string, next: () => void): void => {
    const lmtp = session.mode === 'lmtp';
    if (lmtp !== (verb === 'LHLO')) {
      throw new ReplyError(lmtp ? 'wrongHelloLmtp' : 'wrongHelloSmtp');
    }
    const name = args.trim();
    if (name === '' || /\s/.test(name) || Buffer.byteLength(name) > HELO_BYTES_MAX) {
      throw new ReplyError('badHelo');
    }
    // The library knows LHLO as EHLO. It computes the list of extensions and resets the session.
    session.openingCommand = verb === 'HELO' ? 'HELO' : 'EHLO';
    const line = Buffer.from(`${verb} ${name}`);
    if (verb === 'HELO') session.handler_HELO(line, next);
    else session.handler_EHLO(line, next);
  };

/** STARTTLS (RFC 3207 §4). What was pipelined behind it is dropped by the library, unread. */
export function startTls(session: SmtpSession, args: string, next: () => void): void {
  if (!session.engine.tls) throw new ReplyError('unknownCommand');
  if (args !== '') throw new ReplyError('badSyntax');
  if (session.secure) throw new ReplyError('tlsActive');
  try {
    session.engine.tls.context(undefined); // After the 220 it would be too late to find out.
  } catch (error) {
    throw new ReplyError('tlsUnavailable', { cause: error });
  }
  session.handler_STARTTLS(Buffer.from('STARTTLS'), next);
}
