/**
 * Texts compared without case, near to i;unicode-casemap (RFC 5051): compatibility forms are made
 * one (NFKC) and all is put in upper case, since lower case depends on what stands around a letter.
 * Unlike RFC 5051, letters keep their accents: who looks for `gru` does not find `grü`. `ß` is `SS`.
 */
export const fold = (text: string): string =>
  ASCII.test(text) ? text.toUpperCase() : text.normalize('NFKC').toUpperCase();

const ASCII = /^[\0-\x7f]*$/;
