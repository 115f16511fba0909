import { formatSequence } from './sequence.ts';
import { string } from './text.ts';

/** What a client asks to be told (RFC 9051 §6.4.4, RFC 5267 is not here). */
export type ReturnItem = 'MIN' | 'MAX' | 'COUNT' | 'ALL' | 'SAVE';

export interface SearchAnswer {
  readonly tag: string;
  readonly uid: 'uid' | 'sequence';
  /** Ascending for SEARCH; in the order found for SORT. */
  readonly numbers: readonly number[];
  /** Highest MODSEQ among those told of, where the client asked for it (RFC 7162 §3.1.5). */
  readonly modseq: number | undefined;
}

/** SEARCH or SORT (RFC 3501 §7.2.5, RFC 5256 §4). */
export function writeSearch(name: 'SEARCH' | 'SORT', answer: SearchAnswer): string {
  const { numbers, modseq } = answer;
  const list = numbers.length === 0 ? '' : ` ${numbers.join(' ')}`;
  const end = modseq === undefined || numbers.length === 0 ? '' : ` (MODSEQ ${modseq})`;
  return `* ${name}${list}${end}\r\n`;
}

/** ESEARCH (RFC 9051 §7.3.4; for SORT RFC 5267 §3.2 has the same). */
export function writeEsearch(items: ReadonlySet<ReturnItem>, answer: SearchAnswer): string {
  const { numbers, modseq } = answer;
  let text = `* ESEARCH (TAG ${string(answer.tag)})`;
  if (answer.uid === 'uid') text += ' UID';
  if (numbers.length > 0) {
    const [min, max] = ends(numbers);
    if (items.has('MIN')) text += ` MIN ${min}`;
    if (items.has('MAX')) text += ` MAX ${max}`;
    if (items.has('ALL')) text += ` ALL ${formatSequence(numbers)}`;
  }
  if (items.has('COUNT')) text += ` COUNT ${numbers.length}`;
  if (modseq !== undefined && numbers.length > 0) text += ` MODSEQ ${modseq}`;
  return `${text}\r\n`;
}

/** First and last by place: of a sort they are what comes first and last (RFC 5267 §3.2). */
const ends = (numbers: readonly number[]): [number, number] => [
  numbers[0] as number,
  numbers.at(-1) as number,
];
