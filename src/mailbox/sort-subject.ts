import { decodeWords } from '../message/encoded-word.ts';

/** A subject without what answering and forwarding put around it. */
export interface BaseSubject {
  readonly text: string;
  /** Something that says "reply" or "forwarded" was taken away (RFC 5256 §3). */
  readonly isReply: boolean;
}

/** Longer ones are cut: they are compared, never shown. */
const SUBJECT_MAX = 2000;

const TRAILER = /(?:\s|\(fwd\))+$/i;
const BLOB = /\[[^[\]]*\]\s*/y;
const REFWD = /(?:re|fwd?)\s*(?:\[[^[\]]*\]\s*)?:/iy;

/** RFC 5256 §2.1. */
export function baseSubject(subject: string | undefined): BaseSubject {
  let text = decodeWords((subject ?? '').slice(0, SUBJECT_MAX))
    .replace(/\s+/g, ' ')
    .trim();
  let isReply = false;
  for (;;) {
    const shorter = withoutTrailer(text);
    if (shorter !== text && /\(fwd\)$/i.test(text)) isReply = true;
    const { at, reply } = leaders(shorter);
    isReply ||= reply;
    text = shorter.slice(at);
    if (!/^\[fwd:.*\]$/i.test(text)) return { text, isReply };
    text = text.slice(5, -1).trim();
    isReply = true;
  }
}

/** Step 2. The pattern is tried at its only places, so that blanks cost nothing. */
const withoutTrailer = (text: string): string =>
  /[\s)]$/.test(text) ? text.replace(TRAILER, '') : text;

/** Steps 3 to 5: where the subject begins behind `Re:`, `Fwd:`, `[list]`. */
function leaders(text: string): { readonly at: number; readonly reply: boolean } {
  let at = 0;
  let reply = false;
  for (;;) {
    while (text[at] === ' ') at += 1;
    const blobs = blobsEnd(text, at);
    const refwd = matchEnd(REFWD, text, blobs);
    if (refwd > blobs) {
      at = refwd;
      reply = true;
      continue;
    }
    // One blob at a time, and the last only if something is left behind it.
    const blob = matchEnd(BLOB, text, at);
    if (blob === at || blob >= text.length) return { at, reply };
    at = blob;
  }
}

function blobsEnd(text: string, start: number): number {
  let at = start;
  for (let next = matchEnd(BLOB, text, at); next > at; next = matchEnd(BLOB, text, at)) at = next;
  return at;
}

function matchEnd(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
