import { systemRandom } from '../../base/random.ts';
import { mergeTables, parseSettings } from '../../config/settings.ts';
import { TABLES } from '../../roles/tables.ts';
import { withAdmin, withChange } from '../administration.ts';
import { done, UsageError, type Call, type Command } from '../command.ts';

async function listOptions(call: Call): Promise<void> {
  const rows = [...mergeTables(TABLES)].toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (call.json) return call.out.json(Object.fromEntries(rows));
  const cells = rows.map(([name, row]) => [name, String(row.default), row.doc]);
  call.out.table(['option', 'default', 'meaning'], cells);
}

async function list(call: Call): Promise<void> {
  const settings = await withAdmin(call, (admin) => admin.settings.all());
  if (call.json) return call.out.json(Object.fromEntries(settings));
  call.out.table(['option', 'value'], [...settings]);
}

/** Checked before it is written: a wrong value in cn=farm would keep every node from starting. */
async function set(call: Call): Promise<void> {
  const [name = '', value] = call.args;
  if (value !== undefined) {
    const { problems } = parseSettings(TABLES, [[name, value]]);
    if (problems.length > 0) throw new UsageError(problems.map((p) => p.message).join('; '));
  }
  await withChange(call, (admin) => admin.settings.set(name, value));
  if (call.json) call.out.json({ [name]: value ?? null });
  else call.out.line(value === undefined ? `${name} has its default` : `${name} is ${value}`);
}

export const CONFIG_COMMANDS: Readonly<Record<string, Command>> = {
  'config options': {
    usage: '',
    summary: 'Lists every option that mwSetting in cn=farm may set',
    examples: ['mailfarm config options'],
    args: [0, 0],
    run: listOptions,
  },
  'config list': {
    usage: '',
    summary: 'Lists what is set in cn=farm',
    examples: ['mailfarm config list'],
    args: [0, 0],
    run: list,
  },
  'config cookie': {
    usage: '',
    summary: 'Makes the farm’s cookie where it has none: nodes know their own farm by it',
    examples: ['mailfarm config cookie'],
    args: [0, 0],
    run: async (call) => {
      const made = await withChange(call, ({ settings }) => settings.ensureCookie(systemRandom));
      done(call, { made }, made ? 'farm.cookie is made' : 'farm.cookie is there, and stays');
    },
  },
  'config set': {
    usage: 'OPTION [VALUE]',
    summary: 'Sets an option for the whole farm; without a value the default',
    examples: [
      'mailfarm config set smtp.message.max 100MB',
      'mailfarm config set smtp.message.max',
    ],
    args: [1, 2],
    run: set,
  },
};
