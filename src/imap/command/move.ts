import { coded } from '../replies.ts';
import type { ImapSession } from '../session.ts';
import type { Selected } from '../state.ts';
import type { By } from '../view.ts';
import type { Args } from '../wire/args.ts';
import { copyUid, orTryCreate, readCopy, requireSome } from './copy.ts';
import { requireWritable } from './store.ts';

/** MOVE and UID MOVE (RFC 9051 §6.4.8). COPYUID is said before the EXPUNGEs, which follow. */
export async function move(
  session: ImapSession,
  args: Args,
  state: Selected,
  by: By,
): Promise<void> {
  const { uids, to } = readCopy(args, state, by);
  requireWritable(state);
  if (uids.length === 0) return session.ok('MOVE completed: there are no such messages');
  const { folder, view } = state;
  const moved = await orTryCreate(() => folder.move(uids, to, view.state.uidValidity), folder);
  requireSome(moved);
  const code = copyUid(moved);
  if (code !== '') session.untagged(`OK ${coded(code, 'Moved')}`);
  session.ok('MOVE completed', highest(session, state));
}

/** After ENABLE QRESYNC a client counts on it wherever messages went (RFC 7162 §3.2.7). */
export const highest = (
  { enabled }: ImapSession,
  { folder }: Selected,
): '' | `HIGHESTMODSEQ ${number}` =>
  enabled.qresync ? `HIGHESTMODSEQ ${folder.state.modseq}` : '';
