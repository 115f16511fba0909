/**
 * The fields of a header that say what a message is, taken out line by line in one pass over its
 * octets. The others are not looked at beyond their name. `../head.ts` keeps all octets of all
 * fields for those who write the header again; this is for those who read a million of them: 3 µs
 * for 35 lines.
 */
import { octetText } from './charset.ts';

/** Fields that are kept, by slot. */
export const FIELD = {
  date: 0,
  subject: 1,
  from: 2,
  sender: 3,
  'reply-to': 4,
  to: 5,
  cc: 6,
  bcc: 7,
  'in-reply-to': 8,
  'message-id': 9,
  references: 10,
  'content-type': 11,
  'content-transfer-encoding': 12,
  'content-id': 13,
  'content-description': 14,
  'content-disposition': 15,
  'content-language': 16,
  'content-location': 17,
  'content-md5': 18,
} as const;

const NAMES = Object.keys(FIELD);
const ENVELOPE_LAST = FIELD['message-id'];

/** Octets of values that are kept of one header; what comes after is left out. */
const VALUES_MAX = 512 * 1024;

const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

/** Slots by a sum over the name's octets; two names with one sum would be seen at the start. */
const SLOTS = new Int8Array(256).fill(-1);
for (const [slot, name] of NAMES.entries()) {
  let sum = 0;
  for (let at = 0; at < name.length; at++) sum = hashed(sum, name.charCodeAt(at));
  if (SLOTS[sum & 255] !== -1) throw new Error(`Two fields share a slot: ${name}`);
  SLOTS[sum & 255] = slot;
}

function hashed(sum: number, octet: number): number {
  return Math.imul(sum, 3) + (octet | 0x20);
}

export type LineKind = 'field' | 'continued' | 'text';

/** Reads one header; `line` takes its lines in order, without their ends. */
export class FieldReader {
  readonly #values: (string | undefined)[] = [];
  #slot = -1;
  #room = VALUES_MAX;
  #any = false;
  #partial = false;

  /**
   * @returns whether the line is of the header. `text`: it is neither a field nor the continuation
   * of one, so the header has ended before it.
   */
  line(bytes: Buffer, start: number, end: number): LineKind {
    const first = bytes[start];
    if ((first === SPACE || first === TAB) && this.#any) {
      this.more(bytes, start, end);
      return 'continued';
    }
    let at = start;
    let sum = 0;
    for (; at < end; at++) {
      const octet = bytes[at] as number;
      if (octet <= SPACE || octet >= 0x7f || octet === COLON) break;
      sum = Math.imul(sum, 3) + (octet | 0x20);
    }
    const nameEnd = at;
    while (bytes[at] === SPACE || bytes[at] === TAB) at += 1;
    if (nameEnd === start || at >= end || bytes[at] !== COLON) return this.#notAField(bytes, start);
    this.#any = true;
    const slot = SLOTS[sum & 255] as number;
    this.#slot = -1;
    // The first of a name counts, as everywhere here.
    if (slot >= 0 && isName(bytes, start, nameEnd, slot)) {
      if (this.#values[slot] === undefined) {
        this.#slot = slot;
        this.#values[slot] = '';
        this.more(bytes, at + 1, end);
      } else if (slot <= ENVELOPE_LAST) this.#partial = true;
    }
    return 'field';
  }

  /** What follows of a line, or of a field, that `line` has begun. */
  more(bytes: Buffer, start: number, end: number): void {
    if (this.#slot < 0) return;
    const stop = Math.min(end, start + this.#room);
    if (stop < end) this.#partial = true;
    this.#room -= stop - start;
    this.#values[this.#slot] += bytes.toString('latin1', start, stop);
  }

  /** A mailbox file's `From ` line may stand before all fields. */
  #notAField(bytes: Buffer, start: number): LineKind {
    const mark = !this.#any && bytes.toString('latin1', start, start + 5) === 'From ';
    this.#any = true;
    this.#slot = -1;
    return mark ? 'field' : 'text';
  }

  /** Whether there is more than an envelope says: a field came again, or values were too long. */
  get partial(): boolean {
    return this.#partial;
  }

  /** The value of a field, unfolded and trimmed: UTF-8, or else Latin 1. */
  value(slot: number): string | undefined {
    const value = this.#values[slot];
    return value === undefined ? undefined : octetText(value).trim();
  }
}

function isName(bytes: Buffer, start: number, end: number, slot: number): boolean {
  const name = NAMES[slot] as string;
  if (end - start !== name.length) return false;
  for (let at = 0; at < name.length; at++) {
    // Setting the bit makes lower case of letters, and no letter or hyphen of anything else.
    if (((bytes[start + at] as number) | 0x20) !== name.charCodeAt(at)) return false;
  }
  return true;
}
