/**
 * NOTIFY (RFC 5465): changes are told at any time between commands, of the selected folder as
 * IDLE tells them, of others by STATUS. Folders are watched as for IDLE, a bounded number.
 */
import type { ImapSession } from '../session.ts';
import type { Authenticated, Selected } from '../state.ts';
import { Refusal } from '../replies.ts';
import type { Args } from '../wire/args.ts';

type State = Authenticated | Selected;

/** What we know to tell (§5). Names and subscriptions of folders are not watched. */
const EVENTS = ['MessageNew', 'MessageExpunge', 'FlagChange'] as const;
type Event = (typeof EVENTS)[number];
/** Other folders that one session watches. */
export const WATCHED_MAX = 100;

/** Which folders, and of which changes; in the order that the client wrote them. */
interface Group {
  readonly kind: string;
  readonly names: readonly string[];
  readonly events: ReadonlySet<Event>;
}

/** NOTIFY NONE | NOTIFY SET [STATUS] groups (RFC 5465 §3). */
export async function notify(session: ImapSession, args: Args, state: State): Promise<void> {
  args.space();
  const word = args.word();
  if (word !== 'SET' && word !== 'NONE') args.fail('NOTIFY is SET or NONE');
  const groups: Group[] = [];
  let status = false;
  while (word === 'SET' && args.takes(' ')) {
    if (groups.length === 0 && !status && args.takesWord('STATUS')) status = true;
    else groups.push(readGroup(args));
  }
  args.end();
  if (word === 'SET' && groups.length === 0) args.fail('NOTIFY SET names no folders');
  if (word === 'NONE') {
    session.teller.notifyNothing();
    return session.ok('NOTIFY completed');
  }
  const others = await folderNames(state, groups);
  if (others.size > WATCHED_MAX) {
    throw new Refusal('NOTIFICATIONOVERFLOW', `At most ${WATCHED_MAX} folders can be watched`);
  }
  const selected = groups.find(({ kind }) => kind.startsWith('SELECTED'));
  await session.teller.notifyOf(state.mail, {
    selected: (selected?.events.size ?? 0) > 0,
    others,
    sayNow: status,
  });
  session.ok('NOTIFY completed');
}

function readGroup(args: Args): Group {
  args.expect('(');
  const kind = args.word();
  let names: readonly string[] = [];
  if (kind === 'SUBTREE' || kind === 'MAILBOXES') {
    args.space();
    names = args.peek() === '(' ? args.list(() => args.mailbox()) : [args.mailbox()];
  } else if (!KINDS.has(kind)) args.fail('A filter of NOTIFY is not known');
  args.space();
  const events = args.takesWord('NONE') ? new Set<Event>() : readEvents(args);
  args.expect(')');
  return { kind, names, events };
}

const KINDS = new Set(['SELECTED', 'SELECTED-DELAYED', 'INBOXES', 'PERSONAL', 'SUBSCRIBED']);

function readEvents(args: Args): ReadonlySet<Event> {
  const events = new Set<Event>();
  args.list(() => {
    const word = args.word();
    const event = EVENTS.find((name) => name.toUpperCase() === word);
    if (event === undefined) throw new Refusal(`BADEVENT (${EVENTS.join(' ')})`, UNKNOWN);
    events.add(event);
    // What new messages are to be fetched with comes by FETCH, which the client may send.
    if (event === 'MessageNew' && args.takes(' ')) {
      if (args.peek() === '(') throw new Refusal('CANNOT', 'MessageNew takes no items here');
      readMore(args, events);
    }
  });
  if (events.has('MessageNew') !== events.has('MessageExpunge')) {
    args.fail('MessageNew and MessageExpunge go together'); // §5.
  }
  return events;
}

/** The space after MessageNew was no item's: another event follows. */
function readMore(args: Args, events: Set<Event>): void {
  const word = args.word();
  const event = EVENTS.find((name) => name.toUpperCase() === word);
  if (event === undefined) throw new Refusal(`BADEVENT (${EVENTS.join(' ')})`, UNKNOWN);
  events.add(event);
}

const UNKNOWN = 'Not all of these events are known';

/** Folders of the groups; the first group that has a folder says what is told of it (§6). */
async function folderNames(state: State, groups: readonly Group[]): Promise<ReadonlySet<string>> {
  const found = new Map<string, boolean>();
  for (const { name, subscribed } of await state.mail.folders()) {
    const group = groups.find(
      ({ kind, names }) =>
        kind === 'PERSONAL' ||
        (kind === 'INBOXES' && name === 'INBOX') ||
        (kind === 'SUBSCRIBED' && subscribed) ||
        (kind === 'MAILBOXES' && names.includes(name)) ||
        (kind === 'SUBTREE' && names.some((top) => name === top || name.startsWith(`${top}/`))),
    );
    if (group !== undefined) found.set(name, group.events.size > 0);
  }
  return new Set([...found].filter(([, told]) => told).map(([name]) => name));
}
