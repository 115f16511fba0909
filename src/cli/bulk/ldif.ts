import {
  isAttributeName,
  problem,
  VALUE_OCTETS_MAX,
  type FileProblem,
  type Read,
} from './record.ts';

/**
 * LDIF (RFC 2849): content records are read and written. A line is kept with its number, so that
 * what is wrong can be found. `attr:< file:…` is refused: a file that somebody hands in must not
 * name files of the administrator's machine.
 */
const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;
const HASH = 35;

interface Line {
  readonly number: number;
  readonly bytes: Buffer;
}

/** Physical lines, without their ends. */
function* physicalLines(bytes: Buffer): Generator<Line> {
  let at = 0;
  for (let number = 1; at < bytes.length; number++) {
    const end = bytes.indexOf(NEWLINE, at);
    const stop = end < 0 ? bytes.length : end;
    const last = stop > at && bytes[stop - 1] === RETURN ? stop - 1 : stop;
    yield { number, bytes: bytes.subarray(at, last) };
    at = stop + 1;
  }
}

/** Lines with what was folded put together again; comments left out; empty ones separate. */
function* logicalLines(bytes: Buffer): Generator<Line> {
  let open: { number: number; parts: Buffer[] } | undefined;
  const whole = (): Line | undefined =>
    open && {
      number: open.number,
      bytes: open.parts.length === 1 ? (open.parts[0] ?? Buffer.of()) : Buffer.concat(open.parts),
    };
  for (const line of physicalLines(bytes)) {
    if (line.bytes[0] === SPACE && open) {
      open.parts.push(line.bytes.subarray(1));
      continue;
    }
    const before = whole();
    if (before && before.bytes[0] !== HASH) yield before;
    open = { number: line.number, parts: [line.bytes] };
    if (line.bytes.length === 0) {
      yield line;
      open = undefined;
    }
  }
  const last = whole();
  if (last && last.bytes[0] !== HASH) yield last;
}

/** Lines of one record. */
function* groups(bytes: Buffer): Generator<readonly Line[]> {
  let lines: Line[] = [];
  for (const line of logicalLines(bytes)) {
    if (line.bytes.length > 0) lines.push(line);
    else if (lines.length > 0) {
      yield lines;
      lines = [];
    }
  }
  if (lines.length > 0) yield lines;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const utf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
};

/** Every record of an LDIF file. Never throws. */
export function* readLdif(bytes: Buffer): Generator<Read> {
  const marked = bytes.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf]));
  let first = true;
  for (const lines of groups(marked ? bytes.subarray(3) : bytes)) {
    const rest = first ? withoutVersion(lines) : lines;
    first = false;
    if (typeof rest === 'string') {
      yield problem(lines[0]?.number ?? 1, rest);
      return;
    }
    if (rest.length > 0) yield readRecord(rest);
  }
}

/** RFC 2849 version-spec, which may be left out. */
function withoutVersion(lines: readonly Line[]): readonly Line[] | string {
  const text = lines[0]?.bytes.toString('latin1') ?? '';
  const version = /^version: *(.*)$/i.exec(text)?.[1];
  if (version === undefined) return lines;
  return version.trim() === '1' ? lines.slice(1) : 'Only version 1 of LDIF is known';
}

function readRecord(lines: readonly Line[]): Read {
  const [head] = lines;
  const number = head?.number ?? 0;
  const values = new Map<string, string[]>();
  const spelling = new Map<string, string>();
  let dn: string | undefined;
  for (const line of lines) {
    const read = readLine(line);
    if ('message' in read) return { kind: 'problem', problem: read };
    const { name, value } = read;
    const key = name.toLowerCase();
    if (line === head) {
      if (key !== 'dn') return problem(number, 'A record begins with its dn');
      dn = value;
    } else if (key === 'changetype' && value.trim().toLowerCase() !== 'add') {
      return problem(line.number, 'changes are for ldapmodify; here a record is a whole user');
    } else if (key === 'control') {
      return problem(line.number, 'a record with controls is for ldapmodify');
    } else if (key !== 'changetype') {
      const known = spelling.get(key) ?? name;
      spelling.set(key, known);
      values.set(known, [...(values.get(known) ?? []), value]);
    }
  }
  if (dn === undefined) return problem(number, 'A record begins with its dn');
  const classes = (values.get(spelling.get('objectclass') ?? '') ?? []).map((one) =>
    one.toLowerCase(),
  );
  if (!classes.includes('mwuser') && !classes.includes('mwmailuser')) {
    return { kind: 'other', line: number };
  }
  return { kind: 'record', record: { line: number, values } };
}

function readLine({ number, bytes }: Line): { name: string; value: string } | FileProblem {
  const bad = (message: string): FileProblem => ({ line: number, message });
  const colon = bytes.indexOf(':');
  const name = bytes.toString('latin1', 0, Math.max(0, colon));
  if (colon < 0 || !isAttributeName(name)) return bad('is not "attribute: value"');
  const mark = bytes[colon + 1];
  if (mark === '<'.charCodeAt(0)) return bad(`${name}: values from a URL are not read`);
  const encoded = mark === ':'.charCodeAt(0);
  const from = bytes.findIndex((byte, i) => i > colon + (encoded ? 1 : 0) && byte !== SPACE);
  const rest = from < 0 ? Buffer.of() : bytes.subarray(from);
  if (rest.length > VALUE_OCTETS_MAX) return bad(`${name}: the value is too long`);
  const raw = encoded ? base64(rest) : rest;
  if (!raw) return bad(`${name}: the value is not base64`);
  const value = utf8(raw);
  if (value === undefined) return bad(`${name}: the value is not UTF-8`);
  return { name, value };
}

function base64(bytes: Buffer): Buffer | undefined {
  const text = bytes.toString('latin1').trim();
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined;
  return Buffer.from(text, 'base64');
}

/** RFC 2849 SAFE-STRING: else base64. A space at the end is kept so, note 8. */
// oxlint-disable-next-line no-control-regex -- the very characters that SAFE-CHAR leaves out
const SAFE = /^(?![ :<])[\u0001-\u0009\u000b\u000c\u000e-\u007f]*(?<! )$/;
const FOLD_AT = 76;

/** One record, with the empty line behind it. */
export function ldifRecord(
  dn: string,
  values: Iterable<readonly [name: string, values: readonly string[]]>,
): string {
  const lines = [written('dn', dn)];
  for (const [name, all] of values) for (const value of all) lines.push(written(name, value));
  return `${lines.join('')}\n`;
}

function written(name: string, value: string): string {
  const text = SAFE.test(value)
    ? `${name}: ${value}`.trimEnd()
    : `${name}:: ${Buffer.from(value).toString('base64')}`;
  if (text.length <= FOLD_AT) return `${text}\n`;
  const folded = [text.slice(0, FOLD_AT)];
  for (let at = FOLD_AT; at < text.length; at += FOLD_AT - 1) {
    folded.push(` ${text.slice(at, at + FOLD_AT - 1)}`);
  }
  return `${folded.join('\n')}\n`;
}
