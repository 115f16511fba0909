/**
 * Email/set create (RFC 8621 §4.6): the message that an Email object describes. What the object
 * cannot mean is refused with the properties that are at fault; nothing of it is guessed.
 */
import { dateTime } from '../../message/date.ts';
import { messageId } from '../../message/body.ts';
import { composed, type Composed } from '../../message/compose.ts';
import { parametersField } from '../../message/compose-fields.ts';
import { fieldOf } from '../wire/email.ts';
import { headerProperty, type HeaderProperty } from '../wire/header.ts';
import { headerLine } from '../wire/header-write.ts';
import type { Args, JmapContext, OpenBlob } from '../types.ts';
import { isRecord } from '../wire/values.ts';
import { isNone, stringOr } from './arguments.ts';
import { badProperties, SetRefusal } from './standard.ts';

const BODY = ['bodyStructure', 'textBody', 'htmlBody', 'attachments', 'bodyValues'];
/** Of the message itself, and not of what is written. */
const ASIDE = ['mailboxIds', 'keywords', 'receivedAt'];
const PARTS_MAX = 1000;
const DEPTH_MAX = 20;

/** The message in stored form. @throws SetRefusal, StoreError */
export async function composedEmail(
  object: Args,
  context: JmapContext,
): Promise<AsyncIterable<Uint8Array>> {
  const names = Object.keys(object);
  const fields = headFields(object, names, context);
  const root = await bodyOf(object, context);
  return composed(fields, root, context.random);
}

/** Fields of the message but for those of its body. */
function headFields(object: Args, names: readonly string[], context: JmapContext): string {
  const lines: string[] = [];
  const seen = new Map<string, string>();
  const there = new Set<string>();
  for (const name of names) {
    if (BODY.includes(name) || ASIDE.includes(name)) continue;
    const header = fieldOf(name) ?? headerProperty(name);
    if (header === undefined) badProperties([name], `${name.slice(0, 100)} cannot be set`);
    const field = header.name.toLowerCase();
    const before = seen.get(field);
    if (before !== undefined) badProperties([before, name], `${field} is there twice`);
    seen.set(field, name);
    if (field.startsWith('content-')) badProperties([name], `${field} is of a part`);
    const written = linesOf({ ...header, property: name }, object[name]).join('');
    if (written !== '') there.add(field);
    lines.push(written);
  }
  const { clock, random, account } = context;
  const now = clock.now();
  const host = account.login
    .slice(account.login.lastIndexOf('@') + 1)
    .replace(/[^A-Za-z0-9.-]/g, '-');
  if (!there.has('date')) lines.push(`Date: ${dateTime(now)}\n`);
  if (!there.has('message-id')) lines.push(`Message-ID: <${messageId(random, now, host)}>\n`);
  if (!there.has('mime-version')) lines.push('MIME-Version: 1.0\n');
  return lines.join('');
}

/** One field, or with `:all` several. @throws SetRefusal */
function linesOf(header: HeaderProperty, value: unknown): readonly string[] {
  const { property, name, form, which } = header;
  const values = which === 'all' ? value : [value];
  if (!Array.isArray(values)) badProperties([property], `${property} is a list`);
  return (values as readonly unknown[]).map((one) => {
    const line = headerLine(name, form, one);
    return line ?? badProperties([property], `${property} has not the form ${form}`);
  });
}

interface Making {
  readonly context: JmapContext;
  readonly values: ReadonlyMap<string, string>;
  readonly missing: string[];
  octets: number;
  parts: number;
}

async function bodyOf(object: Args, context: JmapContext): Promise<Composed> {
  const making: Making = { context, values: valuesOf(object), missing: [], octets: 0, parts: 0 };
  const lists = ['textBody', 'htmlBody', 'attachments'].filter((name) => !isNone(object[name]));
  if (!isNone(object['bodyStructure']) && lists.length > 0) {
    badProperties(['bodyStructure', ...lists], 'A body is given as a structure or as lists');
  }
  const root = isNone(object['bodyStructure'])
    ? await fromLists(object, making)
    : await madePart(making, object['bodyStructure'], { at: 'bodyStructure', depth: 0 });
  if (making.missing.length > 0) {
    throw new SetRefusal({ type: 'blobNotFound', notFound: [...new Set(making.missing)] });
  }
  const most = context.limits.maxSizeAttachmentsPerEmail;
  if (making.octets > most) {
    throw new SetRefusal({ type: 'tooLarge', description: `${most} octets may be attached` });
  }
  return root;
}

