import { withAdmin, withChange } from '../administration.ts';
import { done, word, type Group } from '../command.ts';
import { humanMoment } from '../human.ts';

/** What helps a user who lost a telephone, or whose program has to be shut out. */
export const ACCESS_COMMANDS: Group = {
  'access list': {
    usage: 'NAME@DOMAIN',
    summary: 'Lists the app passwords of a user: for what they are, never what they are',
    examples: ['mailfarm access list carol@example.test'],
    args: [1, 1],
    run: async (call) => {
      const made = await withAdmin(call, async (admin) => {
        const { dn } = await admin.users.get(word(call, 0));
        return await admin.factors.appPasswords(dn);
      });
      if (call.json) return call.out.json(made.map(({ hash: _, ...shown }) => shown));
      call.out.table(
        ['id', 'name', 'services', 'made'],
        made.map(({ id, label, services, createdAt }) => [
          id,
          label,
          services.join(', '),
          createdAt === undefined ? '' : humanMoment(createdAt),
        ]),
      );
    },
  },
  'access remove': {
    usage: 'NAME@DOMAIN ID',
    summary: 'Removes an app password of a user: the program that has it is shut out',
    examples: ['mailfarm access remove carol@example.test k3jq7x2a'],
    args: [2, 2],
    run: async (call) => {
      const [login, id] = [word(call, 0), word(call, 1)];
      await withChange(call, async (admin) => {
        const { dn } = await admin.users.get(login);
        await admin.factors.removeAppPassword(dn, id);
      });
      done(call, { login, removed: id }, `the app password ${id} of ${login} is removed`);
    },
  },
  'access unlock': {
    usage: 'NAME@DOMAIN',
    summary: 'Turns the second factor of a user off: see first that it is the user who asks',
    examples: ['mailfarm access unlock carol@example.test'],
    args: [1, 1],
    run: async (call) => {
      const login = word(call, 0);
      await withChange(call, async (admin) => {
        const { dn } = await admin.users.get(login);
        await admin.factors.removeSecondFactor(dn);
      });
      done(call, { login, secondFactor: false }, `${login} signs in with the password alone`);
    },
  },
};
