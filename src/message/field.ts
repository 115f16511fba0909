/**
 * Header fields as we write them, with LF line ends (the stored form). Whatever text comes in, one
 * field comes out: no line end of a stranger passes, no line is over 998 octets (RFC 5322 §2.1.1),
 * and all but unbreakable words keep to 78.
 */
import { decodeWords, encodeWords } from './encoded-word.ts';
import { isAscii, plainText } from './plain.ts';

const COLUMNS = 78;
export const ENCODED_COLUMNS = 76; // RFC 2047 §2: of a line with an encoded word.
/** A word that is longer goes out as encoded words, which can be folded. */
const WORD_MAX = 200;
const TEXT_MAX = 1000;
const NAME_MAX = 200;

/** A dot-atom: dots only between others (RFC 5322 §3.2.3). */
const DOT_ATOM = /^(?!\.)(?!.*\.\.)[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.\u0080-\u{10ffff}]+(?<!\.)$/u;
const DOMAIN = /^(?:[A-Za-z0-9._\-\u0080-\u{10ffff}]{1,255}|\[[A-Za-z0-9.:]{1,64}\])$/u;

/** `Name: text`, encoded where it needs to be, folded. Text with encoded words is not decoded. */
export function unstructured(name: string, text: string): string {
  const clean = plainText(text, TEXT_MAX);
  const words = clean.split(' ');
  const readable =
    isAscii(clean) && !clean.includes('=?') && words.every((word) => word.length <= WORD_MAX);
  return readable
    ? folded(name, words, COLUMNS)
    : folded(name, encodeWords(clean), ENCODED_COLUMNS);
}

/** `Name: words`, folded between words, which are written as they are: tokens of ours only. */
export function structured(name: string, words: readonly string[]): string {
  return folded(name, words, COLUMNS);
}

/** `Name: words`, folded between words at so many columns; the words are written as they are. */
export function folded(name: string, words: readonly string[], columns: number): string {
  let line = `${name}:`;
  let out = '';
  words.forEach((word, at) => {
    // The first word stays beside the name: a first line without any is no line for some readers.
    if (at > 0 && line.length + 1 + word.length > columns) {
      out += `${line}\n`;
      line = '';
    }
    line += ` ${word}`;
  });
  return `${out}${line}\n`;
}

/** A display name before `<address>`: as it is, quoted, or encoded. '' for none. */
function phrase(name: string): string[] {
  const clean = plainText(name, NAME_MAX);
  if (clean === '') return [];
  if (!isAscii(clean) || clean.includes('=?')) return encodeWords(clean);
  if (/^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]+$/.test(clean)) return clean.split(' ');
  return [`"${clean.replace(/["\\]/g, '\\$&')}"`];
}

/** Address as it may stand between `<` and `>` of a header; undefined when it is none. */
export function headerAddress(address: string): string | undefined {
  const at = address.lastIndexOf('@');
  if (at <= 0 || Buffer.byteLength(address) > 512) return undefined;
  const [local, domain] = [address.slice(0, at), address.slice(at + 1)];
  if (!DOMAIN.test(domain) || plainText(address, 600) !== address) return undefined;
  if (DOT_ATOM.test(local)) return address;
  if (/^"(?:[^"\\]|\\.)*"$/su.test(local)) return address;
  // Dots where the grammar of headers has none, and blanks; nothing that could read in two ways.
  return /[()<>[\]:;@\\,"]/.test(local) ? undefined : `"${local}"@${domain}`;
}

export interface Person {
  readonly name?: string | undefined;
  readonly address: string;
}

/** `Name: "Display name" <address>`; an address that no header can hold gives an empty group. */
export function addressField(name: string, person: Person): string {
  const address = headerAddress(person.address);
  if (address === undefined) return `${name}: undisclosed-recipients:;\n`;
  const words = phrase(person.name ?? '');
  return folded(name, [...words, `<${address}>`], ENCODED_COLUMNS);
}

const MESSAGE_ID = /<[^\s<>@\0-\x1f\x7f-\uffff]{1,400}@[^\s<>@\0-\x1f\x7f-\uffff]{1,400}>/g;
const REFERENCES_MAX = 20;

/** The message ids of a field of a stranger; what is none is left out. */
export const messageIds = (value: string): string[] =>
  value.slice(0, 16_384).match(MESSAGE_ID) ?? [];

/**
 * In-Reply-To and References of an answer (RFC 5322 §3.6.4): the first of the thread and the
 * newest are kept when it is long. '' where the original has no id.
 */
export function threadFields(original: {
  readonly messageId?: string | undefined;
  readonly references?: string | undefined;
  readonly inReplyTo?: string | undefined;
}): string {
  const id = messageIds(original.messageId ?? '')[0];
  if (id === undefined) return '';
  const replied = messageIds(original.inReplyTo ?? '');
  const earlier = messageIds(original.references ?? '');
  const before = (earlier.length > 0 ? earlier : replied.length === 1 ? replied : []).filter(
    (one) => one !== id,
  );
  const kept =
    before.length > REFERENCES_MAX
      ? [...before.slice(0, 1), ...before.slice(1 - REFERENCES_MAX)]
      : before;
  return structured('In-Reply-To', [id]) + structured('References', [...kept, id]);
}

/** A subject of a stranger as text: decoded, one line, at most 200 characters. '' for none. */
export const subjectText = (value: string | undefined): string =>
  plainText(decodeWords((value ?? '').slice(0, 4096)), 200);
