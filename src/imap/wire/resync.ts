/**
 * QRESYNC (RFC 7162 §3.2.5): what a client that was away missed. As long as the folder remembers
 * its expunges since then, they are listed. If not, everything that the client may know and that is
 * not there has vanished; the pairs of message numbers and UIDs that it sends say from where on it
 * has to be told.
 */
import type { FolderState, Numbered } from '../../mailbox/mail.ts';
import { firstFrom } from '../view.ts';
import type { Args } from './args.ts';
import { formatSequence, parseSequence, type Ranges } from './sequence.ts';

export interface KnownState {
  readonly uidValidity: number;
  readonly modseq: number;
  /** UIDs that it knows; undefined: all. */
  readonly uids: string | undefined;
  /** Message numbers and the UIDs that they had, pairwise, ascending. */
  readonly match: { readonly numbers: string; readonly uids: string } | undefined;
}

/** ` (uidvalidity modseq [known-uids] [(numbers uids)])`. */
export function readKnown(args: Args): KnownState {
  args.space();
  args.expect('(');
  const uidValidity = args.nzNumber();
  args.space();
  const modseq = args.number64();
  let uids: string | undefined;
  let match: KnownState['match'];
  if (args.takes(' ')) {
    if (args.peek() !== '(') uids = known(args);
    if (args.peek() === '(' || args.takes(' ')) {
      args.expect('(');
      const numbers = known(args);
      args.space();
      match = { numbers, uids: known(args) };
      args.expect(')');
    }
  }
  args.expect(')');
  return { uidValidity, modseq, uids, match };
}

/** `*` and `$` mean nothing here (RFC 7162 §7 `known-uids`). */
function known(args: Args): string {
  const text = args.sequenceText();
  if (/[*$]/.test(text)) args.fail('A set of known UIDs has * in it');
  parseSequence(text, 1); // Its syntax.
  return text;
}

/** Message numbers, ascending, of what changed; of what the client knows where it says so. */
export function changedSince({ messages }: FolderState, client: KnownState): number[] {
  const numbers: number[] = [];
  for (const [from, to] of rangesOf(client)) {
    const end = firstFrom(messages, to + 1);
    for (let index = firstFrom(messages, from); index < end; index += 1) {
      if ((messages[index] as Numbered).modseq > client.modseq) numbers.push(index + 1);
    }
  }
  return numbers;
}

/** UIDs as a set; '' is none. */
export function vanishedSince(state: FolderState, client: KnownState): string {
  const ranges = rangesOf(client);
  if (client.modseq < state.expungedSince) return absent(state, ranges, matched(state, client));
  const uids: number[] = [];
  for (const { uid, modseq } of state.expunged) {
    if (modseq > client.modseq && isIn(ranges, uid)) uids.push(uid);
  }
  return formatSequence([...new Set(uids)].toSorted((a, b) => a - b));
}

const rangesOf = ({ uids }: KnownState): Ranges =>
  uids === undefined ? [[1, Number.MAX_SAFE_INTEGER]] : parseSequence(uids, 1);

function isIn(ranges: Ranges, uid: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle]?.[1] ?? 0) < uid) low = middle + 1;
    else high = middle;
  }
  return (ranges[low]?.[0] ?? Infinity) <= uid;
}

/** All of the ranges above `above` that is not there. */
function absent({ messages, uidNext }: FolderState, ranges: Ranges, above: number): string {
  const parts: string[] = [];
  const gap = (from: number, to: number): void => {
    if (from <= to) parts.push(from === to ? `${from}` : `${from}:${to}`);
  };
  for (const [first, last] of ranges) {
    let from = Math.max(first, above + 1);
    const to = Math.min(last, uidNext - 1);
    for (let index = firstFrom(messages, from); index < messages.length; index += 1) {
      const { uid } = messages[index] as Numbered;
      if (uid > to) break;
      gap(from, uid - 1);
      from = uid + 1;
    }
    gap(from, to);
  }
  return parts.join(',');
}

/** The highest UID up to which the client's numbers are ours: nothing below it has vanished. */
function matched({ messages }: FolderState, { match }: KnownState): number {
  if (match === undefined) return 0;
  const uids = each(parseSequence(match.uids, 1));
  let above = 0;
  for (const number of each(parseSequence(match.numbers, 1))) {
    const { value, done } = uids.next();
    if (done === true || messages[number - 1]?.uid !== value) break;
    above = value;
  }
  return above;
}

function* each(ranges: Ranges): Generator<number, undefined> {
  for (const [from, to] of ranges) for (let number = from; number <= to; number += 1) yield number;
}
