/**
 * ESMTP parameters of MAIL and RCPT (RFC 5321 §4.1.2: `esmtp-keyword ["=" esmtp-value]`). What we
 * do not announce we do not take: 555 (RFC 5321 §4.1.1.11). A parameter stands once at most.
 */
import { ReplyError } from './replies.ts';

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
