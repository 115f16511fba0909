/**
 * I-JSON (RFC 7493), which a request of JMAP is (RFC 8620 §1.5): UTF-8, no name twice in an object,
 * no half of a surrogate pair, no number that a double cannot hold. JSON.parse does not look for
 * the first two, so the text is run over once before: that also bounds its depth.
 *
 * Let be: noncharacters (RFC 7493 §2.1), which people paste from other programs.
 */
import { JSON_DEPTH_MAX } from '../options.ts';

/** What is no I-JSON, in words for whoever writes the client. */
export class NotIJson extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'NotIJson';
  }
}

/** @throws NotIJson */
export function parseIJson(bytes: Uint8Array): unknown {
  const text = decode(bytes);
  scan(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new NotIJson('The body is not JSON');
  }
  checkValues(value, { strings: /\\u[dD][89a-fA-F]/.test(text) });
  return value;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new NotIJson('The body is not UTF-8');
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Depth and names, of text that may yet turn out to be no JSON. */
function scan(text: string): void {
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      const names = open.at(-1);
      if (names && isName(text, end)) addName(names, text.slice(at, end + 1));
      at = end;
    } else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      open.push(code === OPEN_OBJECT ? new Set() : undefined);
      if (open.length > JSON_DEPTH_MAX) {
        throw new NotIJson(`The body has more than ${JSON_DEPTH_MAX} levels`);
      }
    } else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) {
      open.pop();
    }
  }
}

/** Position of the quote that ends a string; the end of the text where none does. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at += 1) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return text.length;
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return quote;
    at = quote;
  }
}

function isName(text: string, end: number): boolean {
  let at = end + 1;
  while (' \t\r\n'.includes(text[at] ?? '-')) at += 1;
  return text.charCodeAt(at) === COLON;
}

function addName(names: Set<string>, quoted: string): void {
  let name = quoted;
  if (quoted.includes('\\')) {
    try {
      name = JSON.stringify(JSON.parse(quoted));
    } catch {
      return; // No JSON; that is found out next.
    }
  }
  if (names.has(name)) throw new NotIJson('An object has two members of one name');
  names.add(name);
}

function checkValues(value: unknown, look: { readonly strings: boolean }): void {
  if (typeof value === 'string') {
    if (look.strings && !value.isWellFormed()) {
      throw new NotIJson('A string has half of a surrogate pair');
    }
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new NotIJson('A number is too large');
  } else if (typeof value === 'object' && value !== null) {
    if (look.strings && !Array.isArray(value)) {
      for (const name of Object.keys(value)) checkValues(name, look);
    }
    for (const item of Object.values(value)) checkValues(item, look);
  }
}
