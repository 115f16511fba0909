/**
 * Header fields from the forms in which clients give them (RFC 8621 §4.1.2, §4.6). Undefined for
 * what a form cannot hold; '' for a field with nothing in it, which is left out.
 */
import {
  idsField,
  peopleField,
  textField,
  urlsField,
  type Group,
} from '../../message/compose-fields.ts';
import type { Person } from '../../message/field.ts';
import type { HeaderForm } from './header.ts';

const RAW_MAX = 65_536;
const LINE_MAX = 998;

export const headerLine = (name: string, form: HeaderForm, value: unknown): string | undefined =>
  value === null ? '' : WRITTEN[form](name, value);

type Write = (name: string, value: unknown) => string | undefined;

const WRITTEN: Readonly<Record<HeaderForm, Write>> = {
  Raw: (name, value) => (typeof value === 'string' ? rawLine(name, value) : undefined),
  Text: (name, value) => (typeof value === 'string' ? textField(name, value) : undefined),
  Addresses: (name, value) => {
    const people = peopleOf(value);
    return people && peopleField(name, [{ name: undefined, people }]);
  },
  GroupedAddresses: (name, value) => {
    const groups = listOf(value, groupOf);
    return groups && peopleField(name, groups);
  },
  MessageIds: (name, value) => {
    const ids = listOf(value, textOf);
    return ids && idsField(name, ids);
  },
  Date: (name, value) => {
    const date = typeof value === 'string' ? dateField(value) : undefined;
    return date && `${name}: ${date}\n`;
  },
  URLs: (name, value) => {
    const urls = listOf(value, textOf);
    return urls && urlsField(name, urls);
  },
};

function listOf<T>(value: unknown, read: (one: unknown) => T | undefined): T[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const found = value.map(read);
  return found.includes(undefined) ? undefined : (found as T[]);
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined;

const isNameOrNone = (name: unknown): boolean =>
  name === undefined || name === null || typeof name === 'string';

const peopleOf = (value: unknown): Person[] | undefined => listOf(value, personOf);

function personOf(value: unknown): Person | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, email } = value as { name?: unknown; email?: unknown };
  if (typeof email !== 'string' || !isNameOrNone(name)) return undefined;
  return { name: typeof name === 'string' ? name : undefined, address: email };
}

function groupOf(value: unknown): Group | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, addresses } = value as { name?: unknown; addresses?: unknown };
  const people = peopleOf(addresses);
  if (people === undefined || !isNameOrNone(name)) return undefined;
  return { name: typeof name === 'string' ? name : undefined, people };
}

/** What stands behind the colon, folded by the client or not: lines that begin with a blank. */
function rawLine(name: string, value: string): string | undefined {
  if (value.length > RAW_MAX || !/^[\t\n\r\x20-\x7e]*$/.test(value)) return undefined;
  const lines = `${name}:${value}`.replaceAll('\r\n', '\n').split('\n');
  const whole = lines.every(
    (line, at) => line.length <= LINE_MAX && (at === 0 || /^[ \t]+\S/.test(line)),
  );
  return whole && !value.replaceAll('\r\n', '').includes('\r')
    ? `${lines.join('\n')}\n`
    : undefined;
}

const DATE = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|([+-])(\d\d):(\d\d))$/;

/** RFC 5322 §3.3 of a Date of RFC 8620 §1.4. */
export function dateField(value: string): string | undefined {
  const match = DATE.exec(value);
  const local = match === null ? NaN : Date.parse(`${match[1]}Z`);
  if (match === null || Number.isNaN(local)) return undefined;
  const [, , sign = '+', hours = '00', minutes = '00'] = match;
  if (Number(hours) > 23 || Number(minutes) > 59) return undefined;
  return new Date(local).toUTCString().replace('GMT', `${sign}${hours}${minutes}`);
}
