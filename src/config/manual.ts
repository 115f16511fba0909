/** The manual of options is made from the same rows that check them, so the two cannot differ. */
import type { OptionRow, OptionTable } from './options.ts';
import { formatValue } from './values.ts';

export interface ManualPart {
  /** What the table is about, such as `POP3`. */
  readonly title: string;
  readonly table: OptionTable;
}

/** Markdown text of src/configuration.md: one section for each table, one entry for each option. */
export function renderManual(parts: readonly ManualPart[]): string {
  const sections = parts.flatMap(({ title, table }) => [
    `## ${title}\n`,
    ...Object.entries(table)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, row]) => entry(name, row)),
  ]);
  return `${PREFACE}\n${sections.join('\n')}`;
}

const PREFACE = `# Configuration

This page is generated from the options that the modules declare; a test keeps it true.

Settings of the farm stand in the directory, as \`mwSetting\` values \`name=value\` of
\`cn=farm\`, so that all nodes are alike. Durations need a unit (\`250ms\`, \`30s\`, \`5m\`,
\`1h30m\`, \`2d\`). Sizes are octets unless they have one (\`50MB\` is 50,000,000, \`64KiB\` is
65,536). Items of a list are separated by commas.
`;

function entry(name: string, row: OptionRow): string {
  const preset = formatValue(row, row.default);
  const facts = [`${KIND_WORD[row.kind]}`, `default ${preset === '' ? 'empty' : `\`${preset}\``}`];
  if ('min' in row) {
    facts.push(`\`${formatValue(row, row.min)}\` to \`${formatValue(row, row.max)}\``);
  }
  if (row.kind === 'choice') facts.push(`one of ${row.values.map((v) => `\`${v}\``).join(', ')}`);
  return `### ${name}\n\n${facts.join('; ')}.\n\n${row.doc}\n`;
}

const KIND_WORD: Readonly<Record<OptionRow['kind'], string>> = {
  count: 'Number',
  bytes: 'Size',
  duration: 'Duration',
  choice: 'Choice',
  text: 'Text',
  list: 'List',
};
