import { createHash } from 'node:crypto';

/**
 * Dovecot's `pop3_uidl_format`: `%u` UID, `%v` UIDVALIDITY, `%f` file name without flags, `%g`
 * the GUID, with width and form between (`%08Xu`: eight hexadecimal digits; L and U case; M the
 * MD5) and as 2.4 writes it, `%{uid | hex(8)}%{uidvalidity | hex(8)}`. `%%` is a percent sign.
 */
export const DOVECOT_UIDL = '%08Xu%08Xv';

export interface UidlParts {
  readonly uid: number;
  readonly uidValidity: number;
  /** Without flags. */
  readonly base: string;
  readonly guid: string;
}

type Piece = string | ((parts: UidlParts) => string);

const NAMES: Readonly<Record<string, keyof UidlParts>> = {
  u: 'uid',
  uid: 'uid',
  v: 'uidValidity',
  uidvalidity: 'uidValidity',
  f: 'base',
  filename: 'base',
  g: 'guid',
  guid: 'guid',
};

const SHORT = /^%(0?)(\d{0,2})([XLUM]?)([uvfg])/;
const LONG = /^%\{\s*([a-z0-9]+)\s*((?:\|\s*[a-z]+(?:\(\d{1,2}\))?\s*)*)\}/;
const FILTER = /\|\s*([a-z]+)(?:\((\d{1,2})\))?/g;

/** @returns undefined when the format is none; else what makes UIDLs */
export function parseUidlFormat(format: string): ((parts: UidlParts) => string) | undefined {
  const pieces: Piece[] = [];
  let rest = format;
  while (rest !== '') {
    const taken = rest.startsWith('%') ? variable(rest) : plain(rest);
    if (taken === undefined) return undefined;
    pieces.push(taken.piece);
    rest = rest.slice(taken.length);
  }
  if (!pieces.some((piece) => typeof piece !== 'string')) return undefined;
  return (parts) =>
    pieces.map((piece) => (typeof piece === 'string' ? piece : piece(parts))).join('');
}

interface Taken {
  readonly piece: Piece;
  readonly length: number;
}

function plain(text: string): Taken {
  const end = text.indexOf('%');
  const piece = end < 0 ? text : text.slice(0, end);
  return { piece, length: piece.length };
}

function variable(text: string): Taken | undefined {
  if (text.startsWith('%%')) return { piece: '%', length: 2 };
  const short = SHORT.exec(text);
  if (short !== null) {
    const [all, zero = '', digits = '', form = '', letter = ''] = short;
    const name = NAMES[letter] as keyof UidlParts;
    const fill = zero === '0' ? '0' : ' ';
    const piece = (parts: UidlParts): string =>
      inForm(parts[name], form).padStart(Number(digits), fill);
    return { piece, length: all.length };
  }
  const long = LONG.exec(text);
  const name = NAMES[long?.[1] ?? ''];
  if (long === null || name === undefined) return undefined;
  const filters = [...(long[2] ?? '').matchAll(FILTER)].map(([, filter = '', width]) => ({
    form: FILTERS[filter],
    width: Number(width ?? 0),
  }));
  if (filters.some(({ form }) => form === undefined)) return undefined;
  const piece = (parts: UidlParts): string =>
    String(
      filters.reduce<string | number>(
        (value, { form = '', width }) => inForm(value, form).padStart(width, '0'),
        parts[name],
      ),
    );
  return { piece, length: long[0].length };
}

const FILTERS: Readonly<Record<string, string>> = { hex: 'X', lower: 'L', upper: 'U', md5: 'M' };

function inForm(value: string | number, form: string): string {
  const text = String(value);
  if (form === 'X') return /^\d+$/.test(text) ? Number(text).toString(16) : text;
  if (form === 'L') return text.toLowerCase();
  if (form === 'U') return text.toUpperCase();
  return form === 'M' ? createHash('md5').update(text, 'latin1').digest('hex') : text;
}
