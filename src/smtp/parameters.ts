/**
 * ESMTP parameters of MAIL and RCPT (RFC 5321 §4.1.2: `esmtp-keyword ["=" esmtp-value]`). What we
 * do not announce we do not take: 555 (RFC 5321 §4.1.1.11). A parameter stands once at most.
 */
import { isAscii } from 'node:buffer';
import { ReplyError } from './replies.ts';
import type { NotifyCondition, RecipientDsn } from './types.ts';

const PARAMETER = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^=\s\0-\x1f\x7f]+))?$/;

/** Name in upper case to value; '' for a parameter without one. @throws ReplyError */
export function parseParameters(text: string, known: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of text.split(' ')) {
    if (part === '') continue;
    const match = PARAMETER.exec(part);
    if (!match) throw new ReplyError('badSyntax');
    const name = (match[1] ?? '').toUpperCase();
    if (!known.includes(name)) throw new ReplyError('badParameter');
    if (found.has(name)) throw new ReplyError('badSyntax');
    found.set(name, match[2] ?? '');
  }
  return found;
}

/** SIZE=, octets; 0 when absent. RFC 1870 §5: at most 20 digits. @throws ReplyError */
export function sizeParameter(value: string | undefined): number {
  if (value === undefined) return 0;
  if (!/^\d{1,20}$/.test(value)) throw new ReplyError('badSyntax');
  return Number(value);
}

/** BODY= is 7BIT or 8BITMIME (RFC 6152 §2); both are stored alike. @throws ReplyError */
export function checkBody(value: string | undefined): void {
  if (value === undefined) return;
  if (!['7BIT', '8BITMIME'].includes(value.toUpperCase())) throw new ReplyError('badSyntax');
}

/** Octets of a value as it is sent (RFC 3461 §4.2, §4.4). */
const ENVID_LENGTH_MAX = 100;
const ORCPT_LENGTH_MAX = 500;
/** RFC 4954 §5: an address, or `<>`, as xtext. */
const AUTH_LENGTH_MAX = 500;
const ADDRESS_TYPE = /^[A-Za-z0-9-]{1,64}$/;

/** RET= (RFC 3461 §4.3). @throws ReplyError */
export function retParameter(value: string | undefined): 'full' | 'hdrs' | undefined {
  if (value === undefined) return undefined;
  const name = value.toLowerCase();
  if (name !== 'full' && name !== 'hdrs') throw new ReplyError('badSyntax');
  return name;
}

/** ENVID= (RFC 3461 §4.4), decoded. @throws ReplyError */
export function envidParameter(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (value === '' || value.length > ENVID_LENGTH_MAX) throw new ReplyError('badSyntax');
  return xtext(value);
}

/** NOTIFY= and ORCPT= (RFC 3461 §4.1, §4.2). @throws ReplyError */
export function dsnParameters(found: ReadonlyMap<string, string>, smtpUtf8: boolean): RecipientDsn {
  const address = found.get('ORCPT');
  if (address !== undefined && !smtpUtf8 && !isAscii(Buffer.from(address))) {
    throw new ReplyError('badSyntax');
  }
  return { notify: notify(found.get('NOTIFY')), original: original(address) };
}

/** AUTH= of MAIL (RFC 4954 §5): taken, and believed by nobody. @throws ReplyError */
export function checkAuthParameter(value: string | undefined): void {
  if (value === undefined) return;
  if (value === '' || value.length > AUTH_LENGTH_MAX) throw new ReplyError('badSyntax');
  xtext(value);
}

function notify(value: string | undefined): RecipientDsn['notify'] {
  if (value === undefined) return undefined;
  const names = value.toLowerCase().split(',');
  if (names.length === 1 && names[0] === 'never') return 'never';
  const conditions = names.map((name): NotifyCondition => {
    if (name === 'success' || name === 'failure' || name === 'delay') return name;
    throw new ReplyError('badSyntax');
  });
  if (new Set(conditions).size < conditions.length) throw new ReplyError('badSyntax');
  return conditions;
}

function original(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const semicolon = value.indexOf(';');
  const type = value.slice(0, semicolon);
  const address = value.slice(semicolon + 1);
  const valid = semicolon > 0 && ADDRESS_TYPE.test(type) && address !== '';
  if (!valid || Buffer.byteLength(value) > ORCPT_LENGTH_MAX) throw new ReplyError('badSyntax');
  const kind = type.toLowerCase();
  return `${kind};${kind === 'utf-8' ? utf8Address(address) : xtext(address)}`;
}

/**
 * xtext (RFC 3461 §4). What it stands for is printable ASCII too: a line end in it would be a line
 * of the notice that has it. @throws ReplyError
 */
function xtext(value: string): string {
  if (!/^(?:[!-*,-<>-~]|\+[0-9A-F]{2})+$/.test(value)) throw new ReplyError('badSyntax');
  const text = value.replace(/\+([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  if (!/^[ -~]+$/.test(text)) throw new ReplyError('badSyntax');
  return text;
}

/** utf-8-addr-xtext and utf-8-addr-unitext (RFC 6533 §3). @throws ReplyError */
function utf8Address(value: string): string {
  if (!/^(?:[!-*,-<>-[\]-~\u00a0-\u{10ffff}]|\\x\{[0-9A-F]{1,6}\})+$/u.test(value)) {
    throw new ReplyError('badSyntax');
  }
  const text = value.replace(/\\x\{([0-9A-F]{1,6})\}/g, (_, hex: string) => {
    const point = Number.parseInt(hex, 16);
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) throw new ReplyError('badSyntax');
    return String.fromCodePoint(point);
  });
  // oxlint-disable-next-line no-control-regex -- control characters are what must not pass.
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/u.test(text)) throw new ReplyError('badSyntax');
  return text;
}
