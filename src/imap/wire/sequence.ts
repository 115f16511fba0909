import { SyntaxFault } from './args.ts';

/** Ascending ranges, both ends in, that do not touch each other. */
export type Ranges = readonly (readonly [from: number, to: number])[];

/** Ranges in one set: `1,3,5,…` of 65,536 numbers is what a line limit lets through. */
const RANGES_MAX = 100_000;
const PART = /^(\d{1,10}|\*)(?::(\d{1,10}|\*))?$/;

/**
 * A sequence set (RFC 9051 §9) as ranges; `*` is `last`. Whether the numbers are there is the
 * caller's question.
 */
export function parseSequence(text: string, last: number): Ranges {
  const ranges: (readonly [number, number])[] = [];
  for (const part of text.split(',')) {
    const found = PART.exec(part);
    if (found === null) throw new SyntaxFault('A sequence set is not one');
    const from = numberOf(found[1], last);
    const to = found[2] === undefined ? from : numberOf(found[2], last);
    ranges.push(from <= to ? [from, to] : [to, from]);
    if (ranges.length > RANGES_MAX) throw new SyntaxFault('A sequence set has too many parts');
  }
  return merged(ranges);
}

function numberOf(text: string | undefined, last: number): number {
  if (text === '*') return last;
  const value = Number(text);
  if (value < 1 || value > 0xffff_ffff) throw new SyntaxFault('A sequence number is out of range');
  return value;
}

function merged(ranges: (readonly [number, number])[]): Ranges {
  if (ranges.length < 2) return ranges;
  ranges.sort((a, b) => a[0] - b[0]);
  const out: [number, number][] = [];
  for (const [from, to] of ranges) {
    const before = out.at(-1);
    if (before !== undefined && from <= before[1] + 1) before[1] = Math.max(before[1], to);
    else out.push([from, to]);
  }
  return out;
}

/** Ascending numbers as a sequence set: `1:3,7`. */
export function formatSequence(numbers: Iterable<number>): string {
  const parts: string[] = [];
  let from = 0;
  let to = 0;
  for (const number of numbers) {
    if (number === to + 1 && from > 0) {
      to = number;
      continue;
    }
    if (from > 0) parts.push(from === to ? `${from}` : `${from}:${to}`);
    from = number;
    to = number;
  }
  if (from > 0) parts.push(from === to ? `${from}` : `${from}:${to}`);
  return parts.join(',');
}
