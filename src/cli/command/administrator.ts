import type { Administrator } from '../../directory/admin/api.ts';
import { LEVELS, type Level } from '../../directory/rights.ts';
import { withAdmin, withChange } from '../administration.ts';
import { done, quoted, UsageError, word, type Call, type Group } from '../command.ts';

const ALL = Object.keys(LEVELS) as readonly Level[];

function print(call: Call, administrators: readonly Administrator[]): void {
  if (call.json) return call.out.json(administrators);
  const rows = administrators.toSorted(
    (a, b) => LEVELS[b.level] - LEVELS[a.level] || (a.login < b.login ? -1 : 1),
  );
  call.out.table(
    ['administrator', 'level'],
    rows.map(({ login, level }) => [login, level]),
  );
}

async function grant(call: Call): Promise<void> {
  const level = ALL.find((known) => known === word(call, 1));
  if (!level) throw new UsageError(`${quoted(word(call, 1))} is not one of ${ALL.join(', ')}`);
  const login = word(call, 0);
  const who = await withChange(call, (admin) => admin.administrators.grant(login, level));
  done(call, who, `${who.login} has the level ${who.level}`);
}

export const ADMINISTRATOR_COMMANDS: Group = {
  'administrator list': {
    usage: '',
    summary: 'Lists who has which level',
    examples: ['mailfarm administrator list'],
    args: [0, 0],
    run: async (call) => print(call, await withAdmin(call, (admin) => admin.administrators.list())),
  },
  'administrator grant': {
    usage: `NAME@DOMAIN ${ALL.join('|')}`,
    summary: 'Gives a user a level, in place of an earlier one',
    examples: [
      'mailfarm administrator grant carol@example.test helpdesk',
      'mailfarm user list --as carol@example.test',
    ],
    args: [2, 2],
    run: grant,
  },
  'administrator revoke': {
    usage: 'NAME@DOMAIN',
    summary: 'Takes the level from a user; the last administrator keeps it',
    examples: ['mailfarm administrator revoke carol@example.test'],
    args: [1, 1],
    run: async (call) => {
      await withChange(call, (admin) => admin.administrators.revoke(word(call, 0)));
      done(call, { revoked: word(call, 0) }, `${word(call, 0)} has no level any more`);
    },
  },
};
