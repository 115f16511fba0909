import { nameKey } from '#maildir';
import type { Problems } from './problems.ts';

/**
 * Files of numbers: `dovecot-uidlist` and `courierimapuiddb`.
 *
 * A UID that stands for two messages counts for neither: a client may have either in its cache, and
 * would show the one for the other. A message that has two UIDs keeps the later.
 *
 * Standards: RFC 9051 §2.3.1.1
 */
export interface Row {
  readonly uid: number;
  /** The file's name as the row has it, without flags. */
  readonly base: string;
  /** What stands beside it, by its letter. */
  readonly fields: ReadonlyMap<string, string>;
}

export interface Numbers {
  readonly uidValidity: number;
  readonly uidNext: number;
  /** By key of the file. */
  readonly rows: ReadonlyMap<string, Row>;
}

const UINT32_MAX = 0xffff_ffff;
/** Above it a folder would soon have no number left (RFC 9051: 32 bits). */
export const UID_MAX = UINT32_MAX - 0x100_0000;

/** Version 3 of Dovecot: `uid P… W… :name`; else `uid name`. */
const ROW_3 = /^(\d{1,10})((?: [A-Z][^ ]*)*) :(.+)$/;
const ROW_1 = /^(\d{1,10}) (.+)$/;
const HEADER_3 = /^3((?: [A-Z][^ ]*)*) *$/;
const HEADER_1 = /^1 (\d{1,10}) (\d{1,10}) *$/;

/** @returns undefined when the file says nothing that can be used */
export function parseNumbers(text: string, where: string, problems: Problems): Numbers | undefined {
  const lines = text.split('\n');
  const head = headerOf(lines[0] ?? '');
  if (head === undefined || !isUidValidity(head.uidValidity) || head.uidNext > UID_MAX) {
    problems.add('numbers-broken', where);
    return undefined;
  }
  const rows: Row[] = [];
  for (const [index, line] of lines.entries()) {
    if (index === 0 || line === '') continue;
    const row = rowOf(line, head.version);
    if (row === undefined) problems.add('line-broken', `${where}, line ${index + 1}`);
    else rows.push(row);
  }
  return { ...head, ...judged(rows, { where, problems, uidNext: head.uidNext }) };
}

export const isUidValidity = (value: number): boolean => value >= 1 && value <= UINT32_MAX;
export const isUid = (value: number): boolean => value >= 1 && value <= UID_MAX;

function headerOf(
  line: string,
): { version: 1 | 3; uidValidity: number; uidNext: number } | undefined {
  const old = HEADER_1.exec(line);
  if (old !== null) return { version: 1, uidValidity: Number(old[1]), uidNext: Number(old[2]) };
  const match = HEADER_3.exec(line);
  if (match === null) return undefined;
  const fields = fieldsOf(match[1] ?? '');
  const [v, n] = [fields.get('V') ?? '', fields.get('N') ?? ''];
  if (!/^\d{1,10}$/.test(v) || !/^\d{1,10}$/.test(n)) return undefined;
  return { version: 3, uidValidity: Number(v), uidNext: Number(n) };
}

const fieldsOf = (text: string): Map<string, string> =>
  new Map(
    text
      .split(' ')
      .filter((field) => field !== '')
      .map((field) => [field.charAt(0), field.slice(1)]),
  );

function rowOf(line: string, version: 1 | 3): Row | undefined {
  const match = (version === 3 ? ROW_3 : ROW_1).exec(line);
  const name = match?.[version === 3 ? 3 : 2];
  if (match === null || name === undefined || name.includes('/')) return undefined;
  const colon = name.indexOf(':');
  return {
    uid: Number(match[1]),
    base: colon < 0 ? name : name.slice(0, colon),
    fields: version === 3 ? fieldsOf(match[2] ?? '') : new Map(),
  };
}

/** Rows that give each message one UID and each UID one message. */
function judged(
  rows: readonly Row[],
  about: { readonly where: string; readonly problems: Problems; readonly uidNext: number },
): { readonly rows: ReadonlyMap<string, Row>; readonly uidNext: number } {
  const { where, problems } = about;
  const keyOf = new Map<number, string>();
  const doubled = new Set<number>();
  let { uidNext } = about;
  for (const { uid, base } of rows) {
    const key = nameKey(base);
    const other = keyOf.get(uid);
    if (other !== undefined && other !== key) doubled.add(uid);
    keyOf.set(uid, key);
  }
  const byKey = new Map<string, Row>();
  for (const row of rows) {
    const text = `${where}, UID ${row.uid}`;
    if (doubled.has(row.uid)) problems.add('uid-doubled', text);
    else if (!isUid(row.uid)) problems.add('uid-impossible', text);
    else {
      if (row.uid >= about.uidNext) problems.add('uid-above-next', text);
      uidNext = Math.max(uidNext, row.uid + 1);
      const key = nameKey(row.base);
      if ((byKey.get(key)?.uid ?? 0) < row.uid) byKey.set(key, row);
    }
  }
  return { rows: byKey, uidNext };
}
