import { AdminError, type Admin } from '../../directory/admin/admin.ts';
import { fieldOf } from '../../directory/admin/record.ts';
import type { UserRecord, UserValues } from '../../directory/admin/users.ts';
import { ACCOUNT_SERVICES } from '../../directory/types.ts';
import { withAdmin, withChange } from '../administration.ts';
import {
  done,
  flagList,
  flagOn,
  flagText,
  quoted,
  UsageError,
  word,
  type Call,
  type Group,
} from '../command.ts';
import { counted, humanTime } from '../human.ts';
import { FIELDS, pin, printUser, refuseMove, requireVolume, valuesOf } from './user-fields.ts';
import { USER_FILE_COMMANDS } from './user-files.ts';
import { USER_LIST } from './user-list.ts';
import { USER_PURGE } from './user-purge.ts';

/** A command on one user that prints the entry afterwards. */
const change =
  (work: (admin: Admin, call: Call) => Promise<UserRecord>) =>
  async (call: Call): Promise<void> =>
    printUser(call, await withChange(call, (admin) => work(admin, call)));

async function add(admin: Admin, call: Call): Promise<UserRecord> {
  const uid = uidOf(call);
  const { volume, ...values } = await newUser(call);
  await requireVolume(admin, values.path);
  if (typeof volume === 'string') await admin.volumes.show(volume); // Before there is a user.
  const user = await admin.users.add({
    login: word(call, 0),
    aliases: flagList(call, 'alias'),
    ...(uid === undefined ? {} : { uid }),
    ...values,
  });
  return typeof volume === 'string' ? pin(admin, user, volume) : user;
}

function uidOf(call: Call): number | undefined {
  const text = flagText(call, 'uid');
  if (text === undefined) return undefined;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new UsageError(`--uid: ${quoted(text)} is not a whole number`);
}

async function set(admin: Admin, call: Call): Promise<UserRecord> {
  const given = await valuesOf(call);
  const before = await admin.users.show(word(call, 0));
  const state = flagText(call, 'if-unchanged');
  if (state !== undefined && state !== before.revision) {
    const at = humanTime(fieldOf(before, 'modifyTimestamp')[0] ?? '');
    const text = `${before.login} was changed by somebody else meanwhile, last at ${at}`;
    const rest = `the state is ${before.revision} now, not ${quoted(state)}. Nothing was written`;
    throw new AdminError('conflict', `${text}: ${rest}; look at the user again`);
  }
  refuseMove(before, given);
  await requireVolume(admin, given.path);
  const { volume, ...values } = given;
  const user = await admin.users.set(before, values);
  return typeof volume === 'string' && before.volume === undefined
    ? pin(admin, user, volume)
    : user;
}

async function newUser(call: Call): Promise<UserValues & { password: string }> {
  const values = await valuesOf(call);
  if (values.password === undefined) {
    throw new UsageError('user add needs --password-stdin, with the password on standard input');
  }
  return { ...values, password: values.password };
}

async function rename(call: Call): Promise<void> {
  const [from = '', to = ''] = call.args;
  const follow = flagOn(call, 'follow');
  const user = await withChange(call, (admin) => admin.users.rename(from, to, { follow }));
  printUser(call, user);
  if (call.json) return;
  for (const { dn } of user.references) {
    call.out.note(`${dn} still names ${from}; --follow would have changed it`);
  }
}

async function restore(call: Call): Promise<void> {
  const as = flagText(call, 'as-login');
  const options = {
    ...(as === undefined ? {} : { as }),
    withoutTakenAliases: flagOn(call, 'without-taken-aliases'),
  };
  printUser(call, await withChange(call, (admin) => admin.users.restore(word(call, 0), options)));
}

/** For one user, or for every user of a customer who did not pay (S2-20). */
const services =
  (way: 'suspend' | 'resume') =>
  async (call: Call): Promise<void> => {
    const [login] = call.args;
    const customerId = flagText(call, 'customer');
    if ((login === undefined) === (customerId === undefined)) {
      throw new UsageError(`user ${way} takes a user or --customer ID`);
    }
    const whose = login === undefined ? { customerId: customerId ?? '' } : { login };
    const given = flagList(call, 'service');
    const which = given.length > 0 ? given : ACCOUNT_SERVICES;
    const users = await withChange(call, (admin) => admin.users[way](whose, which));
    const did = way === 'suspend' ? 'suspended for' : 'given back to';
    done(call, users, `${which.join(', ')} ${did} ${counted(users.length, 'user')}`);
  };

