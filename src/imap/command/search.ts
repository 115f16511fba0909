import type { Numbered } from '../../mailbox/mail.ts';
import { useCondstore } from '../condstore.ts';
import { Refusal } from '../replies.ts';
import type { ImapSession } from '../session.ts';
import type { Selected } from '../state.ts';
import type { By, View } from '../view.ts';
import type { Args } from '../wire/args.ts';
import { readSearchKeys, type SearchKeys, type UidRange } from '../wire/search-keys.ts';
import { decodeUtf8 } from '../wire/text.ts';
import { type ReturnItem, writeEsearch, writeSearch } from '../wire/write-search.ts';

const RETURN_ITEMS: ReadonlySet<string> = new Set<ReturnItem>([
  'MIN',
  'MAX',
  'COUNT',
  'ALL',
  'SAVE',
]);

/** SEARCH and UID SEARCH (RFC 9051 §6.4.4). */
export async function search(
  session: ImapSession,
  args: Args,
  state: Selected,
  by: By,
): Promise<void> {
  const request = readSearch(session, args, state);
  const uids = await find(session, state, request);
  answer(session, { state, by, name: 'SEARCH', request, uids });
}

export interface SearchRequest extends SearchKeys {
  /** What ESEARCH tells; undefined: SEARCH is answered, as IMAP4rev1 has it. */
  readonly items: ReadonlySet<ReturnItem> | undefined;
}

function readSearch(session: ImapSession, args: Args, state: Selected): SearchRequest {
  args.space();
  const items =
    readReturn(args) ?? (session.enabled.rev2 ? new Set<ReturnItem>(['ALL']) : undefined);
  let charset: string | undefined;
  if (args.takesWord('CHARSET')) {
    // RFC 6855 §3.
    if (session.enabled.utf8Accept) args.fail('After ENABLE UTF8=ACCEPT all texts are UTF-8');
    args.space();
    charset = args.astring();
    args.space();
  }
  return { items, ...readKeys(session, args, state, charset) };
}

/** ` RETURN (…)` with the space after it, if it is there (RFC 9051 §6.4.4, RFC 5267 §3). */
export function readReturn(args: Args): ReadonlySet<ReturnItem> | undefined {
  if (!args.takesWord('RETURN')) return undefined;
  args.space();
  const items = args.list(() => {
    const word = args.word();
    if (!RETURN_ITEMS.has(word)) args.fail('SEARCH returns MIN, MAX, COUNT, ALL or SAVE');
    return word as ReturnItem;
  });
  args.space();
  return new Set(items.length === 0 ? ['ALL'] : items);
}

/** What clients call all messages or the last, which of an empty folder are none: no fault. */
const ANY = /^(?:(?:1:)?\*|\*:[1*])$/;

/** Search keys to the end, whose texts are in `charset`. */
export function readKeys(
  session: ImapSession,
  args: Args,
  { view, saved }: Selected,
  charset: string | undefined,
): SearchKeys {
  const decode = decoderOf(charset);
  return readSearchKeys(args, {
    uidsOf: (set, by) => {
      if (view.count === 0 && ANY.test(set)) return [];
      return view.spans(set, by, saved).map(([from, end]): UidRange => {
        const { messages } = view;
        return [(messages[from] as Numbered).uid, (messages[end - 1] as Numbered).uid];
      });
    },
    recent: () => [...view.recent].toSorted((a, b) => a - b).map((uid): UidRange => [uid, uid]),
    decode: (octets) => decode(octets) ?? args.fail('A string is not of its character set'),
    now: session.shared.clock.now(),
  });
}

/** What nobody named is UTF-8 too: clients send it. @throws Refusal for a set nobody knows */
function decoderOf(charset: string | undefined): (octets: string) => string | undefined {
  if (charset === undefined || /^(?:utf-8|us-ascii)$/i.test(charset)) return decodeUtf8;
  try {
    const decoder = new TextDecoder(charset, { fatal: true });
    return (octets) => {
      try {
        return decoder.decode(Buffer.from(octets, 'latin1'));
      } catch {
        return undefined;
      }
    };
  } catch {
    throw new Refusal('BADCHARSET (UTF-8 US-ASCII)', 'This character set is not known');
  }
}

/** UIDs that match. What `$` was is forgotten when a search that saves fails (RFC 5182 §2.1). */
export async function find(
  session: ImapSession,
  state: Selected,
  { query, modseq, items }: SearchRequest,
): Promise<readonly number[]> {
  if (modseq === 'asked') useCondstore(session, state);
  if (items?.has('SAVE') === true) state.saved = [];
  return state.folder.search(query, state.view.state);
}

export interface SearchAnswer {
  readonly state: Selected;
  readonly by: By;
  readonly name: 'SEARCH' | 'SORT';
  readonly request: SearchRequest;
  /** As they are to be told; for SORT in its order. */
  readonly uids: readonly number[];
}

/** Says what was found, and keeps it for `$`. */
export function answer(session: ImapSession, found: SearchAnswer): void {
  const { state, by, name, request, uids } = found;
  const { items } = request;
  const numbers = by === 'uid' ? uids : numbersOf(state.view, uids);
  const told = toldOf(items, uids);
  const modseq = request.modseq === 'asked' ? highestOf(state.view, told) : undefined;
  const result = { tag: session.tag, uid: by, numbers, modseq };
  if (items === undefined) session.say(writeSearch(name, result));
  else if (items.size > 1 || !items.has('SAVE')) session.say(writeEsearch(items, result));
  if (items?.has('SAVE') === true) state.saved = told.toSorted((a, b) => a - b);
  session.ok(`${name} completed`);
}

/** Message numbers of UIDs, in their order. */
const numbersOf = (view: View, uids: readonly number[]): number[] =>
  uids.map((uid) => view.numberOf(uid)).filter((number) => number > 0);

/** MODSEQ and SAVE are of what is told: of MIN, MAX alone (RFC 5182 §2.1, RFC 4731 §3.2). */
function toldOf(
  items: ReadonlySet<ReturnItem> | undefined,
  uids: readonly number[],
): readonly number[] {
  const [first, last] = [uids[0], uids.at(-1)];
  if (items === undefined || items.has('ALL') || items.has('COUNT')) return uids;
  if (first === undefined || last === undefined) return uids;
  if (items.has('MIN')) return items.has('MAX') && first !== last ? [first, last] : [first];
  return items.has('MAX') ? [last] : uids;
}

function highestOf(view: View, uids: readonly number[]): number | undefined {
  let highest = 0;
  for (const uid of uids) highest = Math.max(highest, view.at(view.numberOf(uid))?.modseq ?? 0);
  return highest === 0 ? undefined : highest;
}
