import { BerError, decodeBer, encode, encodeInteger, integer, octets, parts } from './ber.ts';
import { TAG, text, type Tlv } from './ber.ts';
import { decodeFilter, type Filter } from './filter.ts';
import { LdapFailure } from './result.ts';

/** Controls that this server knows (RFC 4511 §4.1.11). */
export const ASSERTION = '1.3.6.1.1.12'; // RFC 4528
export const PAGED = '1.2.840.113556.1.4.319'; // RFC 2696
export const CONTROLS: readonly string[] = [ASSERTION, PAGED];

/** What a request asks beside its operation. */
export interface Controls {
  /** The operation happens only where the entry matches. */
  readonly assertion?: Filter;
  readonly page?: Page;
}

export interface Page {
  readonly size: number;
  /** Empty for the first page, else what came with the one before. */
  readonly cookie: string;
}

/** Requests that a control may stand with; with others it is as if it were unknown. */
const FITS: Readonly<Record<string, readonly string[]>> = {
  [ASSERTION]: ['search', 'add', 'modify', 'delete', 'rename', 'compare'],
  [PAGED]: ['search'],
};

/**
 * Reads the controls of a request. One that is unknown and not critical is ignored.
 * @throws LdapFailure, BerError, FilterRefused
 */
export function decodeControls(controls: Tlv | undefined, kind: string): Controls {
  const found: { -readonly [K in keyof Controls]: Controls[K] } = {};
  const seen = new Set<string>();
  for (const control of controls ? parts(controls, 0xa0) : []) {
    const { oid, critical, value } = decodeControl(control);
    if (!FITS[oid]?.includes(kind)) {
      if (!critical) continue;
      throw new LdapFailure('unavailableCriticalExtension', `Control ${oid} is not supported`);
    }
    if (seen.has(oid)) throw new LdapFailure('protocolError', `Control ${oid} is given twice`);
    seen.add(oid);
    if (value === undefined) throw new LdapFailure('protocolError', `Control ${oid} has no value`);
    if (oid === ASSERTION) found.assertion = decodeFilter(decodeBer(value));
    else found.page = decodePage(value);
  }
  return found;
}

function decodeControl(control: Tlv): {
  oid: string;
  critical: boolean;
  value: Buffer | undefined;
} {
  const [type, ...rest] = parts(control);
  const flag = rest[0]?.tag === TAG.boolean ? rest.shift() : undefined;
  if (flag && flag.value.length !== 1) throw new BerError('Boolean expected');
  const critical = flag !== undefined && flag.value[0] !== 0;
  const value = rest.shift();
  if (rest.length > 0) throw new BerError('The control has too many parts');
  return { oid: text(type), critical, value: value && octets(value) };
}

function decodePage(value: Buffer): Page {
  const [size, cookie] = parts(decodeBer(value));
  const wanted = integer(size);
  if (wanted < 0) throw new LdapFailure('protocolError', 'The size of a page is negative');
  return { size: wanted, cookie: octets(cookie).toString('latin1') };
}

/** The control that comes with the end of a page; an empty cookie says that it was the last. */
export function pageControl(cookie: string): Buffer {
  const estimate = 0; // RFC 2696 §2: unknown.
  const value = encode(0x30, encodeInteger(estimate), encode(TAG.octets, cookie));
  return encode(0xa0, encode(0x30, encode(TAG.octets, PAGED), encode(TAG.octets, value)));
}
