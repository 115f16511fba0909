/**
 * Picks fields of a header (RFC 9051 §6.4.5.1, HEADER.FIELDS and HEADER.FIELDS.NOT): those of the
 * names given, or all but those, as they stand, and the blank line at the end.
 */
export function pickFields(
  header: string,
  names: ReadonlySet<string>,
  which: 'fields' | 'fields-not',
): string {
  let text = '';
  let taken = false;
  for (let at = 0; at < header.length;) {
    const lf = header.indexOf('\n', at);
    const end = lf < 0 ? header.length : lf + 1;
    const first = header.charCodeAt(at);
    if (first === CR && end === at + 2) break; // The blank line.
    if (first !== SPACE && first !== TAB) {
      taken = names.has(nameAt(header, at, end)) === (which === 'fields');
    }
    if (taken) text += header.slice(at, end);
    at = end;
  }
  return `${text}\r\n`;
}

const CR = 13;
const SPACE = 32;
const TAB = 9;

/** In lower case; '' for a line that is no field. Blanks before the colon were usual once. */
function nameAt(header: string, at: number, end: number): string {
  const colon = header.indexOf(':', at);
  if (colon < 0 || colon >= end) return '';
  return header.slice(at, colon).trimEnd().toLowerCase();
}
