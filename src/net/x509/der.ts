/** Writing DER (X.690): tag, length, content. Just what a certificate needs. */

const concat = (parts: readonly Uint8Array[]): Buffer => Buffer.concat(parts);

/** One element. Lengths up to 65,535 octets. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = concat(parts);
  const size = content.length;
  if (size > 0xffff) throw new RangeError(`DER element of ${size} octets`);
  const length =
    size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return concat([Buffer.from([tag, ...length]), content]);
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
export const set = (...parts: readonly Uint8Array[]): Buffer => der(0x31, ...parts);
export const octetString = (content: Uint8Array): Buffer => der(0x04, content);
export const bitString = (content: Uint8Array): Buffer => der(0x03, Buffer.from([0]), content);
export const utf8String = (text: string): Buffer => der(0x0c, Buffer.from(text, 'utf8'));
export const boolean = (value: boolean): Buffer => der(0x01, Buffer.from([value ? 0xff : 0]));
/** `[n] EXPLICIT`, constructed. */
export const explicit = (n: number, ...parts: readonly Uint8Array[]): Buffer =>
  der(0xa0 | n, ...parts);
/** `[n] IMPLICIT` of a string type. */
export const implicit = (n: number, content: Uint8Array): Buffer => der(0x80 | n, content);

/** A positive INTEGER from its octets: no leading zeros but the one that keeps it positive. */
export function integer(octets: Uint8Array): Buffer {
  const first = octets.findIndex((octet) => octet !== 0);
  const bare = first < 0 ? Buffer.from([0]) : octets.subarray(first);
  return der(0x02, (bare[0] ?? 0) & 0x80 ? concat([Buffer.from([0]), bare]) : bare);
}

/** An OBJECT IDENTIFIER from its dotted form. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const octets = [40 * first + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = arc >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return der(0x06, Buffer.from(octets));
}

/** RFC 5280 §4.1.2.5: UTCTime up to 2049, GeneralizedTime from then on. */
export function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\.\d+Z$|[-:T]/g, '');
  return Number(digits.slice(0, 4)) < 2050
    ? der(0x17, Buffer.from(`${digits.slice(2)}Z`, 'latin1'))
    : der(0x18, Buffer.from(`${digits}Z`, 'latin1'));
}
