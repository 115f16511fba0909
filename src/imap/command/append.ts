/**
 * APPEND (RFC 9051 §6.3.12), several messages at once too (RFC 3502). A message goes to storage as
 * it comes, at the pace of the storage; it is in the folder when all are there whole. Whatever
 * breaks off before that leaves nothing.
 */
import type { Added, Draft } from '../../mailbox/mail.ts';
import { APPEND_BYTES_MAX, APPEND_MESSAGES_MAX } from '../options.ts';
import { type Code, Refusal } from '../replies.ts';
import type { ImapSession } from '../session.ts';
import type { Authenticated, Selected } from '../state.ts';
import { Args, type LiteralHead } from '../wire/args.ts';
import { flagList, type FlagList } from '../wire/flags.ts';
import { formatSequence } from '../wire/sequence.ts';
import { orTryCreate } from './copy.ts';

export async function append(
  session: ImapSession,
  args: Args,
  { mail }: Authenticated | Selected,
): Promise<void> {
  args.space();
  const folder = args.mailbox();
  const drafts: Draft[] = [];
  let before = 0;
  try {
    for (let rest: Args | undefined = args; rest !== undefined;) {
      if (drafts.length >= APPEND_MESSAGES_MAX) {
        throw new Refusal('LIMIT', `One APPEND brings at most ${APPEND_MESSAGES_MAX} messages`);
      }
      const message = readMessage(rest);
      const { octets } = message.head;
      if (octets === 0) throw new Refusal('', 'An empty message: nothing was appended'); // RFC 3502
      if (before > 0 && before + octets > APPEND_BYTES_MAX) {
        throw new Refusal(
          'LIMIT',
          `Messages of one APPEND have at most ${APPEND_BYTES_MAX} octets`,
        );
      }
      const { flags, date } = message;
      const options = { octets, before, ...flags, ...(date === undefined ? {} : { date }) };
      const draft = await orTryCreate(() => mail.draft(folder, options));
      drafts.push(draft);
      before += octets;
      await session.receive((piece) => draft.write(piece));
      rest = await restOf(session, message);
    }
    const added = await orTryCreate(() => mail.append(folder, drafts));
    drafts.length = 0;
    session.ok('APPEND completed', appendUid(added));
  } finally {
    await Promise.all(drafts.map((draft) => draft.discard()));
  }
}

interface Message {
  readonly flags: FlagList;
  readonly date: number | undefined;
  readonly head: LiteralHead;
  /** `UTF8 (` stands before the literal and `)` behind it (RFC 6855 §4). */
  readonly brackets: boolean;
}

/** ` [(flags)] ["date"] literal`, up to the literal's octets. */
function readMessage(args: Args): Message {
  args.space();
  let flags: FlagList = { letters: '', keywords: [] };
  if (args.peek() === '(') {
    flags = flagList(args.list(() => args.flag()));
    args.space();
  }
  let date: number | undefined;
  if (args.peek() === '"') {
    date = args.dateTime();
    args.space();
  }
  const brackets = args.takesWord('UTF8');
  if (brackets) {
    args.space();
    args.expect('(');
  }
  return { flags, date, brackets, head: args.streamed() };
}

/** What follows a literal: the next message, or undefined. */
async function restOf(session: ImapSession, { brackets }: Message): Promise<Args | undefined> {
  const rest = Args.continued(await session.restOfCommand(), session);
  if (brackets) rest.expect(')');
  return rest.atEnd ? undefined : rest;
}

/** APPENDUID (RFC 9051 §7.1). On a full volume a message may wait for its number. */
function appendUid({ state, uids }: Added): Code {
  const known = uids.filter((uid) => uid !== undefined);
  if (known.length < uids.length) return '';
  return `APPENDUID ${state.uidValidity} ${formatSequence(known)}`;
}
