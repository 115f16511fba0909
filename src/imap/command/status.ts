import type { Folder, FolderState } from '../../mailbox/mail.ts';
import type { ImapSession } from '../session.ts';
import type { Authenticated, Selected } from '../state.ts';
import type { Args } from '../wire/args.ts';

/** RFC 9051 §6.3.11; RECENT of RFC 3501, HIGHESTMODSEQ of RFC 7162, APPENDLIMIT of RFC 7889. */
const ITEMS = [
  'MESSAGES',
  'RECENT',
  'UIDNEXT',
  'UIDVALIDITY',
  'UNSEEN',
  'DELETED',
  'SIZE',
  'HIGHESTMODSEQ',
  'APPENDLIMIT',
  'DELETED-STORAGE', // RFC 9208 §4.1.4.
] as const;
export type StatusItem = (typeof ITEMS)[number];

/** STATUS mailbox (items) (RFC 9051 §6.3.11). */
export async function status(
  session: ImapSession,
  args: Args,
  state: Authenticated | Selected,
): Promise<void> {
  args.space();
  const name = args.mailbox();
  args.space();
  const items = readStatusItems(args);
  args.end();
  await sayStatus(session, state, { name, items });
  session.ok('STATUS completed');
}

/** An item that is named twice is answered once. */
export function readStatusItems(args: Args): readonly StatusItem[] {
  const items = args.list(() => {
    const word = args.word();
    return ITEMS.find((item) => item === word) ?? args.fail('An item of STATUS is not known');
  });
  if (items.length === 0) args.fail('An item of STATUS is missing');
  return [...new Set(items)];
}

/** @throws MailError when there is no such folder */
export async function sayStatus(
  session: ImapSession,
  state: Authenticated | Selected,
  { name, items }: { readonly name: string; readonly items: readonly StatusItem[] },
): Promise<void> {
  const folder = await state.mail.open(name);
  try {
    const newest = await folder.refresh();
    if (items.includes('HIGHESTMODSEQ')) session.enabled.condstore = true; // RFC 7162 §3.1.
    const texts: string[] = [];
    for (const item of items) texts.push(`${item} ${await valueOf(session, item, folder, newest)}`);
    session.untagged(`STATUS ${session.mailbox(name)} (${texts.join(' ')})`);
  } finally {
    folder.close();
  }
}

async function valueOf(
  session: ImapSession,
  item: StatusItem,
  folder: Folder,
  state: FolderState,
): Promise<number | string> {
  switch (item) {
    case 'MESSAGES':
      return state.messages.length;
    case 'RECENT':
      return countsOf(state).fresh;
    case 'UIDNEXT':
      return state.uidNext;
    case 'UIDVALIDITY':
      return state.uidValidity;
    case 'UNSEEN':
      return countsOf(state).unseen;
    case 'DELETED':
      return countsOf(state).deleted;
    case 'SIZE':
      return octetsOf(folder, state, '');
    case 'DELETED-STORAGE':
      return octetsOf(folder, state, 'T');
    case 'HIGHESTMODSEQ':
      return state.modseq;
    case 'APPENDLIMIT':
      return session.shared.appendMax > 0 ? session.shared.appendMax : 'NIL';
  }
}

interface Counts {
  readonly unseen: number;
  readonly deleted: number;
  readonly fresh: number; // Nobody has claimed them yet.
}

/** Counted once for each list of messages: every client of a folder asks the same. */
const counted = new WeakMap<object, Counts>();

export function countsOf({ messages }: FolderState): Counts {
  const known = counted.get(messages);
  if (known !== undefined) return known;
  let [unseen, deleted, fresh] = [0, 0, 0];
  for (const { flags, entry } of messages) {
    if (!flags.includes('S')) unseen += 1;
    if (flags.includes('T')) deleted += 1;
    if (entry.directory === 'new') fresh += 1;
  }
  const counts = { unseen, deleted, fresh };
  counted.set(messages, counts);
  return counts;
}

const sized = new WeakMap<object, Map<string, number>>();

/** Octets in wire form of the messages that have `letter`; of all with ''. */
async function octetsOf(folder: Folder, state: FolderState, letter: string): Promise<number> {
  const known = sized.get(state.messages) ?? new Map<string, number>();
  const before = known.get(letter);
  if (before !== undefined) return before;
  let sum = 0;
  for (const message of state.messages) {
    if (!message.flags.includes(letter)) continue;
    const octets = folder.octets(message);
    sum += typeof octets === 'number' ? octets : await octets;
  }
  known.set(letter, sum);
  sized.set(state.messages, known);
  return sum;
}
