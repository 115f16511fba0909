/**
 * Texts compared without case, near to i;unicode-casemap (RFC 5051): compatibility forms are made
 * one (NFKC) and all is put in upper case, since lower case depends on what stands around a letter.
 * Unlike RFC 5051, letters keep their accents: who looks for `gru` does not find `grü`. `ß` is
 * `SS`.
 */
export const fold = (text: string): string =>
  ASCII.test(text) ? text.toUpperCase() : text.normalize('NFKC').toUpperCase();

/** The same for searching: blanks and line ends in a row are one blank. */
export const foldText = (text: string): string => fold(text).replace(/\s+/g, ' ');

const ASCII = /^[\0-\x7f]*$/;
