/**
 * One option value: from the text an operator wrote to what the program uses, and back.
 *
 * A duration needs a unit, since nobody agrees what a bare 30 means; a size without one is octets.
 * KB is 1,000 octets and KiB 1,024: there is no third reading to argue about.
 */
import { isIP } from 'node:net';
import type { ListOf, NumberKind, OptionRow } from './options.ts';

export type OptionValue = number | string | readonly string[];

/** `expected` finishes the sentence "VALUE is not …". */
export type ParsedValue =
  | { readonly ok: true; readonly value: OptionValue }
  | { readonly ok: false; readonly expected: string };

const MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const OCTETS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/**
 * Checks one value against its row. Strings, numbers and (for lists) arrays are understood, so
 * that the same engine reads YAML and `name=value` of the directory.
 */
export function parseValue(row: OptionRow, given: unknown): ParsedValue {
  switch (row.kind) {
    case 'count':
    case 'bytes':
    case 'duration':
      return parseNumber(row, given);
    case 'choice':
      return typeof given === 'string' && row.values.includes(given)
        ? { ok: true, value: given }
        : { ok: false, expected: `one of ${row.values.join(', ')}` };
    case 'text':
      return typeof given === 'string' && !/[\0\r\n]/.test(given)
        ? { ok: true, value: given }
        : { ok: false, expected: 'a text on one line' };
    case 'list':
      return parseList(row.of, given);
  }
}

function parseNumber(row: Extract<OptionRow, { kind: NumberKind }>, given: unknown): ParsedValue {
  const value = readNumber(row.kind, given);
  const [min, max] = [formatNumber(row.kind, row.min), formatNumber(row.kind, row.max)];
  if (value === undefined) {
    return { ok: false, expected: `${KIND_PROSE[row.kind]}, ${min} to ${max}` };
  }
  return value < row.min || value > row.max
    ? { ok: false, expected: `within ${min} to ${max}` }
    : { ok: true, value };
}

const KIND_PROSE: Readonly<Record<NumberKind, string>> = {
  count: 'a whole number',
  bytes: 'a size such as 64KiB or 50MB',
  duration: 'a duration such as 250ms, 30s, 5m or 1h30m',
};

function readNumber(kind: NumberKind, given: unknown): number | undefined {
  if (typeof given === 'number') {
    const plain = kind === 'duration' ? given === 0 : true; // A bare 30 might mean anything.
    return plain && Number.isSafeInteger(given) ? given : undefined;
  }
  if (typeof given !== 'string') return undefined;
  const text = given.trim();
  if (/^\d{1,15}$/.test(text)) return readNumber(kind, Number(text));
  if (kind === 'count') return undefined;
  return kind === 'bytes' ? readSize(text) : readDuration(text);
}

function readSize(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]{1,3})$/.exec(text);
  const unit = OCTETS[match?.[2] === 'kB' ? 'KB' : (match?.[2] ?? '')];
  const value = unit === undefined ? Number.NaN : Math.round(Number(match?.[1]) * unit);
  return Number.isSafeInteger(value) ? value : undefined;
}

function readDuration(text: string): number | undefined {
  if (!/^(?:\d{1,12}(?:ms|s|m|h|d) ?)+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) {
    sum += Number(digits) * (MS[unit ?? ''] ?? Number.NaN);
  }
  return Number.isSafeInteger(sum) ? sum : undefined;
}

function parseList(of: ListOf, given: unknown): ParsedValue {
  const items = typeof given === 'string' ? given.split(/[\s,]+/).filter(Boolean) : given;
  const isTexts = Array.isArray(items) && items.every((i) => typeof i === 'string');
  if (!isTexts) return { ok: false, expected: 'a list (items separated by commas)' };
  const list: readonly string[] = items;
  const { is, what } = ITEMS[of];
  const wrong = list.filter((item) => !is(item));
  return wrong.length === 0
    ? { ok: true, value: list }
    : { ok: false, expected: `a list of ${what} (${wrong.join(', ')})` };
}

const ITEMS: Readonly<Record<ListOf, { is: (text: string) => boolean; what: string }>> = {
  'address-range': { is: isAddressRange, what: 'addresses or CIDR ranges' },
  'address-port': { is: isAddressPort, what: 'ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT' },
  text: { is: () => true, what: 'texts' },
};

/** Whether a text is an address, or one with a port: 192.0.2.1, 192.0.2.1:53, ::1, [::1]:53. */
function isAddressPort(text: string): boolean {
  if (isIP(text) !== 0) return true;
  const [, v6, v4, port = '53'] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const family = isIP(v6 ?? v4 ?? '');
  return family === (v6 === undefined ? 4 : 6) && Number(port) > 0 && Number(port) <= 65_535;
}

/** Whether a text is an IPv4 or IPv6 address, or a range of them such as 10.0.0.0/8 or fd00::/8. */
export function isAddressRange(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || address.includes('%') || rest.length > 0) return false;
  if (prefix === undefined) return true;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
}

/** The shortest text that reads back as the same value: 5m, 50MB, 64KiB. */
export function formatValue(row: OptionRow, value: OptionValue): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'number') return value.join(', ');
  const isNumber = row.kind === 'count' || row.kind === 'bytes' || row.kind === 'duration';
  return isNumber ? formatNumber(row.kind, value) : String(value);
}

function formatNumber(kind: NumberKind, value: number): string {
  if (kind === 'count') return String(value);
  if (value === 0) return kind === 'duration' ? '0s' : '0B';
  const units = Object.entries(kind === 'duration' ? MS : OCTETS);
  const [unit, size] = units
    .filter(([, octets]) => value % octets === 0)
    .reduce((best, next) => (next[1] > best[1] ? next : best));
  return `${value / size}${unit}`;
}
