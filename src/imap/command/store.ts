import { changeKeywords, changeLetters } from '../../mailbox/flag-change.ts';
import type { FlagChange, FolderState, Numbered } from '../../mailbox/mail.ts';
import { useCondstore } from '../condstore.ts';
import { isReplaced } from '../gone.ts';
import { UPDATE_BYTES_MAX } from '../options.ts';
import { Refusal } from '../replies.ts';
import type { ImapSession } from '../session.ts';
import type { Selected } from '../state.ts';
import { type By, firstFrom, type Span } from '../view.ts';
import type { Args } from '../wire/args.ts';
import { flagList, flagsText } from '../wire/flags.ts';
import { formatSequence } from '../wire/sequence.ts';
import { IndexWalk, pause } from './fetch-rows.ts';

interface StoreRequest {
  readonly change: Omit<FlagChange, 'uids'>;
  /** `.SILENT`: the client knows what comes of it. */
  readonly answer: 'told' | 'silent';
}

/** STORE and UID STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3). */
export async function store(
  session: ImapSession,
  args: Args,
  state: Selected,
  by: By,
): Promise<void> {
  args.space();
  const set = args.sequenceText();
  args.space();
  const request = readStore(args);
  const spans = state.view.spans(set, by, state.saved);
  requireWritable(state);
  if (request.change.unchangedSince !== undefined) useCondstore(session, state);
  const uids = uidsOf(state, spans);
  if (uids.length === 0) return session.ok('STORE completed');
  const { uidValidity } = state.view.state;
  const stored = await state.folder.store({ uids, uidValidity, ...request.change });
  if (isReplaced(state, stored.state)) return session.folderReplaced(stored.state);
  const { gone, modified } = stored;
  const left = new Set([...gone, ...modified]);
  const rows = new StoreRows(session, state, by, request);
  await rows.say(spans, stored.state.messages, left);
  const untold = gone.filter((uid) => by === 'sequence' || isShown(stored.state, uid));
  answer(session, state, by, { gone: untold, modified });
}

/** @throws Refusal in a folder that was opened by EXAMINE */
export function requireWritable({ access }: Selected): void {
  if (access === 'read-only') throw new Refusal('READ-ONLY', 'This folder was opened to read only');
}

/** UIDs of the messages of spans. */
export function uidsOf({ view }: Selected, spans: readonly Span[]): number[] {
  const uids: number[] = [];
  for (const [from, end] of spans) {
    for (let index = from; index < end; index += 1) {
      uids.push((view.messages[index] as Numbered).uid);
    }
  }
  return uids;
}

function readStore(args: Args): StoreRequest {
  let unchangedSince: number | undefined;
  if (args.takes('(')) {
    if (args.word() !== 'UNCHANGEDSINCE') args.fail('A modifier of STORE is not known');
    args.space();
    unchangedSince = args.number64();
    args.expect(')');
    args.space();
  }
  const how = args.takes('+') ? 'add' : args.takes('-') ? 'remove' : 'replace';
  const name = args.word();
  if (name !== 'FLAGS' && name !== 'FLAGS.SILENT') args.fail('STORE changes FLAGS');
  args.space();
  const flags = flagList(args.peek() === '(' ? args.list(() => args.flag()) : bareFlags(args));
  args.end();
  // Who takes the flag away means the keyword of the same name too, which another tool gave.
  const passed = how === 'remove' && flags.letters.includes('P');
  const keywords = passed ? [...flags.keywords, '$Forwarded'] : flags.keywords;
  const change = { how, letters: flags.letters, keywords } as const;
  return {
    change: unchangedSince === undefined ? change : { ...change, unchangedSince },
    answer: name === 'FLAGS' ? 'told' : 'silent',
  };
}

function bareFlags(args: Args): string[] {
  const flags = [args.flag()];
  while (args.takes(' ')) flags.push(args.flag());
  return flags;
}

class StoreRows {
  readonly #session: ImapSession;
  readonly #state: Selected;
  readonly #uid: boolean;
  readonly #request: StoreRequest;

  constructor(session: ImapSession, state: Selected, by: By, request: StoreRequest) {
    const { enabled } = session;
    this.#session = session;
    this.#state = state;
    this.#uid = by === 'uid' || enabled.qresync || enabled.rev2;
    this.#request = request;
  }

  /** Tells of the messages of spans as they are now, but for those in `left`. */
  async say(
    spans: readonly Span[],
    now: readonly Numbered[],
    left: ReadonlySet<number>,
  ): Promise<void> {
    const { messages } = this.#state.view;
    let text = '';
    let at = -1;
    for (const walk = new IndexWalk(spans); walk.index >= 0; walk.step()) {
      const before = messages[walk.index] as Numbered;
      if (left.has(before.uid)) continue;
      // Both lists ascend; most often the next is the next.
      at = now[at + 1]?.uid === before.uid ? at + 1 : firstFrom(now, before.uid);
      const after = now[at];
      if (after?.uid !== before.uid) continue;
      text += this.#row(walk.index + 1, before, after);
      if (text.length < UPDATE_BYTES_MAX) continue;
      this.#session.say(text);
      text = '';
      await pause(this.#session);
    }
    this.#session.say(text);
  }

  #row(number: number, before: Numbered, after: Numbered): string {
    const { view } = this.#state;
    const { condstore, rev2 } = this.#session.enabled;
    const silent = this.#request.answer === 'silent';
    // Somebody else may have changed it at the same time: then its flags are told all the same.
    const flags = !silent || !isExpected(before, after, this.#request.change);
    view.told(after);
    if (!flags && !condstore) return '';
    const items: string[] = [];
    if (this.#uid) items.push(`UID ${after.uid}`);
    if (flags) items.push(`FLAGS (${flagsText(after, !rev2 && view.recent.has(after.uid))})`);
    // Also after .SILENT (RFC 7162 §3.1.3).
    if (condstore) items.push(`MODSEQ (${after.modseq})`);
    return `* ${number} FETCH (${items.join(' ')})\r\n`;
  }
}

const isExpected = (
  before: Numbered,
  after: Numbered,
  change: Omit<FlagChange, 'uids'>,
): boolean => {
  const asked = { ...change, uids: [] };
  return (
    changeLetters(before.flags, asked) === after.flags &&
    changeKeywords(before.keywords, asked).join(' ') === after.keywords.join(' ')
  );
};

/** Somebody else's program removed it, and its expunge waits for proof: no EXPUNGE is told yet. */
const isShown = ({ messages }: FolderState, uid: number): boolean =>
  messages[firstFrom(messages, uid)]?.uid === uid;

interface Left {
  /** That the client is to be told of by this answer. */
  readonly gone: readonly number[];
  readonly modified: readonly number[];
}

function answer(session: ImapSession, { view }: Selected, by: By, left: Left): void {
  const { gone, modified } = left;
  if (modified.length > 0) {
    const numbers = by === 'uid' ? modified : modified.map((uid) => view.numberOf(uid));
    const code = `MODIFIED ${formatSequence(numbers.toSorted((a, b) => a - b))}` as const;
    return session.ok('Some messages were changed by others meanwhile and are left alone', code);
  }
  // A UID that is not there is no error (RFC 9051 §6.4.9), and its EXPUNGE is told at once; a
  // message number was promised, and so was a UID that is shown still.
  if (gone.length === 0) return session.ok('STORE completed');
  session.no('EXPUNGEISSUED', 'Some of the messages were deleted by another session');
}
