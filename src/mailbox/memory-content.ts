import type { Numbered } from '#maildir';
import type { Query } from './query.ts';

/** Stands in until the search is there. */
export function plainMatch(query: Query, message: Numbered, wire: () => string): boolean {
  switch (query.kind) {
    case 'all':
      return true;
    case 'and':
      return query.of.every((part) => plainMatch(part, message, wire));
    case 'or':
      return query.of.some((part) => plainMatch(part, message, wire));
    case 'not':
      return !plainMatch(query.of, message, wire);
    case 'uids':
      return query.ranges.some(([from, to]) => from <= message.uid && message.uid <= to);
    case 'letter':
      return message.flags.includes(query.letter);
    case 'keyword':
      return message.keywords.some((one) => one.toLowerCase() === query.keyword.toLowerCase());
    case 'modseq':
      return message.modseq >= query.min;
    case 'larger':
      return wire().length > query.octets;
    case 'smaller':
      return wire().length < query.octets;
    case 'date':
      return inRange(parseInt(message.key, 10) * 1000, query);
    case 'header':
      return fieldHas(wire(), query.field, query.text);
    case 'body':
    case 'text':
      return wire().toLowerCase().includes(query.text.toLowerCase());
  }
}

const inRange = (at: number, { from, before }: { from: number; before: number }): boolean =>
  from <= at && at < before;

const fieldHas = (wire: string, field: string, text: string): boolean =>
  (wire.split('\r\n\r\n', 1)[0] ?? '')
    .toLowerCase()
    .split('\r\n')
    .some(
      (line) => line.startsWith(`${field.toLowerCase()}:`) && line.includes(text.toLowerCase()),
    );
