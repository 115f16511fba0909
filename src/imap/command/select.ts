import type { FolderState } from '../../mailbox/mail.ts';
import type { Done } from '../../net/line-transport.ts';
import type { ImapSession } from '../session.ts';
import type { Authenticated, Selected } from '../state.ts';
import { View } from '../view.ts';
import { expungeDeleted } from './expunge.ts';
import type { Args } from '../wire/args.ts';
import { changedSince, type KnownState, readKnown, vanishedSince } from '../wire/resync.ts';
import { SYSTEM_FLAGS } from '../wire/system-flags.ts';

type State = Authenticated | Selected;

/** SELECT mailbox [(parameters)] (RFC 9051 §6.3.2): messages in new/ become this session's. */
export function select(session: ImapSession, args: Args, state: State): Promise<void> {
  return open(session, args, { state, access: 'read-write' });
}

/** EXAMINE mailbox [(parameters)] (RFC 9051 §6.3.3): nothing is changed. */
export function examine(session: ImapSession, args: Args, state: State): Promise<void> {
  return open(session, args, { state, access: 'read-only' });
}

interface Opening {
  readonly state: State;
  readonly access: Selected['access'];
}

async function open(session: ImapSession, args: Args, { state, access }: Opening): Promise<void> {
  args.space();
  const name = args.mailbox();
  const { condstore, known } = args.takes(' ') ? readParameters(args) : NONE;
  args.end();
  const { enabled } = session;
  if (known !== undefined && !enabled.qresync) return session.bad('ENABLE QRESYNC first');
  if (state.name === 'selected') {
    session.leaveFolder(); // Also when the other cannot be opened (RFC 9051 §6.3.2).
    session.untagged('OK [CLOSED] The folder that was selected is closed');
  }
  const { account, mail } = state;
  const folder = await mail.open(name);
  let recent: readonly number[] = [];
  try {
    if (access === 'read-write') recent = await folder.claim();
    else await folder.refresh();
  } catch (error) {
    folder.close();
    throw error;
  }
  if (condstore) enabled.condstore = true;
  const view = new View(folder.state, recent);
  const selected: Selected = { name: 'selected', account, mail, folder, access, view, saved: [] };
  session.select(selected);
  describe(session, selected);
  const told = known && resynchronise(session, selected, known);
  if (told !== undefined) await told;
  const command = access === 'read-write' ? 'SELECT' : 'EXAMINE';
  session.ok(`${command} completed`, access === 'read-write' ? 'READ-WRITE' : 'READ-ONLY');
}

interface Parameters {
  readonly condstore: boolean;
  readonly known: KnownState | undefined;
}
const NONE: Parameters = { condstore: false, known: undefined };

/** RFC 7162 §3.1.8, §3.2.5. */
function readParameters(args: Args): Parameters {
  let condstore = false;
  let known: KnownState | undefined;
  args.list(() => {
    const word = args.word();
    if (word === 'CONDSTORE') condstore = true;
    else if (word === 'QRESYNC') known = readKnown(args);
    else args.fail('A parameter of SELECT is not known');
  });
  return { condstore, known };
}

/** What SELECT says of a folder (RFC 9051 §6.3.2, RFC 3501 §6.3.1). */
function describe(session: ImapSession, { folder, access, view }: Selected): void {
  const { state } = view;
  const { rev2 } = session.enabled;
  const flags = [...SYSTEM_FLAGS, ...aboutOf(state).keywords].join(' ');
  session.untagged(`FLAGS (${flags})`);
  const permanent = access === 'read-write' ? String.raw`${flags} \*` : '';
  session.untagged(`OK [PERMANENTFLAGS (${permanent})] These can be set`);
  session.untagged(`${view.count} EXISTS`);
  if (!rev2) {
    session.untagged(`${view.recent.size} RECENT`);
    const { unseen } = aboutOf(state);
    if (unseen >= 0) session.untagged(`OK [UNSEEN ${unseen + 1}] The first unseen message`);
  }
  session.untagged(`OK [UIDVALIDITY ${state.uidValidity}] UIDs are valid`);
  session.untagged(`OK [UIDNEXT ${state.uidNext}] The next UID`);
  session.untagged(`OK [HIGHESTMODSEQ ${state.modseq}] The last change`);
  if (!rev2) return;
  const separator = session.shared.values['imap.separator'];
  session.untagged(`LIST () "${separator}" ${session.mailbox(folder.name)}`);
}

interface About {
  /** Index of the first unseen message, or -1. */
  readonly unseen: number;
  readonly keywords: readonly string[];
}

/** By the messages of a version, which are never changed: of 100,000 it takes milliseconds. */
const abouts = new WeakMap<FolderState['messages'], About>();

function aboutOf(state: FolderState): About {
  const { messages } = state;
  const had = abouts.get(messages);
  if (had !== undefined) return had;
  const unseen = messages.findIndex(({ flags }) => !flags.includes('S'));
  const about = { unseen, keywords: keywordsOf(state) };
  abouts.set(messages, about);
  return about;
}

/** Keywords in use. Messages share their arrays, so there are few to look into. */
function keywordsOf({ messages }: FolderState): string[] {
  const arrays = new Set<readonly string[]>();
  for (const { keywords } of messages) if (keywords.length > 0) arrays.add(keywords);
  const names = new Map<string, string>();
  for (const keywords of arrays) for (const name of keywords) names.set(name.toLowerCase(), name);
  return [...names.values()].toSorted();
}

/** RFC 7162 §3.2.5: what vanished and what changed since the client was here. */
function resynchronise(session: ImapSession, selected: Selected, known: KnownState): Done {
  const { state } = selected.view;
  if (known.uidValidity !== state.uidValidity) return; // It has to begin anew.
  const vanished = vanishedSince(state, known);
  if (vanished !== '') session.untagged(`VANISHED (EARLIER) ${vanished}`);
  return session.teller.sayFlags(selected, changedSince(state, known));
}

/** CHECK (RFC 3501 §6.4.1). */
export async function check(session: ImapSession, args: Args, state: Selected): Promise<void> {
  args.end();
  await state.folder.refresh();
  session.ok('CHECK completed');
}

/** CLOSE (RFC 9051 §6.4.1): what is marked \Deleted goes, unsaid. */
export async function close(session: ImapSession, args: Args, state: Selected): Promise<void> {
  args.end();
  if (state.access === 'read-write') {
    await expungeDeleted(session, state);
    if (session.state !== state) return; // It was replaced.
  }
  const { modseq } = state.folder.state;
  session.leaveFolder();
  session.ok('CLOSE completed', session.enabled.qresync ? `HIGHESTMODSEQ ${modseq}` : '');
}

/** UNSELECT (RFC 9051 §6.4.2): nothing goes. */
export function unselect(session: ImapSession, args: Args): Done {
  args.end();
  session.leaveFolder();
  session.ok('UNSELECT completed');
}
