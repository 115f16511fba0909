/**
 * Header fields as JMAP shows them (RFC 8621 §4.1.2, §4.1.3): each field in each of its forms, made
 * of the octets of a header. What a stranger wrote is shown as far as it can be read; nothing here
 * throws for it.
 */
import { decodeWords } from '../../message/encoded-word.ts';
import { mailAddresses } from '../../message/mime/addresses.ts';
import { octetText } from '../../message/mime/charset.ts';
import { parseDate } from '../../message/mime/date.ts';
import { idsOf } from '../../message/mime/envelope.ts';
import type { MailAddress } from '../../message/mime/types.ts';

export const HEADER_FORMS = [
  'Raw',
  'Text',
  'Addresses',
  'GroupedAddresses',
  'MessageIds',
  'Date',
  'URLs',
] as const;
export type HeaderForm = (typeof HEADER_FORMS)[number];

/** `header:Subject:asText:all`, taken apart. */
export interface HeaderProperty {
  /** As the client wrote it. */
  readonly property: string;
  /** Name of the field, as the client wrote it. */
  readonly name: string;
  readonly form: HeaderForm;
  readonly which: 'last' | 'all';
}

/** One field of a header (RFC 8621 §4.1.3, EmailHeader). */
export interface Field {
  readonly name: string;
  /** Behind the colon, line ends of folding in it, without the last (§4.1.2.1). */
  readonly value: string;
}

/** RFC 8621 §4.1.2.3 */
export interface EmailAddress {
  readonly name: string | null;
  readonly email: string;
}

/** RFC 8621 §4.1.2.4 */
export interface EmailAddressGroup {
  readonly name: string | null;
  readonly addresses: readonly EmailAddress[];
}

const ADDRESSES = ['Addresses', 'GroupedAddresses'] as const;
/** Fields of RFC 5322 and RFC 2369 have these forms beside Raw; all other fields have any. */
const FORMS: ReadonlyMap<string, readonly HeaderForm[]> = new Map<string, readonly HeaderForm[]>([
  ...['subject', 'comments', 'keywords', 'list-id'].map((name) => [name, ['Text']] as const),
  ...['from', 'sender', 'reply-to', 'to', 'cc', 'bcc'].map((name) => [name, ADDRESSES] as const),
  ...['from', 'sender', 'reply-to', 'to', 'cc', 'bcc'].map(
    (name) => [`resent-${name}`, ADDRESSES] as const,
  ),
  ...['message-id', 'in-reply-to', 'references', 'resent-message-id'].map(
    (name) => [name, ['MessageIds']] as const,
  ),
  ...['date', 'resent-date'].map((name) => [name, ['Date']] as const),
  ...['help', 'unsubscribe', 'subscribe', 'post', 'owner', 'archive'].map(
    (name) => [`list-${name}`, ['URLs']] as const,
  ),
  ...['received', 'return-path'].map((name) => [name, []] as const),
]);

const FIELD_NAME = /^[!-9;-~]{1,200}$/;
const PROPERTY = /^header:([^:]+)(?::as([A-Za-z]+))?(:all)?$/;

/** @returns undefined for what is no header property, or a form that the field does not have */
export function headerProperty(property: string): HeaderProperty | undefined {
  const match = PROPERTY.exec(property);
  const [, name = '', as = 'Raw', all] = match ?? [];
  const form = HEADER_FORMS.find((one) => one === as);
  if (match === null || form === undefined || !FIELD_NAME.test(name)) return undefined;
  const allowed = FORMS.get(name.toLowerCase());
  if (form !== 'Raw' && allowed !== undefined && !allowed.includes(form)) return undefined;
  return { property, name, form, which: all === undefined ? 'last' : 'all' };
}

/** The fields of a header, in wire or stored form, up to its blank line. */
export function fieldsOf(header: Uint8Array): readonly Field[] {
  const fields: { name: string; value: string }[] = [];
  const text = Buffer.from(header.buffer, header.byteOffset, header.length).toString('latin1');
  for (const line of text.replaceAll('\0', '').split(/(?<=\n)/)) {
    const last = fields.at(-1);
    if (/^[ \t]/.test(line) && last !== undefined) {
      last.value += line;
      continue;
    }
    const match = /^([!-9;-~]+)[ \t]*:/.exec(line);
    if (match !== null) fields.push({ name: match[1] ?? '', value: line.slice(match[0].length) });
    else if (fields.length > 0 || !line.startsWith('From ')) break;
  }
  // Each has a character set of its own, or none: it is looked at by itself.
  return fields.map(({ name, value }) => ({ name, value: octetText(value.replace(/\r?\n$/, '')) }));
}

