import type { MimePart, Parameters } from '../../message/mime/types.ts';
import { encodeUtf8, quoted } from './text.ts';
import { EMPTY_ENVELOPE, writeEnvelope } from './write-envelope.ts';
import { textOrNil, textString } from './write-text.ts';

export interface StructureForm {
  /** BODYSTRUCTURE has the extension data, BODY does not. */
  readonly item: 'BODY' | 'BODYSTRUCTURE';
  /**
   * After ENABLE IMAP4rev2 or UTF8=ACCEPT: parameters go decoded, and message/global is known
   * to be a message (RFC 9051 §7.5.2, RFC 6855 §3).
   */
  readonly utf8: boolean;
}

/** Stands where the grammar wants a part and there is none. */
const EMPTY_PART = '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0)';

/** The value of BODY or BODYSTRUCTURE (RFC 9051 §7.5.2). */
export const writeStructure = (part: MimePart, form: StructureForm): string =>
  part.type === 'multipart' ? multipart(part, form) : single(part, form);

function multipart(part: MimePart, form: StructureForm): string {
  let text = '(';
  for (const child of part.parts) text += writeStructure(child, form);
  if (part.parts.length === 0) text += EMPTY_PART;
  text += ` ${textString(part.subtype)}`;
  if (form.item === 'BODYSTRUCTURE') {
    text += ` ${parameters(part.parameters, form)}${extension(part, form)}`;
  }
  return `${text})`;
}

function single(part: MimePart, form: StructureForm): string {
  let text =
    `(${textString(part.type)} ${textString(part.subtype)} ` +
    `${parameters(part.parameters, form)} ${textOrNil(part.id)} ` +
    `${textOrNil(part.description)} ${textString(part.encoding)} ${part.body.wireOctets}`;
  if (part.type === 'text') text += ` ${part.lines}`;
  else if (isMessage(part, form)) text += ` ${inner(part, form)} ${part.lines}`;
  if (form.item === 'BODYSTRUCTURE') {
    text += ` ${textOrNil(part.md5)}${extension(part, form)}`;
  }
  return `${text})`;
}

const isMessage = (part: MimePart, form: StructureForm): boolean =>
  part.type === 'message' &&
  (part.subtype === 'rfc822' || (part.subtype === 'global' && form.utf8));

/** A message that was not looked into, being too deep, still has the type its sender gave it. */
function inner(part: MimePart, form: StructureForm): string {
  if (part.message === undefined) return `${EMPTY_ENVELOPE} ${EMPTY_PART}`;
  const { envelope, part: body } = part.message;
  return `${writeEnvelope(envelope)} ${writeStructure(body, form)}`;
}

/** Disposition, languages, location. */
const extension = (part: MimePart, form: StructureForm): string =>
  ` ${disposition(part.disposition, form)} ${languages(part.languages)}` +
  ` ${textOrNil(part.location)}`;

const disposition = (value: Parameters | undefined, form: StructureForm): string =>
  value === undefined
    ? 'NIL'
    : `(${textString(value.value)} ${parameters(value.parameters, form)})`;

const languages = (list: readonly string[]): string =>
  list.length === 0 ? 'NIL' : `(${list.map(textString).join(' ')})`;

function parameters(list: MimePart['parameters'], form: StructureForm): string {
  if (list.length === 0) return 'NIL';
  return `(${list.map(([name, value]) => parameter(name, value, form)).join(' ')})`;
}

// oxlint-disable-next-line no-control-regex
const SAID_BY_ALL = /^[\u0001-\u007e]*$/;

/** For who does not know UTF-8 a value beyond ASCII goes in the form of RFC 2231 §4. */
const parameter = (name: string, value: string, form: StructureForm): string =>
  form.utf8 || SAID_BY_ALL.test(value)
    ? `${textString(name)} ${textString(value)}`
    : `${textString(`${name}*`)} ${quoted(`utf-8''${percentEncoded(value)}`)}`;

const percentEncoded = (value: string): string =>
  encodeUtf8(value.toWellFormed()).replace(
    /[^A-Za-z0-9!#$&+.^_`|~-]/g,
    (octet) => `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
