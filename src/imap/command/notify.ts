/**
 * NOTIFY (RFC 5465): changes are told at any time between commands, of the selected folder as
 * IDLE tells them, of others by STATUS, of names and subscriptions by LIST.
 */
import type { ImapSession } from '../session.ts';
import type { Authenticated, Selected } from '../state.ts';
import { Refusal } from '../replies.ts';
import type { SelectedWanted } from '../teller.ts';
import { FOLDER_EVENTS, type FolderEvent, type WatchedGroup } from '../watched.ts';
import type { Args } from '../wire/args.ts';
import { type FetchItem, readItems } from '../wire/fetch-items.ts';

type State = Authenticated | Selected;

/** The first three are of messages, the only ones of the selected folder (§6.1). */
const MESSAGE_EVENTS = 3;
/** Filters in one command. */
const GROUPS_MAX = 100;
/** Names in all of them. Each look holds every folder against every name, in one turn. */
export const NAMES_MAX = 1_000;

interface Events {
  readonly events: ReadonlySet<FolderEvent>;
  /** What new messages are told with. */
  readonly items: readonly FetchItem[];
}

interface Request {
  readonly selected: SelectedWanted | undefined;
  readonly groups: readonly WatchedGroup[];
  readonly status: boolean;
}

/** NOTIFY NONE | NOTIFY SET [STATUS] groups (§3). */
export async function notify(session: ImapSession, args: Args, { mail }: State): Promise<void> {
  args.space();
  const word = args.word();
  if (word === 'NONE') {
    args.end();
    session.teller.notifyNothing();
    return session.ok('NOTIFY completed');
  }
  if (word !== 'SET') args.fail('NOTIFY is SET or NONE');
  const { selected, groups, status } = readSet(args);
  await session.teller.notifyOf(mail, { selected, groups, sayNow: status });
  session.ok('NOTIFY completed');
}

function readSet(args: Args): Request {
  args.space();
  const status = args.takesWord('STATUS');
  if (status) args.space();
  const groups: WatchedGroup[] = [];
  let selected: SelectedWanted | 'none' | undefined;
  do {
    args.expect('(');
    const kind = args.word();
    if (kind === 'SELECTED' || kind === 'SELECTED-DELAYED') {
      if (selected !== undefined) args.fail('The selected folder is named twice'); // §6.1.
      selected = readSelected(args, kind) ?? 'none';
    } else groups.push(readGroup(args, kind));
    args.expect(')');
    const names = groups.reduce((sum, group) => sum + group.names.length, 0);
    if (groups.length > GROUPS_MAX || names > NAMES_MAX) {
      throw new Refusal('LIMIT', `There are at most ${GROUPS_MAX} filters and ${NAMES_MAX} names`);
    }
  } while (args.takes(' '));
  args.end();
  return { selected: selected === 'none' ? undefined : selected, groups, status };
}

function readSelected(args: Args, kind: string): SelectedWanted | undefined {
  args.space();
  const { events, items } = readEvents(args, 'selected');
  if (events.size === 0) return undefined;
  const flags = events.has('FlagChange') ? 'told' : 'not-told';
  return { expunges: kind === 'SELECTED' ? 'now' : 'later', flags, items };
}

const KINDS: ReadonlySet<string> = new Set(['INBOXES', 'PERSONAL', 'SUBSCRIBED']);

function readGroup(args: Args, kind: string): WatchedGroup {
  let names: readonly string[] = [];
  if (kind === 'SUBTREE' || kind === 'MAILBOXES') {
    args.space();
    names = args.peek() === '(' ? args.list(() => args.mailbox()) : [args.mailbox()];
  } else if (!KINDS.has(kind)) args.fail('A filter of NOTIFY is not known');
  args.space();
  return { kind, names, events: readEvents(args, 'other').events };
}

function readEvents(args: Args, of: 'selected' | 'other'): Events {
  const events = new Set<FolderEvent>();
  let items: readonly FetchItem[] = [];
  if (args.takesWord('NONE')) return { events, items };
  let unknown = false;
  args.expect('(');
  do {
    const word = args.word();
    const event = FOLDER_EVENTS.find((name) => name.toUpperCase() === word);
    if (event === undefined) unknown = true;
    else events.add(event);
    if (event === 'MessageNew' && args.takes(' (', 1)) items = readItems(args);
  } while (args.takes(' '));
  args.expect(')');
  if (unknown) {
    const known = FOLDER_EVENTS.join(' ');
    throw new Refusal(`BADEVENT (${known})`, 'Not all of these events are known'); // §5.
  }
  if (of === 'other' && items.length > 0) args.fail('Items are of the selected folder alone'); // §8.
  return { events: checked(args, events, of), items };
}

/** §5, §6.1. */
function checked(
  args: Args,
  events: ReadonlySet<FolderEvent>,
  of: 'selected' | 'other',
): ReadonlySet<FolderEvent> {
  const isNew = events.has('MessageNew');
  if (isNew !== events.has('MessageExpunge')) {
    args.fail('MessageNew and MessageExpunge go together');
  }
  if (events.has('FlagChange') && !isNew) args.fail('FlagChange goes with MessageNew');
  const others = FOLDER_EVENTS.slice(MESSAGE_EVENTS);
  if (of === 'selected' && others.some((event) => events.has(event))) {
    args.fail('The selected folder has events of messages alone');
  }
  return events;
}
