import type { Extent, MimePart } from '../../message/mime/types.ts';
import type { Args } from './args.ts';
import { astring } from './text.ts';

/** What is asked for of a message or part (RFC 9051 §6.4.5.1). */
export interface Section {
  /** Part numbers; [] is the message. */
  readonly part: readonly number[];
  readonly text: 'all' | 'header' | 'fields' | 'fields-not' | 'text' | 'mime';
  /** Field names in lower case, for `fields` and `fields-not`. */
  readonly fields: ReadonlySet<string>;
  /** As the answer names it, without brackets. */
  readonly label: string;
}

/** Octets of a section that are asked for. */
export interface Partial {
  readonly offset: number;
  readonly count: number;
}

const PART_NUMBERS_MAX = 100; // A message nests less deep; each number is a step of a walk.
const NO_FIELDS: ReadonlySet<string> = new Set();
const PART = /^(?:[1-9]\d{0,9}(?:\.|$))+/;
const TEXTS: ReadonlyMap<string, Section['text']> = new Map([
  ['HEADER', 'header'],
  ['HEADER.FIELDS', 'fields'],
  ['HEADER.FIELDS.NOT', 'fields-not'],
  ['TEXT', 'text'],
  ['MIME', 'mime'],
]);

/** Reads what stands between `[` and `]`, of which `atom` is taken already, and the `]`. */
export function readSection(args: Args, atom: string): Section {
  const word = atom.toUpperCase();
  const numbers = PART.exec(word)?.[0] ?? '';
  const name = word.slice(numbers.length);
  const part = readPart(args, name === '' ? numbers : numbers.slice(0, -1));
  if (name === '') {
    args.expect(']');
    return { part, text: 'all', fields: NO_FIELDS, label: numbers };
  }
  const text = TEXTS.get(name) ?? args.fail('A section is not one of BODY');
  if (text === 'mime' && part.length === 0) args.fail('MIME is asked of a part');
  if (text !== 'fields' && text !== 'fields-not') {
    args.expect(']');
    return { part, text, fields: NO_FIELDS, label: word };
  }
  args.space();
  const names = args.list(() => args.astring());
  if (names.length === 0) args.fail('A field name is missing');
  args.expect(']');
  const fields = new Set(names.map((field) => field.toLowerCase()));
  return { part, text, fields, label: `${word} (${names.map(astring).join(' ')})` };
}

/** Part numbers of BINARY[…]: nothing else may be named (RFC 3516 §4.2). */
export function readPartNumbers(args: Args, atom: string): readonly number[] {
  const part = readPart(args, atom);
  args.expect(']');
  return part;
}

function readPart(args: Args, text: string): readonly number[] {
  if (text === '') return [];
  if (!/^[1-9]\d{0,9}(?:\.[1-9]\d{0,9})*$/.test(text)) args.fail('A part number is not one');
  const numbers = text.split('.').map(Number);
  if (numbers.length > PART_NUMBERS_MAX) args.fail('A part lies too deep');
  return numbers;
}

/** `<offset.count>`, if it is next. */
export function readPartial(args: Args): Partial | undefined {
  if (!args.takes('<')) return undefined;
  const offset = args.number64();
  args.expect('.');
  const count = args.number64();
  if (count === 0) args.fail('No octets are asked for');
  args.expect('>');
  return { offset, count };
}

/** A part and what its numbers mean below it. */
interface Found {
  readonly part: MimePart;
  /** The message whose header HEADER and TEXT of it mean; undefined where it is none. */
  readonly message: MimePart | undefined;
}

/** The part that numbers name; undefined when there is none. [] names the message itself. */
export function findPart(root: MimePart, numbers: readonly number[]): MimePart | undefined {
  return find(root, numbers)?.part;
}

function find(root: MimePart, numbers: readonly number[]): Found | undefined {
  let found: Found = { part: root, message: root };
  let holder: MimePart | undefined = root;
  for (const number of numbers) {
    if (holder === undefined) return undefined;
    // A message that is no multipart has one part, its body, numbered 1.
    const part: MimePart | undefined =
      holder.type === 'multipart' ? holder.parts[number - 1] : number === 1 ? holder : undefined;
    if (part === undefined) return undefined;
    found = { part, message: part.message?.part };
    // Numbers go through the one body of a message in a part (RFC 9051 §6.4.5.1).
    holder = part.type === 'multipart' ? part : part.message?.part;
  }
  return found;
}

/** Where a section lies; `fields` and `fields-not` are picked from that. 'none': no such part. */
export function locate(root: MimePart, section: Section): Extent | 'none' {
  const found = find(root, section.part);
  if (found === undefined) return 'none';
  if (section.text === 'mime') return found.part.header;
  if (section.text === 'all') return section.part.length === 0 ? whole(root) : found.part.body;
  const { message } = found;
  if (message === undefined) return 'none';
  return section.text === 'text' ? message.body : message.header;
}

const whole = ({ header, body }: MimePart): Extent => ({
  offset: header.offset,
  end: body.end,
  wireOctets: header.wireOctets + body.wireOctets,
});
