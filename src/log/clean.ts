/**
 * What may stand in a log line. Three dangers: a secret, a text of a peer that acts on the
 * reader's terminal or forges a line, and a value without end. JSON escapes controls below 0x20
 * only; DEL, the C1 controls (0x9b starts a terminal sequence) and the marks that turn the
 * direction of writing pass through it, so they are escaped here.
 */
const SECRET_WORD =
  /(?:^|[-_.])(?:userpassword|password|passwd|pass|secret|credentials?|authorization|token)$/;
const UNSAFE =
  /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;
const TEXT_CHARACTERS_MAX = 1024;
const ITEMS_MAX = 50;
const DEPTH_MAX = 4;

export const REDACTED = '[redacted]';

/** Whether values under this key are secrets whatever they are: `pass`, `bindPassword`, … */
export function isSecretKey(key: string): boolean {
  const known = secretKeys.get(key);
  if (known !== undefined) return known;
  const words = key.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
  const secret = SECRET_WORD.test(words);
  if (secretKeys.size < SECRET_KEYS_MAX) secretKeys.set(key, secret);
  return secret;
}

const secretKeys = new Map<string, boolean>(); // Keys are the program's words, a few dozen.
const SECRET_KEYS_MAX = 1000;

/** A text with everything escaped that is not to reach a terminal, cut at 1,024 characters. */
export function cleanText(text: string): string {
  const cut =
    text.length > TEXT_CHARACTERS_MAX
      ? `${text.slice(0, TEXT_CHARACTERS_MAX)}…(${text.length} characters)`
      : text;
  return UNSAFE_ANY.test(cut) ? cut.replace(UNSAFE, escaped) : cut;
}

const UNSAFE_ANY = new RegExp(UNSAFE.source);
const escaped = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * The fields of a line, fit to be written: themselves when there is nothing to clean, which is a
 * third of the cost of a line, else a copy. Never throws.
 */
export function cleanFields(fields: object): Record<string, unknown> {
  if (isClean(fields)) return fields;
  return fields instanceof Error
    ? { error: cleanError(fields, 0) }
    : (cleanObject(fields, 0) as Record<string, unknown>);
}

/** Whether it is a plain object of a few numbers, truths and harmless texts under harmless keys. */
function isClean(fields: object): fields is Record<string, unknown> {
  if (Object.getPrototypeOf(fields) !== Object.prototype) return false;
  let left = ITEMS_MAX;
  for (const key in fields) {
    if (--left < 0 || !harmlessKeys.has(key)) return remember(key);
    const value = (fields as Record<string, unknown>)[key];
    if (typeof value === 'string') {
      if (value.length > TEXT_CHARACTERS_MAX || UNSAFE_ANY.test(value)) return false;
    } else if (typeof value !== 'number' && typeof value !== 'boolean' && value !== undefined) {
      return false;
    }
  }
  return true;
}

const harmlessKeys = new Set<string>(); // As `secretKeys`: the program's words.

/** Makes a key known for the next line where it is harmless; this one is cleaned the long way. */
function remember(key: string): false {
  if (harmlessKeys.size < SECRET_KEYS_MAX && cleanText(key) === key && !isSecretKey(key)) {
    harmlessKeys.add(key);
  }
  return false;
}

function cleanObject(value: object, depth: number): unknown {
  if (value instanceof Error) return cleanError(value, depth);
  if (depth >= DEPTH_MAX) return '[deeper]';
  if (Array.isArray(value) || value instanceof Set) {
    const items = [...value];
    const cleaned = items.slice(0, ITEMS_MAX).map((item: unknown) => cleanValue(item, depth + 1));
    if (items.length > ITEMS_MAX) cleaned.push(`…(${items.length} items)`);
    return cleaned;
  }
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} octets]`;
  const entries = value instanceof Map ? value.entries() : Object.entries(value);
  const clean: [string, unknown][] = [];
  for (const [rawKey, item] of entries as Iterable<[unknown, unknown]>) {
    if (clean.length === ITEMS_MAX) break;
    const key = cleanText(String(rawKey));
    clean.push([key, isSecretKey(key) ? REDACTED : cleanValue(item, depth + 1)]);
  }
  return Object.fromEntries(clean); // Defines own properties, `__proto__` too.
}

function cleanValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return cleanText(value);
    case 'object':
      return value === null ? null : cleanObject(value, depth);
    case 'bigint':
    case 'symbol':
      return String(value);
    case 'function':
      return '[function]';
    default:
      return value;
  }
}

/** Name, message, code and stack of an error, and of its causes. */
function cleanError(error: Error, depth: number): unknown {
  const { code, cause } = error as Error & { readonly code?: unknown };
  return {
    type: cleanText(error.name),
    message: cleanText(error.message),
    ...(code !== undefined && { code: cleanValue(code, DEPTH_MAX) }),
    ...(depth <= 1 && error.stack !== undefined && { stack: stackOf(error) }),
    ...(cause !== undefined && depth < DEPTH_MAX && { cause: cleanValue(cause, depth + 1) }),
  };
}

/** The places only: the message in front of them is cleaned and written by itself. */
function stackOf(error: Error): readonly string[] {
  const places = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return places.slice(0, STACK_LINES_MAX).map((line) => cleanText(line.trim()));
}

const STACK_LINES_MAX = 10;
