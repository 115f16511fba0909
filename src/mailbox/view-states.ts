/**
 * State strings of JMAP (RFC 8620 §5.1): how far each folder was, so that any node can tell from
 * the folders' journals what has changed since, and nothing has to be kept for whoever holds one.
 *
 *     version 1: emails       rows of journal id (8 octets), MODSEQ, UIDNEXT * 2 + 1 when empty
 *     version 2: mailboxes    rows of journal id (zeros: INBOX), CRC-32 of what is shown, MODSEQ
 *     version 3: emails of which a part was told: as 1, before each MODSEQ the number of `earlier`
 *                and for each the UID that it ends below and its MODSEQ
 *
 * as base64url, numbers in seven bits an octet, lowest first; rows ascend by id. Some 20 characters
 * a folder. Strings come from clients: what is not written exactly so says nothing.
 */
import { crc32 } from 'node:zlib';
import { INBOX } from './folder-names.ts';
import type { FolderInfo, FolderState } from './mail.ts';

/** UIDs below this one, from the end of the span before it. */
export interface KnownSpan {
  readonly below: number;
  readonly modseq: number;
}

/** How far a client knows the emails of a folder. */
export interface EmailRow {
  readonly modseq: number;
  /** Ascending: lower UIDs that it knows as of other MODSEQs, while changes are told in parts. */
  readonly earlier?: readonly KnownSpan[];
  /** Every email with a lower UID was there, or had been. */
  readonly uidNext: number;
  readonly isEmpty: boolean;
}

/** How a client knows a mailbox. */
export interface MailboxRow {
  readonly shown: number;
  readonly modseq: number;
}

/** By journal id. */
export type Rows<T> = ReadonlyMap<string, T>;

const EMAILS = 1;
const MAILBOXES = 2;
const EMAILS_IN_PART = 3;
const ID_OCTETS = 8;
const SHOWN_OCTETS = 4;
const LOW = 0x80;
/** More than anybody has folders; a longer string is none of ours. */
const STATE_CHARACTERS_MAX = 1_000_000;
/** Of a folder, of those before the last: what is written has no more. */
export const EARLIER_SPANS_MAX = 15;

/** In states of mailboxes INBOX has this id, whatever journal it has. */
export const INBOX_ROW = '0'.repeat(2 * ID_OCTETS);

export const emailRow = ({ modseq, uidNext, messages }: FolderState): EmailRow => ({
  modseq,
  uidNext,
  isEmpty: messages.length === 0,
});

export function encodeEmails(rows: Rows<EmailRow>): string {
  const inPart = [...rows.values()].some(({ earlier }) => earlier !== undefined);
  const octets = [inPart ? EMAILS_IN_PART : EMAILS];
  for (const [id, { modseq, uidNext, isEmpty, earlier = [] }] of sorted(rows)) {
    octets.push(...Buffer.from(id, 'hex'));
    if (inPart) push(octets, earlier.length);
    for (const span of earlier) {
      push(octets, span.below);
      push(octets, span.modseq);
    }
    push(octets, modseq);
    push(octets, uidNext * 2 + Number(isEmpty));
  }
  return Buffer.from(octets).toString('base64url');
}

/** Undefined: no state that we have written. */
export function decodeEmails(text: string): Rows<EmailRow> | undefined {
  const row = (reader: Reader): EmailRow => {
    const modseq = reader.number();
    const both = reader.number();
    return { modseq, uidNext: Math.floor(both / 2), isEmpty: both % 2 === 1 };
  };
  return (
    decode(text, EMAILS, row) ??
    decode(text, EMAILS_IN_PART, (reader) => {
      const earlier: KnownSpan[] = [];
      const count = reader.number();
      if (count > EARLIER_SPANS_MAX) reader.isWhole = false;
      for (let left = count; left > 0 && reader.isWhole; left -= 1) {
        earlier.push({ below: reader.number(), modseq: reader.number() });
      }
      const last = row(reader);
      const ends = [...earlier.map(({ below }) => below), last.uidNext];
      if (ends.some((below, at) => at > 0 && below <= (ends[at - 1] ?? 0))) reader.isWhole = false;
      return { ...last, ...(earlier.length > 0 && { earlier }) };
    })
  );
}

export function encodeMailboxes(rows: Rows<MailboxRow>): string {
  const octets = [MAILBOXES];
  for (const [id, { shown, modseq }] of sorted(rows)) {
    octets.push(...Buffer.from(id, 'hex'));
    const hash = Buffer.alloc(SHOWN_OCTETS);
    hash.writeUInt32LE(shown);
    octets.push(...hash);
    push(octets, modseq);
  }
  return Buffer.from(octets).toString('base64url');
}

/** Undefined: no state that we have written. */
export function decodeMailboxes(text: string): Rows<MailboxRow> | undefined {
  return decode(text, MAILBOXES, (reader) => ({ shown: reader.hash(), modseq: reader.number() }));
}

/**
 * What a mailbox shows beside its counts, in one number. `parent`: the nearest above it. The
 * journal is in it for INBOX, whose row does not tell it: after a restore another one may have the
 * MODSEQ that the old one had.
 */
export function shownOf(
  { name, use, subscribed }: FolderInfo,
  { parent, journalId }: { readonly parent: string; readonly journalId: string },
): number {
  return crc32(JSON.stringify([name, use ?? '', subscribed, parent, journalId]));
}

/** Id of the Mailbox object (RFC 8621 §2). INBOX stays INBOX, whatever becomes of its journal. */
export const mailboxIdOf = (row: string): string => (row === INBOX_ROW ? 'inbox' : `f${row}`);

/** What stands for a folder in states of mailboxes. */
export const mailboxRowOf = (name: string, { journalId }: FolderState): string =>
  name === INBOX ? INBOX_ROW : journalId;

function sorted<T>(rows: Rows<T>): readonly (readonly [string, T])[] {
  return [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function push(octets: number[], value: number): void {
  let rest = value;
  while (rest >= LOW) {
    octets.push((rest % LOW) + LOW);
    rest = Math.floor(rest / LOW);
  }
  octets.push(rest);
}

function decode<T>(text: string, version: number, row: (reader: Reader) => T): Rows<T> | undefined {
  if (text.length > STATE_CHARACTERS_MAX) return undefined;
  const octets = Buffer.from(text, 'base64url');
  if (octets[0] !== version || octets.toString('base64url') !== text) return undefined;
  const reader = new Reader(octets);
  const rows = new Map<string, T>();
  let before = '';
  while (!reader.isAtEnd && reader.isWhole) {
    const id = reader.id();
    if (id <= before) return undefined;
    rows.set(id, row(reader));
    before = id;
  }
  return reader.isWhole ? rows : undefined;
}

class Reader {
  readonly #octets: Buffer;
  #at = 1;
  isWhole = true;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#octets.length;
  }

  id(): string {
    return this.#take(ID_OCTETS).toString('hex');
  }

  hash(): number {
    const octets = this.#take(SHOWN_OCTETS);
    return octets.length === SHOWN_OCTETS ? octets.readUInt32LE() : 0;
  }

  number(): number {
    let value = 0;
    for (let factor = 1; ; factor *= LOW) {
      const octet = this.#octets[this.#at++];
      if (octet === undefined || factor > Number.MAX_SAFE_INTEGER) {
        this.isWhole = false;
        return 0;
      }
      value += (octet % LOW) * factor;
      if (octet < LOW) return value;
    }
  }

  #take(octets: number): Buffer {
    const taken = this.#octets.subarray(this.#at, this.#at + octets);
    if (taken.length < octets) this.isWhole = false;
    this.#at += octets;
    return taken;
  }
}
