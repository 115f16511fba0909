import { dnKey, parseDn } from '../dn.ts';
import { Entry, printedName, rememberSpelling, type Attributes } from './entry.ts';

/** A line of LDIF that cannot be read (RFC 2849). */
export class LdifError extends Error {
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.name = 'LdifError';
  }
}

/** One record: an entry, or a change to one. */
export interface LdifRecord {
  readonly dn: string;
  readonly changetype: string | undefined;
  readonly attributes: Attributes;
}

/** RFC 2849 SAFE-STRING; everything else is base64. */
const SAFE = /^(?![ :<])[\u0001-\u0009\u000b\u000c\u000e-\u007f]*(?<! )$/;

function ldifLine(name: string, value: string): string {
  return SAFE.test(value)
    ? `${name}: ${value}\n`
    : `${name}:: ${Buffer.from(value).toString('base64')}\n`;
}

/** An entry as LDIF; with a change type as a change record. */
export function entryToLdif(entry: Entry, changetype?: 'add'): string {
  let out = ldifLine('dn', entry.dn);
  if (changetype) out += ldifLine('changetype', changetype);
  for (const [name, values] of Object.entries(entry.attributes)) {
    for (const value of values) out += ldifLine(printedName(name), value);
  }
  return `${out}\n`;
}

export const deleteToLdif = (dn: string): string =>
  `${ldifLine('dn', dn)}${ldifLine('changetype', 'delete')}\n`;

/** Records of an LDIF text. @throws LdifError, DnError */
export function* readLdif(text: string): Generator<LdifRecord> {
  let record: { dn: string; changetype: string | undefined; attributes: Record<string, string[]> } =
    empty();
  let number = 0;
  for (const raw of unfold(text)) {
    number = raw.number;
    if (raw.line === '') {
      if (record.dn !== '') yield record;
      record = empty();
      continue;
    }
    if (raw.line.startsWith('#') || (record.dn === '' && /^version:/i.test(raw.line))) continue;
    const { name, value } = readLine(raw.line, number);
    if (record.dn === '') {
      if (name !== 'dn') throw new LdifError(number, 'a record starts with dn');
      record.dn = value;
    } else if (name === 'changetype') record.changetype = value;
    else if (Object.hasOwn(record.attributes, name)) record.attributes[name]?.push(value);
    else record.attributes[name] = [value];
  }
  if (record.dn !== '') yield record;
}

const empty = (): {
  dn: string;
  changetype: string | undefined;
  attributes: Record<string, string[]>;
} => ({ dn: '', changetype: undefined, attributes: {} });

/** Lines, with those that start with a space joined to the one before; at the end an empty one. */
function* unfold(text: string): Generator<{ line: string; number: number }> {
  let pending: { line: string; number: number } | undefined;
  let number = 0;
  for (const raw of text.split('\n')) {
    number += 1;
    const current = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (pending && current.startsWith(' ')) pending.line += current.slice(1);
    else {
      if (pending) yield pending;
      pending = { line: current, number };
    }
  }
  if (pending) yield pending;
}

function readLine(text: string, number: number): { name: string; value: string } {
  const found = /^([A-Za-z0-9.;-]+):(:?) *(.*)$/su.exec(text);
  if (!found) throw new LdifError(number, 'neither an attribute nor a comment');
  const [, name = '', base64, value = ''] = found;
  const decoded = base64 ? Buffer.from(value, 'base64').toString('utf8') : value;
  return { name: rememberSpelling(name), value: decoded };
}

/** The entry of a record. @throws DnError */
export function recordToEntry(record: LdifRecord): Entry {
  const rdns = parseDn(record.dn);
  return new Entry({
    dn: record.dn,
    key: dnKey(rdns),
    parent: dnKey(rdns.slice(1)),
    attributes: record.attributes,
  });
}
