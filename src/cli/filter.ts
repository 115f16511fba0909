/**
 * Text as a value within a filter (RFC 4515 §3): every octet that is no letter or digit as two hex
 * digits, so that nothing in it can end the value.
 */
const filterValue = (text: string): string =>
  [...Buffer.from(text)]
    .map((octet) => {
      const letter = String.fromCharCode(octet);
      return /[A-Za-z0-9]/.test(letter) ? letter : `\\${octet.toString(16).padStart(2, '0')}`;
    })
    .join('');

export const equals = (attribute: string, value: string): string =>
  `(${attribute}=${filterValue(value)})`;
export const begins = (attribute: string, value: string): string =>
  `(${attribute}=${filterValue(value)}*)`;
export const ends = (attribute: string, value: string): string =>
  `(${attribute}=*${filterValue(value)})`;
export const present = (attribute: string): string => `(${attribute}=*)`;

/** All of them; undefined for none. */
export function all(filters: readonly (string | undefined)[]): string | undefined {
  const given = filters.filter((filter) => filter !== undefined);
  return given.length > 1 ? `(&${given.join('')})` : given[0];
}
export const any = (filters: readonly string[]): string => `(|${filters.join('')})`;
