/**
 * What a submission server mends in a header (RFC 6409 §8), and what it must not pass on: a header
 * that two programs would read in two ways. Pure: who an address belongs to is asked in between.
 *
 * Nothing of what is kept changes by an octet, and nothing of the body is touched: fields are left
 * out whole, and new ones are put behind the others.
 */
import { isUtf8 } from 'node:buffer';
import { addressesOf } from './head-addresses.ts';
import { fieldValue, type HeaderField, type MessageHead } from './head.ts';
import { oneLine } from './plain.ts';

/** Nobody's to see (RFC 5322 §3.6.3), or only final delivery's to write (RFC 5321 §4.4). */
const REMOVED = new Set(['bcc', 'resent-bcc', 'return-path']);
/** One at most: of two, each reader would take another one. */
const SINGLE = new Set(['from', 'sender']);
/** Authors of one letter: each is a question to the directory, and a header may have thousands. */
const FROM_MAX = 20;

/** What a header says of who wrote it. */
export interface Claims {
  /** Addresses of From; undefined where there is no From. */
  readonly from: readonly string[] | undefined;
  readonly sender: string | undefined;
  readonly hasDate: boolean;
  readonly hasMessageId: boolean;
}

/** A header that is not passed on, and why, in words for whoever wrote the program. */
export interface HeaderProblem {
  readonly problem: string;
}

/** Reads who a header says it is from. */
export function claimsOf(head: MessageHead): Claims | HeaderProblem {
  const seen = new Map<string, HeaderField>();
  for (const field of head.fields) {
    const problem = octetProblem(field);
    if (problem !== undefined) return { problem };
    if (SINGLE.has(field.name) && seen.has(field.name)) {
      return { problem: `${field.name} stands there twice` };
    }
    if (!seen.has(field.name)) seen.set(field.name, field);
  }
  const from = addressesIn(seen.get('from'));
  if (from === 'unreadable' || from?.length === 0) return { problem: 'From has no valid address' };
  if (from !== undefined && from.length > FROM_MAX) {
    return { problem: `From has ${from.length} addresses, at most ${FROM_MAX} are taken` };
  }
  const sender = addressesIn(seen.get('sender'));
  if (sender === 'unreadable' || (sender && sender.length !== 1)) {
    return { problem: 'Sender is not one valid address' };
  }
  const hasDate = seen.has('date');
  return { from, sender: sender?.[0], hasDate, hasMessageId: seen.has('message-id') };
}

/**
 * Octets that some programs take for the end of a line, or of the text: behind a bare CR stands a
 * field that nobody checked. Text that is no UTF-8 (RFC 6532 §3) reads differently everywhere.
 */
function octetProblem({ name, raw }: HeaderField): string | undefined {
  for (let at = 0; at < raw.length; at++) {
    const octet = raw[at] ?? 0;
    if (octet >= 0x20 || octet === 0x09 || octet === 0x0a) continue;
    const what = octet === 0x0d ? 'a bare CR' : 'a control character';
    return `${shown(name)} has ${what} in it`;
  }
  return isUtf8(raw) ? undefined : `${shown(name)} has text that is neither encoded nor UTF-8`;
}

const shown = (name: string): string => name.slice(0, 40);

function addressesIn(field: HeaderField | undefined): readonly string[] | 'unreadable' | undefined {
  if (!field) return undefined;
  return addressesOf(fieldValue(field)) ?? 'unreadable';
}

/** Fields to add. Each is text of ours: whoever makes it sees that it is one line. */
export interface Additions {
  readonly date?: string | undefined;
  readonly messageId?: string | undefined;
  /** An address. */
  readonly from?: string | undefined;
  /** An address; in place of the one that is there. */
  readonly sender?: string | undefined;
}

/** The header as it goes on, with the blank line. */
export function repairedHeader(head: MessageHead, additions: Additions): Buffer {
  const { date, messageId, from, sender } = additions;
  const kept = head.fields.filter(
    ({ name }) => !REMOVED.has(name) && (name !== 'sender' || sender === undefined),
  );
  const pieces = kept.map(({ raw }) => raw);
  if (pieces.at(-1)?.at(-1) !== 0x0a && pieces.length > 0) pieces.push(Buffer.from('\n'));
  const added = [
    ...(from === undefined ? [] : [`From: ${addressText(from)}`]),
    ...(sender === undefined ? [] : [`Sender: ${addressText(sender)}`]),
    ...(date === undefined ? [] : [`Date: ${oneLine(date)}`]),
    ...(messageId === undefined ? [] : [`Message-ID: ${oneLine(messageId)}`]),
  ];
  return Buffer.concat([...pieces, Buffer.from(added.map((line) => `${line}\n`).join('')), END]);
}

const END = Buffer.from('\n');

// oxlint-disable-next-line no-control-regex -- control characters are what must not pass.
const addressText = (address: string): string => `<${oneLine(address).replace(/[<>]/g, '?')}>`;
