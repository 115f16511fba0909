import type { Admin } from '../../directory/admin/admin.ts';
import type { UserRecord } from '../../directory/admin/users.ts';
import { withAdmin, withChange } from '../administration.ts';
import { flagOn, flagText, UsageError, word, type Call, type Group } from '../command.ts';
import { all, ends, present } from '../filter.ts';
import { noteDamaged } from '../print.ts';
import { printUser } from './user-fields.ts';

async function add(admin: Admin, call: Call): Promise<UserRecord> {
  const [login = '', to = ''] = call.args;
  const [keep, dont] = [flagOn(call, 'keep'), flagOn(call, 'no-keep')];
  if (keep && dont) throw new UsageError('--keep and --no-keep exclude each other');
  const before = await admin.users.get(login);
  // First the copy, then the forward: a letter in between is kept once too often, never lost.
  if (keep && !before.keepsForwarded) await admin.users.keepForwarded(login, true);
  const user = await admin.users.addForward(login, to);
  return dont && user.keepsForwarded ? admin.users.keepForwarded(login, false) : user;
}

async function list(call: Call): Promise<void> {
  const domain = flagText(call, 'domain');
  const only = [
    present('mailForward'),
    domain === undefined ? undefined : ends('cn', `@${domain}`),
  ];
  const filter = all(only) ?? '';
  const found = await withAdmin(call, (admin) => admin.users.find({ filter }));
  noteDamaged(call, found);
  const rows = found.items
    .flatMap(({ login, forwards, keepsForwarded }) =>
      forwards.map((to) => ({ login, to, keeps: keepsForwarded })),
    )
    .toSorted((a, b) => (a.login < b.login ? -1 : 1));
  if (call.json) return call.out.json(rows);
  call.out.table(
    ['user', 'forward to', 'keeps a copy'],
    rows.map(({ login, to, keeps }) => [login, to, keeps ? 'yes' : 'no']),
  );
}

export const FORWARD_COMMANDS: Group = {
  'forward add': {
    usage: 'NAME@DOMAIN ADDRESS [--keep|--no-keep]',
    summary: 'Sends mail of a user on; what would come back is refused',
    examples: [
      'mailfarm forward add carol@example.test carol@example.org',
      'mailfarm forward add carol@example.test dan@example.test --keep',
    ],
    options: {
      keep: { type: 'boolean', doc: 'The mailbox gets a copy too' },
      'no-keep': { type: 'boolean', doc: 'The mailbox gets none' },
    },
    args: [2, 2],
    run: async (call) => printUser(call, await withChange(call, (admin) => add(admin, call))),
  },
  'forward remove': {
    usage: 'NAME@DOMAIN ADDRESS',
    summary: 'Ends a forward',
    examples: ['mailfarm forward remove carol@example.test carol@example.org'],
    args: [2, 2],
    run: async (call) =>
      printUser(
        call,
        await withChange(call, ({ users }) => users.removeForward(word(call, 0), word(call, 1))),
      ),
  },
  'forward list': {
    usage: '[--domain DOMAIN]',
    summary: 'Lists forwards',
    examples: ['mailfarm forward list'],
    options: { domain: { type: 'string', value: 'DOMAIN', doc: 'Of users whose login is in it' } },
    args: [0, 0],
    run: list,
  },
};
