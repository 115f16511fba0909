/** Octets of strangers as text, by the name of a character set (WHATWG encodings). */
import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';

/** Names that are no encoding of their own; what they label is seen by looking. */
const VAGUE = /^(?:us-ascii|ascii|ansi_x3\.4-1968|unknown-8bit|x-unknown|unknown|default|binary|)$/;
const KNOWN_MAX = 100;
const known = new Map<string, TextDecoder | undefined>();

/** @returns undefined for a character set nobody knows */
export function decoderOf(charset: string): TextDecoder | undefined {
  const label = charset.trim().toLowerCase();
  if (known.has(label)) return known.get(label);
  if (known.size >= KNOWN_MAX) known.clear();
  const decoder = makeDecoder(label);
  known.set(label.slice(0, 60), decoder);
  return decoder;
}

function makeDecoder(label: string): TextDecoder | undefined {
  try {
    return new TextDecoder(label);
  } catch {
    return undefined;
  }
}

/** Text in a character set that may be unknown or wrong: then UTF-8 if it can be, else Latin 1. */
export function decodeCharset(charset: string, bytes: Uint8Array): string {
  if (!VAGUE.test(charset.trim().toLowerCase())) {
    const decoder = decoderOf(charset);
    if (decoder) return decoder.decode(bytes);
  }
  return decodeUnknown(bytes);
}

/** Octets without a label: UTF-8 if they can be, else Latin 1 as browsers take it. */
export function decodeUnknown(bytes: Uint8Array): string {
  return (decoderOf(isUtf8(bytes) ? 'utf-8' : 'windows-1252') as TextDecoder).decode(bytes);
}

/** A text whose characters are octets, as the header of a message has them. */
export const octetText = (latin1: string): string =>
  EIGHT_BIT.test(latin1) ? decodeUnknown(Buffer.from(latin1, 'latin1')) : latin1;

const EIGHT_BIT = /[^\0-\x7f]/;
