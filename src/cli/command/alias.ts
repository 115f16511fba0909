import { withAdmin, withChange } from '../administration.ts';
import { flagText, word, type Call, type Group } from '../command.ts';
import { all, ends, present } from '../filter.ts';
import { noteDamaged } from '../print.ts';
import { printUser } from './user-fields.ts';

async function list(call: Call): Promise<void> {
  const domain = flagText(call, 'domain');
  const filter =
    all([domain === undefined ? present('mailAlias') : ends('mailAlias', `@${domain}`)]) ?? '';
  const found = await withAdmin(call, (admin) => admin.users.find({ filter }));
  noteDamaged(call, found);
  const rows = found.items
    .flatMap(({ aliases, login }) => aliases.map((alias) => ({ alias, login })))
    .filter(({ alias }) => domain === undefined || alias.endsWith(`@${domain.toLowerCase()}`))
    .toSorted((a, b) => (a.alias < b.alias ? -1 : 1));
  if (call.json) return call.out.json(rows);
  call.out.table(
    ['alias', 'user'],
    rows.map(({ alias, login }) => [alias, login]),
  );
}

export const ALIAS_COMMANDS: Group = {
  'alias add': {
    usage: 'ALIAS@DOMAIN NAME@DOMAIN',
    summary: 'Lets a user receive mail at one more address',
    examples: ['mailfarm alias add info@example.test carol@example.test'],
    args: [2, 2],
    run: async (call) =>
      printUser(
        call,
        await withChange(call, ({ users }) => users.addAlias(word(call, 1), word(call, 0))),
      ),
  },
  'alias remove': {
    usage: 'ALIAS@DOMAIN NAME@DOMAIN',
    summary: 'Takes an address away from a user',
    examples: ['mailfarm alias remove info@example.test carol@example.test'],
    args: [2, 2],
    run: async (call) =>
      printUser(
        call,
        await withChange(call, ({ users }) => users.removeAlias(word(call, 1), word(call, 0))),
      ),
  },
  'alias list': {
    usage: '[--domain DOMAIN]',
    summary: 'Lists aliases and their users',
    examples: ['mailfarm alias list --domain example.test'],
    options: { domain: { type: 'string', value: 'DOMAIN', doc: 'Aliases in it' } },
    args: [0, 0],
    run: list,
  },
};
