import type { Recorded } from '../directory/admin/api.ts';
import type { Call } from './command.ts';

/** One thing: a line for each field that has a value. */
export function printFields(
  call: Call,
  what: object,
  rows: readonly (readonly [label: string, value: string | undefined])[],
): void {
  if (call.json) return call.out.json(what);
  const shown = rows.flatMap(([label, value]) =>
    value === undefined || value === '' ? [] : [[label, value]],
  );
  call.out.table(['field', 'value'], shown);
}

/** Fields of an entry that no field of ours shows: the directory is also other people's. */
export function otherFields(
  record: Recorded,
  known: ReadonlySet<string>,
): readonly (readonly [label: string, value: string])[] {
  return record.fields
    .filter(({ name }) => !known.has(name.toLowerCase()))
    .map(({ name, values }) => [name, values.join(', ')] as const);
}

/** What is wrong with entries that a query found and nobody can read: told beside the result. */
export const noteDamaged = (call: Call, { damaged }: { damaged: readonly string[] }): void => {
  for (const text of damaged) call.out.note(`mailfarm: ${text} (MF-DIR-004)`);
};
