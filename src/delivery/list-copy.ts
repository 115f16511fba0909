/**
 * What a list's copy says of itself: RFC 2919 and RFC 2369, before the letter's own header.
 *
 * Lines of the same names that the letter brought, of a list upstream, are left out of the copy, as
 * Mailman does: RFC 2369 §4 allows each once, programs take the first or the last as they like, and
 * a reader who presses "reply to list" means the list that he is a member of. Nothing else of the
 * letter is changed, neither Subject nor body, so that a DKIM signature of its author holds: those
 * that sign List-* lines are of the list upstream.
 *
 * `X-Mailfarm-List` is the mark by which a list knows its own copies. It stays in when a copy goes
 * through other lists, so that a circle of any length ends at the first list that sees its own:
 * Received lines would end it after fifty rounds, each of them to all members. Anybody can write
 * such a line; what he gains is that his own letter goes nowhere.
 */
import type { ListCopy } from './types.ts';

const MARK = 'x-mailfarm-list';
/** Replaced by ours, or gone. `list-unsubscribe-post` promises what the other list can do. */
const REPLACED =
  /^(list-(id|post|owner|help|subscribe|unsubscribe|unsubscribe-post|archive)|precedence)$/;
/** Fields that are looked at: a header beyond it is not one that a list would make. */
const FIELDS_MAX = 5_000;
const LF = 10;

/** The lines of a copy, LF at the ends. The address is one of the directory: checked again here. */
export function listHeader({ address, owner, posting }: ListCopy): string {
  const name = safe(address);
  const at = name.lastIndexOf('@');
  const id = `${name.slice(0, at)}.${name.slice(at + 1)}`.replace(/[<>"\s]/g, '-');
  const post = posting === 'anyone' ? mailto(name) : `${mailto(name)} (${NOTES[posting]})`;
  const lines = [`X-Mailfarm-List: ${name}`, `List-Id: <${id}>`, `List-Post: ${post}`];
  if (owner !== undefined) {
    const who = mailto(safe(owner));
    const subject = (word: string): string => `${who.slice(0, -1)}?subject=${word}>`;
    lines.push(
      `List-Owner: ${who}`,
      `List-Help: ${subject('help')}`,
      `List-Unsubscribe: ${subject('unsubscribe')}`,
    );
  }
  return [...lines, 'Precedence: list', ''].join('\n');
}

const NOTES = { members: 'Members only', moderated: 'Postings are moderated' } as const;

// oxlint-disable-next-line no-control-regex -- what could end a line does not pass.
const safe = (text: string): string => text.replace(/[\0-\x20\x7f]/g, '?').slice(0, 512);

/** Percent-encoded (RFC 6068 §2). */
const mailto = (address: string): string => {
  const at = address.lastIndexOf('@');
  const local = encodeURIComponent(address.slice(0, at));
  return `<mailto:${local}@${address.slice(at + 1)}>`;
};

/** One field of a header, without a copy of it. */
interface Field {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** Fields up to the blank line, or to the end of what there is. */
function* fieldsOf(bytes: Buffer): Generator<Field> {
  let start = 0;
  for (let count = 0; start < bytes.length && count < FIELDS_MAX; count++) {
    if (bytes[start] === LF || (bytes[start] === 13 && bytes[start + 1] === LF)) return;
    let end = lineEnd(bytes, start);
    while (bytes[end] === 0x20 || bytes[end] === 0x09) end = lineEnd(bytes, end);
    const colon = bytes.indexOf(0x3a, start);
    const name = colon < 0 || colon >= end ? '' : bytes.toString('latin1', start, colon);
    yield { name: name.trimEnd().toLowerCase(), start, end };
    start = end;
  }
}

const lineEnd = (bytes: Buffer, from: number): number => {
  const at = bytes.indexOf(LF, from);
  return at < 0 ? bytes.length : at + 1;
};

/** Addresses of the lists that this letter came through already, in lower case. */
export function listMarks(head: Buffer): ReadonlySet<string> {
  const marks = new Set<string>();
  for (const { name, start, end } of fieldsOf(head)) {
    if (name !== MARK) continue;
    const line = head.toString('utf8', start, end);
    marks.add(
      line
        .slice(line.indexOf(':') + 1)
        .trim()
        .toLowerCase(),
    );
  }
  return marks;
}

/** Whether the letter is a copy of this list. */
export const isMarked = (marks: ReadonlySet<string>, { address }: ListCopy): boolean =>
  marks.has(safe(address).toLowerCase());

/** The first piece of a letter without the lines that a list's copy has of its own. */
export function withoutListLines(piece: Buffer): {
  readonly bytes: Buffer;
  /** Line ends that are left out. */
  readonly lines: number;
} {
  const kept: Buffer[] = [];
  let [from, lines] = [0, 0];
  for (const { name, start, end } of fieldsOf(piece)) {
    if (!REPLACED.test(name)) continue;
    kept.push(piece.subarray(from, start));
    for (let at = piece.indexOf(LF, start); at >= 0 && at < end; at = piece.indexOf(LF, at + 1)) {
      lines += 1;
    }
    from = end;
  }
  if (from === 0) return { bytes: piece, lines };
  return { bytes: Buffer.concat([...kept, piece.subarray(from)]), lines };
}

/** Longer headers are cut at a line: they are for notices and answers. */
const HEAD_OCTETS_MAX = 65_536;

/** A copy of the header at the start of a piece, without the blank line. */
export function headOf(piece: Buffer): Buffer {
  const blank = piece.indexOf('\n\n');
  const whole = piece[0] === LF ? 0 : blank < 0 ? piece.length : blank + 1;
  if (whole <= HEAD_OCTETS_MAX) return Buffer.from(piece.subarray(0, whole));
  const cut = piece.subarray(0, HEAD_OCTETS_MAX);
  return Buffer.from(cut.subarray(0, cut.lastIndexOf(LF) + 1));
}
