/** Records as the lines of a zone file. */
import type { DnsRecord, Part } from './records.ts';

const STRING_OCTETS_MAX = 255;

/** A text in strings of 255 octets, as one line has them (RFC 1035 §5.1). */
const quotedText = (text: string): string =>
  (text.match(new RegExp(`.{1,${STRING_OCTETS_MAX}}`, 'gs')) ?? [''])
    .map((piece) => `"${piece.replaceAll(/["\\]/g, (char) => `\\${char}`)}"`)
    .join(' ');

export const recordLine = ({ name, type, ttl, value }: DnsRecord): string =>
  `${`${name}.`.padEnd(40)} ${String(ttl).padEnd(5)} IN ${type.padEnd(5)} ${
    type === 'TXT' ? quotedText(value) : value
  }`;

export const partLines = ({ domain, records, notes }: Part, title: string): readonly string[] => [
  `; ${domain}: ${title}`,
  ...notes.map((note) => `; ${note}`),
  ...records.map(recordLine),
];
