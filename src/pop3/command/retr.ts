import { messagesTotal, sentBytesTotal } from '../metrics.ts';
import { REPLY, retrieving } from '../replies.ts';
import type { Pop3Session } from '../session.ts';
import type { Transaction } from '../transaction.ts';
import { BrokenAnswer, ConnectionLost, type Done } from '../../net/line-transport.ts';
import { parseNumber, parseTop } from '../wire/args.ts';
import { DotStuffer } from '../wire/dots.ts';
import { TopCutter } from '../wire/top.ts';
import { messageIndex } from './dele.ts';

/** RETR msg (RFC 1939 §5): the message byte for byte, dot-stuffed. */
export function retr(session: Pop3Session, argument: string, state: Transaction): Done {
  const index = messageIndex(session, state, parseNumber(argument));
  if (index !== undefined) return retrieve(session, state, index);
}

/** TOP msg n (RFC 1939 §7): the header, the empty line and n lines of the body. */
export function top(session: Pop3Session, argument: string, state: Transaction): Done {
  const parsed = parseTop(argument);
  if (parsed === undefined) return session.bad(REPLY.badTop);
  const index = messageIndex(session, state, parsed.message);
  if (index !== undefined) return sendTop(session, state, index, parsed.lines);
}

async function retrieve(session: Pop3Session, state: Transaction, index: number): Promise<void> {
  const octets = await stream(session, {
    status: retrieving(state.drop.octets(index)),
    message: state.drop.read(index),
    cut: undefined,
  });
  session.retrieved += 1;
  messagesTotal.inc('retrieved');
  sentBytesTotal.inc('RETR', octets);
}

async function sendTop(
  session: Pop3Session,
  state: Transaction,
  index: number,
  lines: number,
): Promise<void> {
  const octets = await stream(session, {
    status: REPLY.top,
    message: state.drop.read(index),
    cut: new TopCutter(lines),
  });
  sentBytesTotal.inc('TOP', octets);
}

interface Answer {
  readonly status: string;
  readonly message: AsyncIterable<Buffer>;
  readonly cut: TopCutter | undefined;
}

/**
 * Sends a status line and the message. The status waits for the first piece: what the store
 * refuses is an -ERR. What fails later breaks the connection, without the final dot: never a
 * short message with a clean end. @returns octets sent. @throws StoreError, BrokenAnswer.
 */
async function stream(session: Pop3Session, answer: Answer): Promise<number> {
  const { cut } = answer;
  const pieces = answer.message[Symbol.asyncIterator]();
  const dots = new DotStuffer();
  let octets = 0;
  let next = await pieces.next(); // A StoreError of the first piece is the reply.
  session.say(answer.status);
  try {
    while (next.done !== true) {
      const piece = cut === undefined ? next.value : cut.push(next.value);
      octets += piece.length;
      session.sentOctets += piece.length;
      const full = session.send(dots.push(piece));
      if (full !== undefined) await full;
      if (cut?.done) break;
      next = await pieces.next();
    }
  } catch (error) {
    if (error instanceof ConnectionLost) throw error;
    throw new BrokenAnswer('the message broke off', { cause: error });
  } finally {
    if (next.done !== true) await pieces.return?.(); // Lets go of the file.
  }
  session.say(dots.end());
  return octets;
}
