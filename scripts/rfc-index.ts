/**
 * `RFC 5321 §4.1.1.3` in a comment is a citation; src/rfc.tsv is the public list of what we do.
 * The check fails on a cited RFC that the list has not, and on a `Yes` row that no test cites: what
 * is claimed must be tested.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';

import { read, walk, type Finding } from './tree.ts';

export const INDEX = 'src/rfc.tsv';
const HEADER = 'rfc\tsupport\ttitle\tnote';
const CITATION = /\bRFC (\d{3,5})(?: §(\d+(?:\.\d+)*|[A-Z](?:\.\d+)*))?/g;
// Written otherwise, a reader's search and this script would miss it.
// RFC822 and its kin are items of IMAP's FETCH.
const OTHERWISE = /\bRFC-?(?!822\b)\d{3,5}\b|\bRFC \d{3,5},? (?:section|Section|sec\.) ?\d/;

interface Row {
  readonly rfc: string;
  readonly support: string;
  readonly note: string;
  readonly line: number;
}

const isTest = (file: string): boolean => file.endsWith('.test.ts') || file.startsWith('test/');

/** Every RFC that `text` cites, with its section. */
export function citations(
  text: string,
): { rfc: string; section: string | undefined; line: number }[] {
  return text
    .split('\n')
    .flatMap((line, at) =>
      [...line.matchAll(CITATION)].map((m) => ({ rfc: m[1] ?? '', section: m[2], line: at + 1 })),
    );
}

/** Rows of the list, and what is wrong with the list itself. */
function parseIndex(text: string): { rows: Row[]; wrong: Finding[] } {
  const [header, ...lines] = text.trimEnd().split('\n');
  const wrong: Finding[] = [];
  const rows = lines.map((line, at): Row => {
    const [rfc = '', support = '', title = '', note = ''] = line.split('\t');
    const say = (problem: string): unknown =>
      wrong.push({ file: INDEX, line: at + 2, text: problem });
    if (!/^\d{3,5}$/.test(rfc)) say(`'${rfc}' is no RFC number`);
    if (!['Yes', 'Partial', 'No'].includes(support)) say(`support is '${support}'`);
    if (title === '') say('the title is missing');
    if (support !== 'Yes' && note === '') say(`a ${support} row says in its note what is missing`);
    return { rfc, support, note, line: at + 2 };
  });
  if (header !== HEADER) wrong.push({ file: INDEX, line: 1, text: `the first line is ${HEADER}` });
  rows.forEach((row, at) => {
    if (at > 0 && Number(row.rfc) <= Number(rows[at - 1]?.rfc)) {
      wrong.push({ file: INDEX, line: row.line, text: 'rows are in the order of their numbers' });
    }
  });
  return { rows, wrong };
}

export function checkRfcs(root: string): Finding[] {
  if (!existsSync(path.join(root, INDEX))) return [{ file: INDEX, line: 1, text: 'is missing' }];
  const { rows, wrong } = parseIndex(read(root, INDEX));
  const listed = new Set(rows.map((row) => row.rfc));
  const tested = new Set<string>();
  const found = [...wrong];
  const files = ['src', 'maildir', 'test', 'ansible'].flatMap((top) => walk(root, top));
  for (const file of files.filter((f) => /\.(ts|md|ya?ml)$/.test(f))) {
    const text = read(root, file);
    for (const { rfc, line } of citations(text)) {
      if (isTest(file)) tested.add(rfc);
      if (!listed.has(rfc)) found.push({ file, line, text: `RFC ${rfc} is not in ${INDEX}` });
    }
    text.split('\n').forEach((line, at) => {
      if (!OTHERWISE.test(line)) return;
      found.push({ file, line: at + 1, text: 'cite it as RFC, blank, number, blank, §section' });
    });
  }
  for (const row of rows.filter((r) => r.support === 'Yes' && !tested.has(r.rfc))) {
    found.push({
      file: INDEX,
      line: row.line,
      text: `RFC ${row.rfc} says Yes and no test cites it`,
    });
  }
  return found;
}
