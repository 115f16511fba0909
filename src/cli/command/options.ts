import { mergeTables } from '../../config/settings.ts';
import { TABLES } from '../../roles/tables.ts';
import type { Call, Command } from '../command.ts';

async function run(call: Call): Promise<void> {
  const rows = [...mergeTables(TABLES)].toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (call.json) return call.out.json(Object.fromEntries(rows));
  const cells = rows.map(([name, row]) => [name, String(row.default), row.doc]);
  call.out.table(['option', 'default', 'meaning'], cells);
}

export const configOptions: Command = {
  usage: '',
  summary: 'Lists every option that mwSetting in cn=farm may set',
  args: [0, 0],
  run,
};
