import { type Copied, type Folder, MailError } from '../../mailbox/mail.ts';
import { isGone } from '../gone.ts';
import { type Code, Refusal } from '../replies.ts';
import type { ImapSession } from '../session.ts';
import type { Selected } from '../state.ts';
import type { By } from '../view.ts';
import type { Args } from '../wire/args.ts';
import { formatSequence } from '../wire/sequence.ts';
import { uidsOf } from './store.ts';

/** COPY and UID COPY (RFC 9051 §6.4.7). */
export async function copy(
  session: ImapSession,
  args: Args,
  state: Selected,
  by: By,
): Promise<void> {
  const { uids, to } = readCopy(args, state, by);
  if (uids.length === 0) return session.ok('COPY completed: there are no such messages');
  const { folder, view } = state;
  const copied = await orTryCreate(() => folder.copy(uids, to, view.state.uidValidity), folder);
  requireSome(copied);
  session.ok('COPY completed', copyUid(copied));
}

export interface CopyRequest {
  readonly uids: readonly number[];
  readonly to: string;
}

/** ` set folder`, to the end. */
export function readCopy(args: Args, state: Selected, by: By): CopyRequest {
  args.space();
  const set = args.sequenceText();
  args.space();
  const to = args.mailbox();
  args.end();
  return { uids: uidsOf(state, state.view.spans(set, by, state.saved)), to };
}

/**
 * A folder that is not there can be made (RFC 9051 §6.4.7); not if it is `from` that is gone.
 * @throws Refusal
 */
export async function orTryCreate<T>(work: () => Promise<T>, from?: Folder): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MailError) || error.kind !== 'no-such-folder') throw error;
    if (from !== undefined && (await isGone(from))) throw error;
    throw new Refusal('TRYCREATE', error.message);
  }
}

/** @throws Refusal when another session deleted all of them */
export function requireSome({ pairs }: Copied): void {
  if (pairs.length > 0) return;
  throw new Refusal('EXPUNGEISSUED', 'The messages were deleted by another session');
}

/**
 * COPYUID (RFC 9051 §7.1). It names what was copied, so a client sees what another session deleted
 * before. On a full volume a copy may wait for its number: then nothing is said.
 */
export function copyUid({ state, pairs }: Copied): Code {
  const to = pairs.map((pair) => pair.to).filter((uid) => uid !== undefined);
  if (to.length < pairs.length) return '';
  const from = formatSequence(pairs.map((pair) => pair.from));
  return `COPYUID ${state.uidValidity} ${from} ${formatSequence(to)}`;
}
