/**
 * Text of strangers for human eyes: replies of other hosts, subjects, names. What could end a
 * line, act on a terminal, turn the direction of writing or hide does not pass; what is left is
 * one line of bounded length.
 */
const CONTROLS = /[\0-\x20\x7f-\xa0\u2028\u2029]+/g;
const INVISIBLE = new RegExp(
  '[\\u00ad\\u061c\\u115f\\u1160\\u180e\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f' +
    '\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e0fff}]',
  'gu',
);

/** One line without controls, at most `max` characters (code points); cut text ends in `…`. */
export function plainText(text: string, max: number): string {
  // The first cut bounds the work, whatever comes; the second counts what is left.
  const one = text
    .slice(0, max * 8 + 64)
    .toWellFormed()
    .replace(INVISIBLE, '')
    .replace(CONTROLS, ' ')
    .trim();
  const characters = Array.from(one);
  if (characters.length <= max) return one;
  return `${characters
    .slice(0, max - 1)
    .join('')
    .trimEnd()}…`;
}

/** Name or address of a host; '' for what cannot be one, such as a sentence in a DNS answer. */
export function hostText(name: string): string {
  const clean = plainText(name, 255);
  return /^[\w.:\-[\]\u00a1-\u{10ffff}]+$/u.test(clean) ? clean : '';
}

/** Whether every character is ASCII. */
export const isAscii = (text: string): boolean => !NON_ASCII.test(text);
const NON_ASCII = /[^\0-\x7f]/;

/** ASCII for certain: the rest as `\x{20AC}`, the notation of RFC 6533 §3 (utf-8-addr-xtext). */
export function asciiOnly(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, (c) => {
    const code = c.codePointAt(0) ?? 0;
    return `\\x{${code.toString(16).toUpperCase().padStart(2, '0')}}`;
  });
}

/** What cannot end a field of a header: control characters are shown as question marks. */
export const oneLine = (text: string): string => text.replace(/[\0-\x1f\x7f]/g, '?');
