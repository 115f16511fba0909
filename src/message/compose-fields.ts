/**
 * Fields of letters that users write, with LF line ends. Unlike `field.ts`, which writes of
 * strangers what is safe to show, these keep what the user gave to the letter: joiners that some
 * scripts cannot do without, addresses that are not complete yet (drafts). One field comes out,
 * whatever comes in.
 */
import { encodeWords } from './encoded-word.ts';
import { ENCODED_COLUMNS, folded, headerAddress, structured, type Person } from './field.ts';
import { isAscii } from './plain.ts';

const WORD_MAX = 200;
const PIECE_MAX = 60;

export interface Group {
  /** Undefined: addresses outside of groups. */
  readonly name: string | undefined;
  readonly people: readonly Person[];
}

/** What could end a line, or show nothing, is a blank. */
const clean = (text: string): string =>
  text
    .toWellFormed()
    .replace(/[\0-\x20\x7f-\x9f\u2028\u2029]+/g, ' ')
    .trim();

/** Text such as a subject (RFC 5322 §2.2.1), in encoded words where it needs them. */
export function textField(name: string, text: string): string {
  const value = clean(text);
  const words = value.split(' ');
  const readable =
    isAscii(value) && !value.includes('=?') && words.every(({ length }) => length <= WORD_MAX);
  return readable ? structured(name, words) : folded(name, encodeWords(value), ENCODED_COLUMNS);
}

/** Addresses (RFC 5322 §3.4). '' where nothing is left of them: such a field would be invalid. */
export function peopleField(name: string, groups: readonly Group[]): string {
  const words = groups.flatMap((group) => {
    const people = group.people.map(personWords).filter((one) => one.length > 0);
    const listed = people.flatMap((one, at) => (at < people.length - 1 ? comma(one) : one));
    if (group.name === undefined) return listed.length === 0 ? [] : [listed];
    return [[...after(phrase(group.name), ':'), ...after(listed, ';')]];
  });
  if (words.length === 0) return '';
  const all = words.flatMap((one, at) => (at < words.length - 1 ? comma(one) : one));
  return folded(name, all, ENCODED_COLUMNS);
}

const comma = (words: readonly string[]): string[] => after(words, ',');
const after = (words: readonly string[], mark: string): string[] =>
  words.length === 0 ? [mark] : [...words.slice(0, -1), `${words.at(-1) ?? ''}${mark}`];

function personWords({ name, address }: Person): string[] {
  const whole = headerAddress(address) ?? address.toWellFormed().replace(UNFIT, '');
  if (whole === '') return [];
  return [...phrase(name ?? ''), `<${whole}>`];
}

/** What would make another thing of an address that is none yet. */
const UNFIT = /[\s<>(),:;"\\[\]\0-\x20\x7f-\x9f\u2028\u2029]/g;

/** Words before an address or a group's colon. */
function phrase(name: string): string[] {
  const text = clean(name);
  if (text === '') return [];
  if (!isAscii(text) || text.includes('=?')) return encodeWords(text);
  if (/^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]+$/.test(text)) return text.split(' ');
  return [`"${text.replace(/["\\]/g, String.raw`\$&`)}"`];
}

/** Message ids (RFC 5322 §3.6.4), given without angle brackets. '' where none could be one. */
export function idsField(name: string, ids: readonly string[]): string {
  const fit = ids.filter((id) => /^[\x21-\x3b\x3d\x3f-\x7e]{1,900}$/.test(id));
  return fit.length === 0
    ? ''
    : structured(
        name,
        fit.map((id) => `<${id}>`),
      );
}

/** Addresses of the web (RFC 2369 §2). '' where none is fit. */
export function urlsField(name: string, urls: readonly string[]): string {
  const fit = urls.filter((url) => /^[\x21-\x3b\x3d\x3f-\x7e]{1,900}$/.test(url));
  const last = fit.length - 1;
  return fit.length === 0
    ? ''
    : structured(
        name,
        fit.map((url, at) => `<${url}>${at < last ? ',' : ''}`),
      );
}

/** Content-Type and the like (RFC 2045 §5.1, RFC 2231): a value of ours and its parameters. */
export function parametersField(
  name: string,
  value: string,
  parameters: readonly (readonly [name: string, value: string])[],
): string {
  const written = parameters.flatMap(([one, text]) => parameter(one, clean(text)));
  const last = written.length - 1;
  const words = written.map((one, at) => (at < last ? `${one};` : one));
  return structured(name, [words.length > 0 ? `${value};` : value, ...words]);
}

function parameter(name: string, value: string): readonly string[] {
  if (isAscii(value) && value.length <= PIECE_MAX) {
    return [`${name}="${value.replace(/["\\]/g, String.raw`\$&`)}"`];
  }
  const pieces: string[] = [''];
  for (const octet of Buffer.from(value)) {
    const plain = /[A-Za-z0-9._-]/.test(String.fromCharCode(octet));
    const text = plain
      ? String.fromCharCode(octet)
      : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
    if ((pieces.at(-1) ?? '').length + text.length > PIECE_MAX) pieces.push('');
    pieces[pieces.length - 1] += text;
  }
  const [only, ...others] = pieces;
  if (others.length === 0) return [`${name}*=UTF-8''${only}`];
  return pieces.map((piece, at) => `${name}*${at}*=${at === 0 ? "UTF-8''" : ''}${piece}`);
}
