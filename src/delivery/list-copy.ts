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
import { fieldValue, HeadCollector, type MessageHead } from '../message/head.ts';
import { lineEnds } from './piece.ts';
import type { ListCopy } from './types.ts';

const LF = 10;
const MARK = 'x-mailfarm-list';
/** Replaced by ours, or gone. `list-unsubscribe-post` promises what the other list can do. */
const REPLACED =
  /^(list-(id|post|owner|help|subscribe|unsubscribe|unsubscribe-post|archive)|precedence)$/;
/** The lines of a copy, LF at the ends. The address is one of the directory: checked again here. */
export function listHeader({ address, owner, posting }: ListCopy): string {
  const name = safe(address);
  const at = name.lastIndexOf('@');
  const id = `${name.slice(0, at)}.${name.slice(at + 1)}`.replace(/[<>"\s]/g, '-');
  const lines = [`X-Mailfarm-List: ${name}`, `List-Id: <${id}>`];
  if (posting !== undefined) lines.push(`List-Post: ${mailto(name)}${NOTES[posting]}`);
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

const NOTES = {
  anyone: '',
  members: ' (Members only)',
  moderated: ' (Postings are moderated)',
} as const;

// oxlint-disable-next-line no-control-regex -- what could end a line does not pass.
const safe = (text: string): string => text.replace(/[\0-\x20\x7f]/g, '?').slice(0, 512);

/** Percent-encoded (RFC 6068 §2). */
const mailto = (address: string): string => {
  const at = address.lastIndexOf('@');
  const local = encodeURIComponent(address.slice(0, at));
  return `<mailto:${local}@${address.slice(at + 1)}>`;
};

/** The header at the start of a piece, as far as it is there. */
export function headIn(piece: Buffer): MessageHead {
  const collector = new HeadCollector({ octetsMax: piece.length });
  const step = collector.push(piece);
  return step.kind === 'head' ? step.head : collector.end().head;
}

/** Addresses of the lists that this letter came through already, in lower case. */
export function listMarks(head: Buffer): ReadonlySet<string> {
  const marks = headIn(head).fields.filter(({ name }) => name === MARK);
  return new Set(marks.map((field) => fieldValue(field).toLowerCase()));
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
  const head = headIn(piece);
  const replaced = head.fields.filter(({ name }) => REPLACED.test(name));
  if (replaced.length === 0) return { bytes: piece, lines: 0 };
  const mark = head.marked ? piece.indexOf(LF) + 1 : 0;
  const kept = head.fields.filter((field) => !replaced.includes(field)).map(({ raw }) => raw);
  const rest = piece.subarray(mark + head.octets);
  return {
    bytes: Buffer.concat([piece.subarray(0, mark), ...kept, rest]),
    lines: replaced.reduce((sum, { raw }) => sum + lineEnds(raw), 0),
  };
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
