import { EXIT } from '../config/exit.ts';
import type { Command, Group, OptionRows } from './command.ts';
import { COMMON_OPTIONS } from './options.ts';

const COLUMN_GAP = 2;

/** `left  right` lines, the right ones aligned. */
function aligned(rows: readonly (readonly [left: string, right: string])[]): readonly string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width + COLUMN_GAP)}${right}`.trimEnd());
}

const summaries = (commands: Group): readonly string[] =>
  aligned(Object.entries(commands).map(([name, { summary }]) => [name, summary]));

export function helpOverview(commands: Group): string {
  return [
    'mailfarm: a mail farm on plain Maildirs and a live directory',
    '',
    'usage: mailfarm COMMAND [ARGUMENTS] [OPTIONS]',
    '',
    ...summaries(commands),
    '',
    'Options of every command:',
    ...optionLines(COMMON_OPTIONS),
    '',
    'mailfarm help COMMAND shows arguments and examples, mailfarm help user a group of commands,',
    'mailfarm help exit-codes what a program is told. Administration commands find the directory',
    'in the file named by --config, else MAILFARM_CONFIG, else /etc/mailfarm/mailfarm.yaml.',
  ].join('\n');
}

export const helpGroup = (first: string, commands: Group): string =>
  [
    `usage: mailfarm ${first} COMMAND [ARGUMENTS] [OPTIONS]`,
    '',
    ...summaries(commands),
    '',
    `mailfarm help ${Object.keys(commands)[0] ?? first} shows arguments and examples.`,
  ].join('\n');

export const helpExitCodes = (): string =>
  [
    'Exit codes:',
    '',
    ...aligned(
      Object.entries(EXIT).map(([name, { code, means }]) => [
        `${String(code).padStart(3)}  ${name}`,
        means,
      ]),
    ),
  ].join('\n');

export function helpFor(name: string, command: Command): string {
  const options = optionLines(command.options ?? {});
  return [
    `usage: mailfarm ${name} ${command.usage}`.trimEnd(),
    '',
    command.summary,
    ...(options.length > 0 ? ['', 'options:', ...options] : []),
    ...(command.examples ? ['', 'examples:', ...command.examples.map((e) => `  ${e}`)] : []),
  ].join('\n');
}

function optionLines(options: OptionRows): readonly string[] {
  const rows = Object.entries(options).map(([flag, row]): readonly [string, string] => {
    const value =
      row.type === 'boolean' ? '' : ` ${row.choices?.join('|') ?? row.value ?? 'VALUE'}`;
    const more = row.multiple === true ? ' …' : '';
    return [`--${flag}${value}${more}`, row.doc ?? ''];
  });
  return rows.length > 0 ? aligned(rows) : [];
}