function valuesOf(object: Args): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  const given = object['bodyValues'] ?? {};
  if (!isRecord(given)) return badProperties(['bodyValues'], 'bodyValues is an object');
  for (const [partId, value] of Object.entries(given)) {
    const text = isRecord(value) ? value['value'] : undefined;
    if (!isRecord(value) || typeof text !== 'string') {
      return badProperties([`bodyValues/${partId}`], 'A body value has a value');
    }
    if (value['isTruncated'] === true || value['isEncodingProblem'] === true) {
      badProperties([`bodyValues/${partId}`], 'A body value is whole and without problems');
    }
    values.set(partId, text.replaceAll('\r\n', '\n'));
  }
  return values;
}

/** §4.6: text, HTML, or both; pictures that HTML shows beside it; all else behind. */
async function fromLists(object: Args, making: Making): Promise<Composed> {
  const texts = await listed(object, 'textBody', making);
  const htmls = await listed(object, 'htmlBody', making);
  const attached = await listed(object, 'attachments', making);
  for (const [name, type, list] of [
    ['textBody', 'text/plain', texts],
    ['htmlBody', 'text/html', htmls],
  ] as const) {
    const [only] = list;
    if (list.length > 1 || (only && only.type !== type)) {
      badProperties([name], `${name} is one part of type ${type}`);
    }
  }
  const isShown = ({ disposition, cid }: MadePart): boolean => disposition === 'inline' && cid;
  const shown = htmls.length > 0 ? attached.filter(isShown) : [];
  const behind = attached.filter((one) => !shown.includes(one)).map(({ made }) => made);
  const html = htmls.map(({ made }) => made);
  const related =
    shown.length > 0 ? [together('related', [...html, ...shown.map(({ made }) => made)])] : html;
  const bodies = [...texts.map(({ made }) => made), ...related];
  const body = bodies.length > 1 ? together('alternative', bodies) : (bodies[0] ?? EMPTY);
  return behind.length > 0 ? together('mixed', [body, ...behind]) : body;
}

const EMPTY: Composed = {
  kind: 'text',
  fields: 'Content-Type: text/plain; charset=utf-8\n',
  text: '',
};

const together = (subtype: string, parts: readonly Composed[]): Composed => ({
  kind: 'multipart',
  fields: (boundary) =>
    parametersField('Content-Type', `multipart/${subtype}`, [['boundary', boundary]]),
  parts,
});

interface MadePart {
  readonly made: Composed;
  readonly type: string;
  readonly disposition: string | undefined;
  readonly cid: boolean;
}

async function listed(object: Args, name: string, making: Making): Promise<readonly MadePart[]> {
  const list = object[name] ?? [];
  if (!Array.isArray(list) || !list.every(isRecord)) {
    return badProperties([name], `${name} is a list of parts`);
  }
  const made: MadePart[] = [];
  for (const [at, one] of list.entries()) {
    made.push({
      made: await madePart(making, one, { at: `${name}[${at}]`, depth: 1 }),
      type: stringOr(one['type'], name === 'textBody' ? 'text/plain' : '').toLowerCase(),
      disposition: typeof one['disposition'] === 'string' ? one['disposition'] : undefined,
      cid: typeof one['cid'] === 'string',
    });
  }
  return made;
}

interface Where {
  /** For the error. */
  readonly at: string;
  readonly depth: number;
}

