import { isUtf8 } from 'node:buffer';
import { BerError, octets, parts, text, type Tlv } from './ber.ts';
import { comparable } from '../schema.ts';
import type { Entry } from './entry.ts';

/** A search filter (RFC 4511 §4.5.1.7), decoded; values are already comparable. */
export type Filter =
  | { readonly kind: 'and' | 'or'; readonly filters: readonly Filter[] }
  | { readonly kind: 'not'; readonly filter: Filter }
  | { readonly kind: 'present'; readonly attribute: string }
  | { readonly kind: 'equal'; readonly attribute: string; readonly value: string }
  | { readonly kind: 'at-least' | 'at-most'; readonly attribute: string; readonly value: string }
  | {
      readonly kind: 'substring';
      readonly attribute: string;
      readonly initial: string;
      readonly any: readonly string[];
      readonly final: string;
    };

/** The filter is of a kind that this server does not evaluate. */
export class FilterRefused extends Error {}

const ATTRIBUTE_DESCRIPTION = /^[A-Za-z0-9.;-]{1,100}$/;

/** @throws BerError, FilterRefused */
export function decodeFilter(tlv: Tlv | undefined): Filter {
  switch (tlv?.tag) {
    case 0xa0:
      return { kind: 'and', filters: tlv.children.map(decodeFilter) };
    case 0xa1:
      return { kind: 'or', filters: tlv.children.map(decodeFilter) };
    case 0xa2:
      return { kind: 'not', filter: decodeFilter(tlv.children[0]) };
    case 0xa3:
    case 0xa8: // approxMatch: as equality, which RFC 4511 §4.5.1.7.6 allows.
      return { kind: 'equal', ...assertion(tlv) };
    case 0xa4:
      return substring(tlv);
    case 0xa5:
      return { kind: 'at-least', ...assertion(tlv) };
    case 0xa6:
      return { kind: 'at-most', ...assertion(tlv) };
    case 0x87:
      return { kind: 'present', attribute: attribute(text(tlv, 0x87)) };
    case 0xa9:
      throw new FilterRefused('Extensible match is not supported by this server');
    default:
      throw new BerError('The filter is of no known kind');
  }
}

function attribute(name: string): string {
  if (!ATTRIBUTE_DESCRIPTION.test(name)) throw new BerError('The filter names no attribute');
  return name.toLowerCase();
}

function assertion(tlv: Tlv): { attribute: string; value: string } {
  const name = attribute(text(tlv.children[0]));
  return { attribute: name, value: comparable(name, asText(octets(tlv.children[1]))) };
}

function substring(tlv: Tlv): Filter {
  const name = attribute(text(tlv.children[0]));
  const pieces = parts(tlv.children[1]);
  const of = (tag: number): string[] =>
    pieces
      .filter((piece) => piece.tag === tag)
      .map((piece) => fold(name, asText(octets(piece, tag))));
  if (pieces.length === 0) throw new BerError('The substring filter is empty');
  return {
    kind: 'substring',
    attribute: name,
    initial: of(0x80)[0] ?? '',
    any: of(0x81),
    final: of(0x82)[0] ?? '',
  };
}

/** Octets that are not UTF-8 equal nothing that is. */
const asText = (bytes: Buffer): string =>
  isUtf8(bytes) ? bytes.toString('utf8') : `\0${bytes.toString('latin1')}`;

/** As `comparable`, without trimming: the ends of a piece are not the ends of a value. */
const fold = (name: string, piece: string): string => comparable(name, `x${piece}x`).slice(1, -1);

/** Which attributes of an entry count; what may not be read is as if it could not be compared. */
export type Visible = (attribute: string) => boolean;

/** Whether an entry matches. */
export const matches = (filter: Filter, entry: Entry, visible: Visible): boolean =>
  evaluate(filter, entry, visible) === true;

/** RFC 4511 §4.5.1.7: true, false or undefined, and the negation of undefined is undefined. */
function evaluate(filter: Filter, entry: Entry, visible: Visible): boolean | undefined {
  switch (filter.kind) {
    case 'and':
      return combine(filter.filters, false, (part) => evaluate(part, entry, visible));
    case 'or':
      return combine(filter.filters, true, (part) => evaluate(part, entry, visible));
    case 'not': {
      const inner = evaluate(filter.filter, entry, visible);
      return inner === undefined ? undefined : !inner;
    }
    default:
      break;
  }
  if (!visible(filter.attribute)) return undefined;
  const values = entry.get(filter.attribute);
  if (filter.kind === 'present') return values.length > 0;
  return values.some((value) => matchesValue(filter, comparable(filter.attribute, value)));
}

/** `and` is decided by a false part, `or` by a true one; what is left may be undefined. */
function combine(
  filters: readonly Filter[],
  decisive: boolean,
  of: (filter: Filter) => boolean | undefined,
): boolean | undefined {
  let unsure = false;
  for (const filter of filters) {
    const part = of(filter);
    if (part === decisive) return decisive;
    if (part === undefined) unsure = true;
  }
  return unsure ? undefined : !decisive;
}

type ValueFilter = Exclude<Filter, { kind: 'and' | 'or' | 'not' | 'present' }>;

function matchesValue(filter: ValueFilter, value: string): boolean {
  switch (filter.kind) {
    case 'equal':
      return value === filter.value;
    case 'at-least':
      return order(value, filter.value) >= 0;
    case 'at-most':
      return order(value, filter.value) <= 0;
    case 'substring':
      return hasPieces(value, filter);
  }
}

const INTEGER = /^-?\d{1,40}$/;

function order(a: string, b: string): number {
  if (INTEGER.test(a) && INTEGER.test(b)) {
    const [x, y] = [BigInt(a), BigInt(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

function hasPieces(value: string, filter: Extract<Filter, { kind: 'substring' }>): boolean {
  if (!value.startsWith(filter.initial)) return false;
  let at = filter.initial.length;
  for (const piece of filter.any) {
    const found = value.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return value.length - filter.final.length >= at && value.endsWith(filter.final);
}
