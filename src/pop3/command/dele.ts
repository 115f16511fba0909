import { REPLY } from '../replies.ts';
import type { Pop3Session } from '../session.ts';
import type { Transaction } from '../transaction.ts';
import type { Done } from '../../net/line-transport.ts';
import { parseNumber } from '../wire/args.ts';

/** DELE msg (RFC 1939 §5): marks; QUIT deletes. */
export function dele(session: Pop3Session, argument: string, state: Transaction): Done {
  const index = messageIndex(session, state, parseNumber(argument));
  if (index === undefined) return;
  state.delete(index);
  session.say(REPLY.deleted);
}

/** RSET (RFC 1939 §5). */
export function rset(session: Pop3Session, _argument: string, state: Transaction): Done {
  state.undelete();
  session.say(REPLY.reset);
}

/** The index of a message that a command may name; else its refusal is said here. */
export function messageIndex(
  session: Pop3Session,
  state: Transaction,
  message: number | undefined,
): number | undefined {
  if (message === undefined) session.bad(REPLY.badNumber);
  else if (message < 1 || message > state.drop.count) session.say(REPLY.noSuchMessage);
  else if (state.isDeleted(message - 1)) session.say(REPLY.alreadyDeleted);
  else return message - 1;
}