const TYPE = /^[A-Za-z0-9!#$&^_.+-]{1,100}\/[A-Za-z0-9!#$&^_.+-]{1,100}$/;
const PART =
  'partId blobId size name type charset disposition cid language location subParts'.split(' ');

async function madePart(making: Making, given: unknown, where: Where): Promise<Composed> {
  const { at, depth } = where;
  if (!isRecord(given)) return badProperties([at], `${at} is a part`);
  making.parts += 1;
  if (depth > DEPTH_MAX || making.parts > PARTS_MAX)
    badProperties([at], 'These are too many parts');
  const type = given['type'] ?? (isNone(given['partId']) ? undefined : 'text/plain');
  const { subParts, partId, blobId } = given;
  if (type !== undefined && (typeof type !== 'string' || !TYPE.test(type))) {
    badProperties([`${at}/type`], 'That is no media type');
  }
  if (typeof type === 'string' && /^multipart\//i.test(type)) {
    if (!Array.isArray(subParts) || subParts.length === 0 || !isNone(partId) || !isNone(blobId)) {
      return badProperties([`${at}/subParts`], 'A multipart has parts and nothing else');
    }
    const parts: Composed[] = [];
    for (const [index, sub] of subParts.entries()) {
      parts.push(await madePart(making, sub, { at: `${at}/subParts[${index}]`, depth: depth + 1 }));
    }
    const others = partFields(given, where);
    return {
      kind: 'multipart',
      fields: (boundary) =>
        parametersField('Content-Type', type.toLowerCase(), [['boundary', boundary]]) + others,
      parts,
    };
  }
  if (!isNone(subParts)) badProperties([`${at}/subParts`], 'Only a multipart has parts');
  if (isNone(partId) === isNone(blobId)) {
    badProperties([`${at}/partId`, `${at}/blobId`], 'A part has a partId or a blobId');
  }
  return isNone(partId) ? await blobPart(making, given, where) : textPart(making, given, where);
}

function textPart({ values }: Making, given: Args, where: Where): Composed {
  const { at } = where;
  const type = stringOr(given['type'], 'text/plain').toLowerCase();
  const text = typeof given['partId'] === 'string' ? values.get(given['partId']) : undefined;
  if (text === undefined)
    return badProperties([`${at}/partId`], 'There is no body value of this id');
  if (!type.startsWith('text/')) badProperties([`${at}/type`], 'A body value is of type text/…');
  if (!isNone(given['charset'])) badProperties([`${at}/charset`], 'The server chooses the charset');
  const name = nameOf(given, where);
  const parameters: [string, string][] = [['charset', 'utf-8'], ...name];
  const fields = parametersField('Content-Type', type, parameters) + partFields(given, where);
  return { kind: 'text', fields, text };
}

async function blobPart(making: Making, given: Args, where: Where): Promise<Composed> {
  const { blobId } = given;
  const blob = typeof blobId === 'string' ? await making.context.blobs.open(blobId) : undefined;
  if (blob === undefined) making.missing.push(String(blobId));
  else making.octets += blob.octets ?? 0;
  const said = stringOr(given['type'], blob?.type ?? '');
  const type = TYPE.test(said) && !/^multipart\//i.test(said) ? said.toLowerCase() : OCTETS;
  const charset = given['charset'];
  const parameters: [string, string][] = [
    ...(typeof charset === 'string' ? [['charset', charset] as [string, string]] : []),
    ...nameOf(given, where),
  ];
  const fields = parametersField('Content-Type', type, parameters) + partFields(given, where);
  const encoding = type.startsWith('message/') ? 'as-is' : 'base64';
  return { kind: 'octets', fields, encoding, octets: () => (blob as OpenBlob).read() };
}

const OCTETS = 'application/octet-stream';

function nameOf(given: Args, { at }: Where): readonly [string, string][] {
  const { name } = given;
  if (isNone(name)) return [];
  return typeof name === 'string'
    ? [['name', name]]
    : badProperties([`${at}/name`], 'name is text');
}

/** Fields of a part but for its type and encoding. */
function partFields(given: Args, { at }: Where): string {
  const { name, disposition, cid, language, location } = given;
  const lines: string[] = [];
  const wrong = (property: string): never =>
    badProperties([`${at}/${property}`], `${property} is none`);
  if (!isNone(disposition) || typeof name === 'string') {
    const value = disposition ?? 'attachment';
    if (typeof value !== 'string' || !/^[A-Za-z0-9-]{1,40}$/.test(value)) wrong('disposition');
    const parameters: [string, string][] = typeof name === 'string' ? [['filename', name]] : [];
    lines.push(
      parametersField('Content-Disposition', stringOr(value, '').toLowerCase(), parameters),
    );
  }
  if (!isNone(cid)) {
    if (typeof cid !== 'string' || !/^[\x21-\x3b\x3d\x3f-\x7e]{1,500}$/.test(cid)) wrong('cid');
    lines.push(`Content-ID: <${stringOr(cid, '')}>\n`);
  }
  if (!isNone(language)) {
    const all = Array.isArray(language) ? language : wrong('language');
    if (!all.every((one) => /^[A-Za-z0-9-]{1,60}$/.test(String(one)))) wrong('language');
    if (all.length > 0) lines.push(`Content-Language: ${all.slice(0, 10).join(', ')}\n`);
  }
  if (!isNone(location)) {
    const url = stringOr(location, '');
    if (!/^[\x21-\x7e]{1,900}$/.test(url)) wrong('location');
    lines.push(`Content-Location: ${url}\n`);
  }
  for (const property of Object.keys(given)) {
    if (PART.includes(property)) continue;
    const header = headerProperty(property);
    if (header === undefined || TAKEN.has(header.name.toLowerCase())) return wrong(property);
    lines.push(...linesOf(header, given[property]));
  }
  return lines.join('');
}

/** Fields that other properties of a part make. */
const TAKEN: ReadonlySet<string> = new Set([
  'content-type',
  'content-disposition',
  'content-transfer-encoding',
  'content-id',
  'content-language',
  'content-location',
]);
