/** The whole protocol on one screen. A handler never checks state itself. */
import { auth } from './command/auth.ts';
import { data } from './command/data.ts';
import { etrn } from './command/etrn.ts';
import { hello, startTls } from './command/hello.ts';
import { mail } from './command/mail.ts';
import { rcpt } from './command/rcpt.ts';
import { help, noop, quit, rset, vrfy } from './command/small.ts';
import type { SmtpSession } from './session.ts';
import type { SmtpPolicy } from './types.ts';

/**
 * A handler parses everything, acts once, answers once (`session.reply`), or throws ReplyError
 * before it has acted. `args` is the line after the verb and one space.
 */
export type CommandRow = {
  /** What policy must have, or there is no such command. */
  readonly needs?: 'authenticate' | 'etrn';
} & (
  | {
      /** Must HELO, EHLO or LHLO have been said? */
      readonly after: 'anything' | 'hello';
      readonly run: (session: SmtpSession, args: string) => void | Promise<void>;
    }
  | {
      readonly after: 'anything' | 'hello';
      /** The library's handler answers and calls `next`. */
      readonly delegate: (session: SmtpSession, args: string, next: () => void) => void;
    }
);

export const COMMANDS = {
  EHLO: { after: 'anything', delegate: hello('EHLO') }, // RFC 5321 §4.1.1.1
  HELO: { after: 'anything', delegate: hello('HELO') }, // RFC 5321 §4.1.1.1
  LHLO: { after: 'anything', delegate: hello('LHLO') }, // RFC 2033 §4.1
  STARTTLS: { after: 'hello', delegate: startTls }, // RFC 3207 §4
  AUTH: { after: 'hello', needs: 'authenticate', run: auth }, // RFC 4954 §4
  MAIL: { after: 'hello', run: mail }, // RFC 5321 §4.1.1.2
  RCPT: { after: 'hello', run: rcpt }, // RFC 5321 §4.1.1.3
  DATA: { after: 'hello', run: data }, // RFC 5321 §4.1.1.4
  RSET: { after: 'anything', run: rset }, // RFC 5321 §4.1.1.5
  ETRN: { after: 'hello', needs: 'etrn', run: etrn }, // RFC 1985 §5
  VRFY: { after: 'anything', run: vrfy }, // RFC 5321 §4.1.1.6
  HELP: { after: 'anything', run: help }, // RFC 5321 §4.1.1.8
  NOOP: { after: 'anything', run: noop }, // RFC 5321 §4.1.1.9
  QUIT: { after: 'anything', run: quit }, // RFC 5321 §4.1.1.10
} as const satisfies Record<string, CommandRow>;

/** The row of a verb in any case; undefined for what is no command of this service. */
export function commandRow(verb: string, policy: SmtpPolicy<unknown>): CommandRow | undefined {
  const name = verb.toUpperCase();
  if (!Object.hasOwn(COMMANDS, name)) return undefined;
  const row: CommandRow = COMMANDS[name as keyof typeof COMMANDS];
  return row.needs === undefined || policy[row.needs] !== undefined ? row : undefined;
}
