import { LISTING_BYTES_MAX } from '../options.ts';
import { REPLY, scan } from '../replies.ts';
import type { Pop3Session } from '../session.ts';
import type { Transaction } from '../transaction.ts';
import type { Done } from '../../net/line-transport.ts';
import { parseNumber } from '../wire/args.ts';
import { messageIndex } from './dele.ts';

/** STAT (RFC 1939 §5): count and octets of what is not marked. */
export function stat(session: Pop3Session, _argument: string, state: Transaction): Done {
  session.say(scan(state.count, state.octets));
}

/** LIST [msg] (RFC 1939 §5). */
export function list(session: Pop3Session, argument: string, state: Transaction): Done {
  return answer(session, argument, state, 'octets');
}

/** UIDL [msg] (RFC 1939 §7). */
export function uidl(session: Pop3Session, argument: string, state: Transaction): Done {
  return answer(session, argument, state, 'uidl');
}

type Column = 'octets' | 'uidl';

function answer(session: Pop3Session, argument: string, state: Transaction, column: Column): Done {
  if (argument !== '') {
    const index = messageIndex(session, state, parseNumber(argument));
    if (index !== undefined) session.say(scan(index + 1, state.drop[column](index)));
    return;
  }
  const whole = state.count === state.drop.count;
  const kept = whole ? keptAnswers[column].get(state.drop.listing) : undefined;
  if (kept !== undefined) return session.say(kept);
  const { text, next } = rows(state, column, 0);
  session.say(REPLY.listing + text);
  if (next < state.drop.count) return remaining(session, state, column, next);
  session.say(REPLY.end);
  if (whole) keptAnswers[column].set(state.drop.listing, REPLY.listing + text + REPLY.end);
}

/**
 * Answers of one piece, for the next session that finds the same mailbox: most polls do. They go
 * when the store forgets the listing.
 */
const keptAnswers: Readonly<Record<Column, WeakMap<object, string>>> = {
  octets: new WeakMap(),
  uidl: new WeakMap(),
};

/** The rest of a listing that is too long for one piece: others have their turn in between. */
async function remaining(
  session: Pop3Session,
  state: Transaction,
  column: Column,
  from: number,
): Promise<void> {
  for (let next = from; next < state.drop.count;) {
    session.flush();
    await session.turnOfOthers();
    await session.flowing();
    const piece = rows(state, column, next);
    session.say(piece.text);
    next = piece.next;
  }
  session.say(REPLY.end);
}

/** Rows from `from` on, about LISTING_BYTES_MAX octets; `next` is the next index. */
function rows(state: Transaction, column: Column, from: number): { text: string; next: number } {
  const { drop } = state;
  let text = '';
  let index = from;
  for (; index < drop.count && text.length < LISTING_BYTES_MAX; index += 1) {
    if (!state.isDeleted(index)) text += `${index + 1} ${drop[column](index)}\r\n`;
  }
  return { text, next: index };
}
