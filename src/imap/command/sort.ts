import type { Numbered } from '../../mailbox/mail.ts';
import {
  SORT_KEYS,
  type SortCriterion,
  sortedUids,
  type SortKey,
  sortNeeds,
  type SortRow,
} from '../../mailbox/sort.ts';
import type { ImapSession } from '../session.ts';
import type { Selected } from '../state.ts';
import { type By, firstFrom } from '../view.ts';
import type { Args } from '../wire/args.ts';
import { GONE, unlessGone } from './fetch-rows.ts';
import { answer, find, readKeys, readReturn, type SearchRequest } from './search.ts';

interface SortRequest extends SearchRequest {
  readonly criteria: readonly SortCriterion[];
}

/** SORT and UID SORT (RFC 5256 §3, RFC 5957; with RETURN RFC 5267 §3). */
export async function sort(
  session: ImapSession,
  args: Args,
  state: Selected,
  by: By,
): Promise<void> {
  const request = readSort(session, args, state);
  const found = await find(session, state, request);
  const { head, octets } = sortNeeds(request.criteria);
  const date = request.criteria.some(({ key }) => key === 'arrival' || key === 'date');
  const rows = await rowsOf(state, found, { head, octets, date });
  const uids = await sortedUids(rows, request.criteria);
  answer(session, { state, by, name: 'SORT', request, uids });
}

function readSort(session: ImapSession, args: Args, state: Selected): SortRequest {
  args.space();
  const items = readReturn(args);
  const criteria = distinct(args.list(() => readCriterion(args)));
  if (criteria.length === 0) args.fail('A sort key is missing');
  args.space();
  const charset = args.astring();
  args.space();
  return { items, criteria, ...readKeys(session, args, state, charset) };
}

/** What a key decides the same key does not decide again. */
function distinct(criteria: readonly SortCriterion[]): SortCriterion[] {
  const known = new Set<SortKey>();
  return criteria.filter(({ key }) => known.size < known.add(key).size);
}

function readCriterion(args: Args): SortCriterion {
  const first = args.word();
  const reverse = first === 'REVERSE';
  if (reverse) args.space();
  const key = (reverse ? args.word() : first).toLowerCase();
  if (!(SORT_KEYS as readonly string[]).includes(key)) args.fail('A sort key is not known');
  return { key: key as SortKey, order: reverse ? 'reverse' : 'forward' };
}

export interface RowNeeds {
  readonly head: boolean;
  readonly octets: boolean;
  readonly date: boolean;
}

/** What is known of messages, for SORT and THREAD; those that are gone are left out. */
export async function rowsOf(
  { folder, view }: Selected,
  uids: readonly number[],
  needs: RowNeeds,
): Promise<SortRow[]> {
  const { messages } = view.state;
  const wanted = uids.flatMap((uid): Numbered[] => {
    const message = messages[firstFrom(messages, uid)];
    return message?.uid === uid ? [message] : [];
  });
  const heads = needs.head ? folder.summaries(wanted, 'head')[Symbol.asyncIterator]() : undefined;
  const rows: SortRow[] = [];
  for (const message of wanted) {
    const next = heads && (await heads.next());
    const head = next === undefined || next.done === true ? undefined : next.value;
    if (next !== undefined && head === undefined) continue;
    const octets = needs.octets ? unlessGone(() => folder.octets(message)) : 0;
    const date = needs.date ? unlessGone(() => folder.date(message)) : 0;
    const row = {
      uid: message.uid,
      octets: typeof octets === 'number' ? octets : await octets,
      date: typeof date === 'number' ? date : await date,
      head,
    };
    if (row.octets !== GONE && row.date !== GONE) rows.push(row);
  }
  return rows;
}