/** What a property says of a header; null, or [] for `all`, where the field is not there. */
export function headerValue(fields: readonly Field[], asked: HeaderProperty): unknown {
  const name = asked.name.toLowerCase();
  const found = fields.filter((field) => field.name.toLowerCase() === name);
  const shown = SHOWN[asked.form];
  if (asked.which === 'all') return found.map(({ value }) => shown(value));
  const last = found.at(-1);
  return last === undefined ? null : shown(last.value);
}

const unfolded = (raw: string): string => raw.replace(/\r?\n(?=[ \t])/g, '');

const SHOWN: Readonly<Record<HeaderForm, (raw: string) => unknown>> = {
  Raw: (raw) => raw,
  Text: (raw) => textOf(unfolded(raw)),
  Addresses: (raw) => addressesOf(mailAddresses(unfolded(raw))),
  GroupedAddresses: (raw) => groupsOf(mailAddresses(unfolded(raw))),
  MessageIds: (raw) => messageIdsOf(unfolded(raw)),
  Date: (raw) => dateText(unfolded(raw)),
  URLs: (raw) => urlsOf(unfolded(raw)),
};

/** §4.1.2.2 */
export const textOf = (value: string): string =>
  decodeWords(value.trimStart()).trimEnd().normalize('NFC');

/** §4.1.2.3: groups are taken apart. */
export const addressesOf = (found: readonly MailAddress[]): readonly EmailAddress[] =>
  found.flatMap((one) => (one.domain === undefined ? [] : [addressOf(one)]));

/** §4.1.2.4: addresses outside of groups are together in groups without a name. */
export function groupsOf(found: readonly MailAddress[]): readonly EmailAddressGroup[] {
  const groups: { name: string | null; addresses: EmailAddress[] }[] = [];
  let open: { name: string | null; addresses: EmailAddress[] } | undefined;
  for (const one of found) {
    if (one.domain === undefined) {
      open = one.local === undefined ? undefined : { name: nameOf(one.local), addresses: [] };
      if (open !== undefined) groups.push(open);
      continue;
    }
    if (open === undefined) {
      open = { name: null, addresses: [] };
      groups.push(open);
    }
    open.addresses.push(addressOf(one));
  }
  return groups;
}

const ATOM = /^[^\s"(),:;<>@[\\\]]+$/;

function addressOf({ name, local = '', domain = '' }: MailAddress): EmailAddress {
  const plain = ATOM.test(local) || local === '';
  const quoted = plain || domain === '' ? local : `"${local.replace(/["\\]/g, String.raw`\$&`)}"`;
  const email = domain === '' ? quoted : `${quoted}@${domain}`;
  return { name: name === undefined ? null : nameOf(name), email };
}

const nameOf = (name: string): string | null => {
  const text = decodeWords(name).trim().normalize('NFC');
  return text === '' ? null : text;
};

/** §4.1.2.5: without angle brackets. */
export function messageIdsOf(value: string | undefined): readonly string[] | null {
  const ids = idsOf(value);
  return ids.length === 0 ? null : ids;
}

const pad = (number: number): string => String(number).padStart(2, '0');

/** §4.1.2.6: a Date of RFC 8620 §1.4, with the zone that was written. */
export function dateText(value: string | undefined): string | null {
  const date = parseDate(value);
  if (date === undefined) return null;
  const { time, written } = date;
  if (written < -62_135_596_800_000 || written > 253_402_300_799_000) return null;
  const local = new Date(written).toISOString().slice(0, 19);
  const minutes = Math.round((written - time) / 60_000);
  if (minutes === 0) return `${local}Z`;
  const size = Math.abs(minutes);
  if (size >= 24 * 60) return null;
  return `${local}${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

/** A UTCDate of RFC 8620 §1.4. @param ms since 1970 */
export const utcDate = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** §4.1.2.7 */
function urlsOf(value: string): readonly string[] | null {
  const urls = Array.from(value.matchAll(/<([^<>]*)>/g), (match) =>
    (match[1] ?? '').replace(/\s+/g, ''),
  );
  return urls.length === 0 ? null : urls;
}
