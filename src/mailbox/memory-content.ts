import type { Numbered } from '#maildir';
import type { Envelope, Extent, MimePart } from '../message/mime/types.ts';
import type { Query } from './query.ts';
import type { Summary } from './summary.ts';

/** Stands in until the reader of messages is there: subject, date and ids, and one part. */
export function plainSummary(wire: Buffer): Summary {
  const text = wire.toString('latin1');
  const blank = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n');
  const head = blank < 0 ? text : text.slice(0, blank + 2);
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:[ \t]*(.*)\r$`, 'im').exec(head)?.[1];
  const none = { from: [], sender: [], replyTo: [], to: [], cc: [], bcc: [] };
  const envelope: Envelope = {
    date: field('Date'),
    subject: field('Subject'),
    ...none,
    inReplyTo: field('In-Reply-To'),
    messageId: field('Message-ID'),
  };
  const end = blank < 0 ? wire.length : blank + 4;
  const extent = (offset: number, to: number): Extent => ({
    offset: stored(wire, offset),
    end: stored(wire, to),
    wireOctets: to - offset,
  });
  const structure: MimePart = {
    type: 'text',
    subtype: 'plain',
    parameters: [],
    id: undefined,
    description: undefined,
    encoding: '7bit',
    md5: undefined,
    disposition: undefined,
    languages: [],
    location: undefined,
    header: extent(0, end),
    body: extent(end, wire.length),
    lines: text.slice(end).split('\r\n').length - 1,
    parts: [],
    message: undefined,
  };
  const { header } = structure;
  return { octets: wire.length, envelope, references: [], header, structure, preview: '' };
}

const stored = (wire: Buffer, to: number): number =>
  to - (wire.subarray(0, to).toString('latin1').split('\r\n').length - 1);

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
