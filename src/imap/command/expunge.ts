import type { ImapSession } from '../session.ts';
import type { Selected } from '../state.ts';
import type { By, Span } from '../view.ts';
import type { Args } from '../wire/args.ts';
import { isReplaced } from '../gone.ts';
import { highest } from './move.ts';
import { requireWritable, uidsOf } from './store.ts';

/** EXPUNGE (RFC 9051 §6.4.3): removes what is \Deleted for good. The EXPUNGEs follow. */
export async function expunge(session: ImapSession, args: Args, state: Selected): Promise<void> {
  args.end();
  requireWritable(state);
  await expungeDeleted(session, state);
  session.ok('EXPUNGE completed', highest(session, state));
}

/** UID EXPUNGE (RFC 9051 §6.4.9): of a set. */
export async function uidExpunge(
  session: ImapSession,
  args: Args,
  state: Selected,
  by: By,
): Promise<void> {
  args.space();
  const spans = state.view.spans(args.sequenceText(), by, state.saved);
  args.end();
  requireWritable(state);
  await expungeDeleted(session, state, spans);
  session.ok('EXPUNGE completed', highest(session, state));
}

/**
 * Removes what is \Deleted, or what of spans is. It is looked at afresh: another host may have
 * taken the flag away, and nothing undoes this.
 */
export async function expungeDeleted(
  session: ImapSession,
  state: Selected,
  spans?: readonly Span[],
): Promise<void> {
  const within = spans && new Set(uidsOf(state, spans));
  const newest = await state.folder.refresh();
  if (isReplaced(state, newest)) return session.folderReplaced(newest);
  const { messages } = newest;
  const uids: number[] = [];
  for (const { uid, flags } of messages) {
    if (flags.includes('T') && within?.has(uid) !== false) uids.push(uid);
  }
  if (uids.length > 0) await state.folder.expunge(uids, state.view.state.uidValidity);
}
