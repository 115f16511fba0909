/**
 * Pages made from the code: src/errors.md from every `errors.ts`, src/configuration.md from every
 * `options.ts`. They are checked in, and `npm run check` fails when they are not current.
 * `npm run generate` writes them; `npm run generate -- --check` only looks.
 */
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { renderManual } from '../src/config/manual.ts';
import type { OptionTable } from '../src/config/options.ts';
import { read, ROOT, show, walk, type Finding } from './tree.ts';

/** What operators read about a code: what happened, what it means for mail, what to do. */
export interface ErrorRow {
  readonly what: string;
  readonly means: string;
  readonly mend: string;
}

interface Declared<T> {
  readonly file: string;
  readonly title: string;
  readonly table: Readonly<Record<string, T>>;
}

const CODE = /\bMF-[A-Z]+-\d{3}\b/g;

const isCode = (name: string): boolean => name.replace(CODE, '') === '' && name !== '';

const isErrorRow = (value: unknown): value is ErrorRow => has(value, 'what', 'means', 'mend');

/** Tables that a folder's `name` file exports, in the order of the tree. */
async function collect<T>(
  root: string,
  name: string,
  fits: (value: unknown) => value is T,
): Promise<Declared<T>[]> {
  const files = [...walk(root, 'maildir/src'), ...walk(root, 'src')];
  const found: Declared<T>[] = [];
  for (const file of files.filter((f) => path.posix.basename(f) === name)) {
    const exported = (await import(pathToFileURL(path.join(root, file)).href)) as object;
    for (const value of Object.values(exported) as unknown[]) {
      if (typeof value !== 'object' || value === null) continue;
      const rows = Object.values(value) as unknown[];
      if (rows.length === 0 || !rows.every(fits)) continue;
      found.push({ file, title: titleOf(root, file), table: value as Record<string, T> });
    }
  }
  return found.toSorted((a, b) => (a.title < b.title ? -1 : 1));
}

function has(value: unknown, ...names: readonly string[]): boolean {
  return typeof value === 'object' && value !== null && names.every((name) => name in value);
}

/** A module is called what its README calls it. */
function titleOf(root: string, file: string): string {
  const folder = path.posix.dirname(file).replace(/^maildir\/src$/, 'maildir');
  const readme = `${folder}/README.md`;
  const title = existsSync(path.join(root, readme)) ? /^# (.+)/.exec(read(root, readme))?.[1] : '';
  return title === undefined || title === '' ? path.posix.basename(folder) : title.trim();
}

/** Markdown text of src/errors.md. */
export function renderErrors(parts: readonly Declared<ErrorRow>[]): string {
  const sections = parts.map(({ title, table }) => {
    const rows = Object.entries(table).toSorted(([a], [b]) => (a < b ? -1 : 1));
    return [`## ${title}\n`, ...rows.map(([code, row]) => renderError(code, row))].join('\n');
  });
  return `${PREFACE}\n${sections.join('\n')}`;
}

const PREFACE = `# Errors

This page is generated from the errors that the modules declare; a test keeps it true. A code stands
in the log line, in the output of the command line and on this page, and is never used again for
something else. Only what an operator can act upon has a code.
`;

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

const renderError = (code: string, { what, means, mend }: ErrorRow): string =>
  `### ${code}\n\n${sentence(what)}\n\n` +
  `- For mail: ${sentence(means)}\n- To do: ${sentence(mend)}\n`;

/** The pages as they should be, by file. */
async function render(root: string): Promise<{ pages: Map<string, string>; wrong: Finding[] }> {
  const errors = await collect(root, 'errors.ts', isErrorRow);
  const options = await collect(root, 'options.ts', isOptionRow);
  const pages = new Map([
    ['src/errors.md', renderErrors(merged(errors))],
    ['src/configuration.md', renderManual(merged(options))],
  ]);
  return { pages, wrong: [...twice(errors), ...twice(options), ...codes(root, errors)] };
}

/** One section for a module, however many tables it declares. */
function merged<T>(parts: readonly Declared<T>[]): Declared<T>[] {
  const byTitle = new Map<string, Declared<T>>();
  for (const part of parts) {
    const { table } = byTitle.get(part.title) ?? { table: {} };
    byTitle.set(part.title, { ...part, table: { ...table, ...part.table } });
  }
  return [...byTitle.values()];
}

const isOptionRow = (value: unknown): value is OptionTable[string] =>
  has(value, 'kind', 'default', 'doc');

/** Two modules that declare one name: each would be right about half of what it means. */
function twice(parts: readonly Declared<unknown>[]): Finding[] {
  const owners = new Map<string, string>();
  return parts.flatMap(({ file, table }) =>
    Object.keys(table).flatMap((name) => {
      const owner = owners.get(name);
      owners.set(name, file);
      return owner === undefined ? [] : [{ file, line: 1, text: `${name} stands in ${owner} too` }];
    }),
  );
}

/** Codes that nobody reports, that nobody declared, or that are no codes. */
function codes(root: string, parts: readonly Declared<ErrorRow>[]): Finding[] {
  const declared = new Map(parts.flatMap((p) => Object.keys(p.table).map((c) => [c, p.file])));
  const used = new Map<string, Finding>();
  const files = [...walk(root, 'src'), ...walk(root, 'maildir/src')];
  for (const file of files.filter((f) => /(?<!\.test)\.ts$/.test(f) && !f.endsWith('/errors.ts'))) {
    read(root, file)
      .split('\n')
      .forEach((line, at) => {
        for (const [code] of line.matchAll(CODE)) {
          used.set(code, { file, line: at + 1, text: `${code} is declared in no errors.ts` });
        }
      });
  }
  const found = [...used].filter(([code]) => !declared.has(code)).map(([, finding]) => finding);
  for (const [code, file] of declared) {
    if (!isCode(code)) found.push({ file, line: 1, text: `${code} is not like MF-AREA-001` });
    else if (!used.has(code)) found.push({ file, line: 1, text: `nothing reports ${code}` });
  }
  return found;
}

/** Pages that are missing or not current, and names that are declared wrongly. */
export async function checkGenerated(root: string): Promise<Finding[]> {
  const { pages, wrong } = await render(root);
  const stale = [...pages].filter(
    ([file, text]) => !existsSync(path.join(root, file)) || read(root, file) !== text,
  );
  const text = 'is not what the code says: npm run generate';
  return [...wrong, ...stale.map(([file]) => ({ file, line: 1, text }))];
}

export async function writeGenerated(root: string): Promise<void> {
  const { pages } = await render(root);
  for (const [file, text] of pages) writeFileSync(path.join(root, file), text);
}

async function main(args: readonly string[]): Promise<number> {
  if (!args.includes('--check')) await writeGenerated(ROOT);
  const findings = await checkGenerated(ROOT);
  for (const finding of findings) process.stdout.write(`${show(finding)}\n`);
  return findings.length > 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
