import { encodeUtf8, string } from './text.ts';

/** Nearly all texts: they stand in quotes as they are. */
const PLAIN = /^[ !#-[\]-~]{0,1000}$/;

/** A string of a response (RFC 9051 §4.3) from Unicode. NUL, which none can say, is left out. */
export const textString = (text: string): string => {
  if (PLAIN.test(text)) return `"${text}"`;
  const octets = encodeUtf8(text);
  return string(octets.includes('\0') ? octets.replaceAll('\0', '') : octets);
};

/** The same, or NIL. */
export const textOrNil = (text: string | undefined): string =>
  text === undefined ? 'NIL' : textString(text);
