/**
 * The farm's settings: `name=value` of the directory (or any other entries) against the modules'
 * option tables. Everything wrong is found in one run; an unknown name is told apart, because
 * whoever types one is told, while a node that reads one may only be of an older release.
 */
import type { OptionTable, OptionValues } from './options.ts';
import { didYouMean } from './suggest.ts';
import { parseValue } from './values.ts';

export interface SettingProblem {
  readonly name: string;
  /** No table has the name: a typing mistake, or an option of another release. */
  readonly isUnknown: boolean;
  /** The whole sentence, with name, value and bounds. */
  readonly message: string;
}

type Merged<T extends readonly OptionTable[]> = T extends readonly [
  infer First extends OptionTable,
  ...infer Rest extends readonly OptionTable[],
]
  ? OptionValues<First> & Merged<Rest>
  : unknown;

export interface ParsedSettings<T extends readonly OptionTable[]> {
  /** Every option of every table; the default where nothing or nothing usable was given. */
  readonly values: Merged<T>;
  /** Empty when all is well. */
  readonly problems: readonly SettingProblem[];
}

/**
 * Checks entries against tables and reports every problem at once.
 * @throws Error when two tables declare one name: a fault in the program, seen at start.
 */
export function parseSettings<const T extends readonly OptionTable[]>(
  tables: T,
  entries: Iterable<readonly [name: string, value: unknown]>,
): ParsedSettings<T> {
  const rows = mergeTables(tables);
  const values = new Map([...rows].map(([name, row]) => [name, row.default as unknown]));
  const problems: SettingProblem[] = [];
  const given = new Set<string>();
  for (const [name, value] of entries) {
    const row = rows.get(name);
    const parsed = row && parseValue(row, value);
    if (!parsed) {
      const hint = didYouMean(name, rows.keys());
      problems.push({ name, isUnknown: true, message: `${quote(name)} is not an option${hint}` });
    } else if (given.has(name)) {
      problems.push({ name, isUnknown: false, message: `${name} is set twice` });
    } else if (parsed.ok) {
      values.set(name, parsed.value);
    } else {
      const message = `${name}: ${quote(value)} is not ${parsed.expected}`;
      problems.push({ name, isUnknown: false, message });
    }
    given.add(name);
  }
  return { values: Object.fromEntries(values) as Merged<T>, problems };
}

/** All rows of several tables by name. @throws Error when a name is declared twice. */
export function mergeTables(tables: readonly OptionTable[]): Map<string, OptionTable[string]> {
  const rows = new Map<string, OptionTable[string]>();
  for (const table of tables) {
    for (const [name, row] of Object.entries(table)) {
      if (rows.has(name)) throw new Error(`Option ${name} is declared in two tables`);
      rows.set(name, row);
    }
  }
  return rows;
}

/** A value inside a message: quoted, control characters escaped, cut to a readable length. */
export function quote(value: unknown): string {
  const text = (JSON.stringify(value) ?? String(value)).replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return text.length <= QUOTED_CHARACTERS_MAX ? text : `${text.slice(0, QUOTED_CHARACTERS_MAX)}…`;
}

const QUOTED_CHARACTERS_MAX = 80;
