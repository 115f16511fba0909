import type { Filter, FilterCondition } from '../jmap/types.ts';
import { parseQuery, type Field, type Query } from './parse.ts';

/** What a search needs to know besides its text. */
export interface SearchPlace {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Minutes that local time is behind UTC, as `Date.getTimezoneOffset` says. */
  readonly offsetMinutes: number;
  /** Id of the folder of this name or role, by any of its names. */
  readonly folder: (name: string) => string | undefined;
  /** Folders that are looked into only when they are asked for: Trash and Junk. */
  readonly left: readonly string[];
}

/** A part of the search that means nothing: it is left out, and the user is told. */
export interface Unclear {
  readonly field: Field;
  readonly value: string;
}

export interface Search {
  /** undefined: nothing is asked for. */
  readonly filter: Filter | undefined;
  readonly unclear: readonly Unclear[];
}

/** The filter of Email/query (RFC 8621 §4.4.1) that a text means. */
export function searchOf(text: string, place: SearchPlace): Search {
  const query = parseQuery(text);
  const unclear: Unclear[] = [];
  const filter = query && filterOf(query, place, unclear);
  if (!filter) return { filter: undefined, unclear };
  if (place.left.length === 0 || namesFolder(query)) return { filter, unclear };
  const elsewhere: Filter = { inMailboxOtherThan: place.left };
  return { filter: { operator: 'AND', conditions: [filter, elsewhere] }, unclear };
}

function namesFolder(query: Query): boolean {
  if (query.kind === 'field') return query.field === 'in';
  if (query.kind === 'not') return namesFolder(query.part);
  return query.kind !== 'words' && query.parts.some(namesFolder);
}

function filterOf(query: Query, place: SearchPlace, unclear: Unclear[]): Filter | undefined {
  switch (query.kind) {
    case 'words':
      return { text: phrase(query.text) };
    case 'not': {
      const part = filterOf(query.part, place, unclear);
      return part && { operator: 'NOT', conditions: [part] };
    }
    case 'field': {
      const found = condition(query.field, query.value, place);
      if (!found) unclear.push({ field: query.field, value: query.value });
      return found;
    }
    default: {
      const parts = query.parts.flatMap((part) => filterOf(part, place, unclear) ?? []);
      if (parts.length < 2) return parts[0];
      return { operator: query.kind === 'and' ? 'AND' : 'OR', conditions: parts };
    }
  }
}

/** RFC 8621 §4.4.1: several words in quotation marks are looked for as they stand. */
const phrase = (text: string): string => (text.includes(' ') ? `"${text}"` : text);

const STATES: Readonly<Record<string, FilterCondition>> = {
  unread: { notKeyword: '$seen' },
  read: { hasKeyword: '$seen' },
  starred: { hasKeyword: '$flagged' },
  unstarred: { notKeyword: '$flagged' },
  answered: { hasKeyword: '$answered' },
  draft: { hasKeyword: '$draft' },
};

function condition(
  field: Field,
  value: string,
  place: SearchPlace,
): FilterCondition | Filter | undefined {
  switch (field) {
    case 'has':
      return /^attachments?$/i.test(value) ? { hasAttachment: true } : undefined;
    case 'is': {
      const name = value.toLowerCase();
      return Object.hasOwn(STATES, name) ? STATES[name] : undefined;
    }
    case 'in': {
      const id = place.folder(value);
      return id === undefined ? undefined : { inMailbox: id };
    }
    case 'before':
    case 'after': {
      const at = dayOf(value, place);
      // RFC 8621 §4.4.1: "before" is less than, "after" is this moment or later.
      return at === undefined
        ? undefined
        : { [field]: new Date(at).toISOString().slice(0, 19) + 'Z' };
    }
    case 'larger':
    case 'smaller': {
      const size = octetsOf(value);
      if (size === undefined) return undefined;
      return field === 'larger' ? { minSize: size } : { maxSize: size };
    }
    default:
      return { [field]: phrase(value) };
  }
}

const DAY_MS = 86_400_000;
const UNITS: Readonly<Record<string, number>> = { d: 1, w: 7, m: 30, y: 365 };

/**
 * The moment at which a day begins where the user is: `2026`, `2026-11`, `2026-11-22`, `7d` ago.
 */
function dayOf(value: string, place: SearchPlace): number | undefined {
  const [, count, unit] = /^(\d{1,4})([dwmy])$/i.exec(value) ?? [];
  const offset = place.offsetMinutes * 60_000;
  if (count !== undefined && unit !== undefined) {
    const days = Number(count) * (UNITS[unit.toLowerCase()] ?? 1);
    return Math.floor((place.now - offset) / DAY_MS - days) * DAY_MS + offset;
  }
  const [, year, month, day] = /^(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?$/.exec(value) ?? [];
  if (year === undefined) return undefined;
  const at = Date.UTC(Number(year), Number(month ?? 1) - 1, Number(day ?? 1));
  const sound = new Date(at).getUTCMonth() === Number(month ?? 1) - 1;
  return sound ? at + offset : undefined;
}

const FACTORS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** `500`, `100k`, `5M`, `1.5 GB` without the blank; octets. */
function octetsOf(value: string): number | undefined {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)([kmg]?)b?$/i.exec(value) ?? [];
  if (digits === undefined) return undefined;
  return Math.round(Number(digits) * (FACTORS[unit?.toLowerCase() ?? ''] ?? 1));
}