const SERVICE_OPTIONS = {
  customer: { type: 'string', value: 'ID', doc: 'Every user of this customer' },
  service: { type: 'string', multiple: true, choices: ACCOUNT_SERVICES, doc: 'All by default' },
} as const;

export const USER_COMMANDS: Group = {
  'user add': {
    usage: 'NAME@DOMAIN --password-stdin [--alias A …] [--quota 5GB] [--volume V] [--path P]',
    summary: 'Adds a user',
    examples: [
      'echo secret | mailfarm user add carol@example.test --password-stdin',
      'mailfarm user add tevie@example.test --password-stdin --uid 2001 --path /mail1/12/34/tevie < secret',
    ],
    options: {
      ...FIELDS,
      alias: { type: 'string', multiple: true, value: 'ADDRESS', doc: 'One more address' },
      uid: { type: 'string', value: 'N', doc: 'The number; else the next free one' },
    },
    args: [1, 1],
    run: change((admin, call) => add(admin, call)),
  },
  'user show': {
    usage: 'NAME@DOMAIN',
    summary: 'Shows a user',
    examples: ['mailfarm user show carol@example.test --json'],
    args: [1, 1],
    run: async (call) =>
      printUser(call, await withAdmin(call, (admin) => admin.users.show(word(call, 0)))),
  },
  'user list': USER_LIST,
  'user set': {
    usage: 'NAME@DOMAIN [--password-stdin] [--quota 5GB] [--suspend SERVICE …] [--volume V]',
    summary: 'Changes a user; an empty text takes the value away',
    examples: [
      'mailfarm user set carol@example.test --quota 10GB',
      'mailfarm user set carol@example.test --suspend pop3',
      "mailfarm user set carol@example.test --suspend ''",
    ],
    options: {
      ...FIELDS,
      'if-unchanged': {
        type: 'string',
        value: 'REVISION',
        doc: 'Only if the user still has this "revision" of user show --json',
      },
    },
    args: [1, 1],
    run: change((admin, call) => set(admin, call)),
  },
  'user rename': {
    usage: 'NAME@DOMAIN NEW@DOMAIN [--follow]',
    summary: 'Gives a user another login; mailbox, number and customer stay',
    examples: ['mailfarm user rename carol@example.test carol.jones@example.test --follow'],
    options: { follow: { type: 'boolean', doc: 'Lists and forwards name the new one too' } },
    args: [2, 2],
    run: rename,
  },
  'user remove': {
    usage: 'NAME@DOMAIN',
    summary: 'Takes a user out of service; the address is free at once, the mail stays its days',
    examples: ['mailfarm user remove carol@example.test', 'mailfarm user list --removed'],
    args: [1, 1],
    run: change(({ users }, call) => users.remove(word(call, 0))),
  },
  'user restore': {
    usage: 'NAME@DOMAIN|ID [--as-login NEW@DOMAIN] [--without-taken-aliases]',
    summary: 'Puts a removed user back into service',
    examples: [
      'mailfarm user restore carol@example.test',
      'mailfarm user restore 2b0c7b1e-… --as-login carol2@example.test',
    ],
    options: {
      'as-login': { type: 'string', value: 'LOGIN', doc: 'Where the former one is taken' },
      'without-taken-aliases': { type: 'boolean', doc: 'Leaves out what others have now' },
    },
    args: [1, 1],
    run: restore,
  },
  'user purge': USER_PURGE,
  'user suspend': {
    usage: 'NAME@DOMAIN|--customer ID [--service SERVICE …]',
    summary: 'Takes services from a user or a customer',
    examples: [
      'mailfarm user suspend carol@example.test --service pop3',
      'mailfarm user suspend --customer K-4711',
    ],
    options: SERVICE_OPTIONS,
    args: [0, 1],
    run: services('suspend'),
  },
  'user resume': {
    usage: 'NAME@DOMAIN|--customer ID [--service SERVICE …]',
    summary: 'Gives services back to a user or a customer',
    examples: ['mailfarm user resume --customer K-4711'],
    options: SERVICE_OPTIONS,
    args: [0, 1],
    run: services('resume'),
  },
  ...USER_FILE_COMMANDS,
};
