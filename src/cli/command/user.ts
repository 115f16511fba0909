import { systemClock as clock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import type { Admin } from '../../directory/admin/admin.ts';
import type { UserRecord, UserValues } from '../../directory/admin/users.ts';
import { makeMailbox } from '../../volumes/make.ts';
import { PlacementError, volumeOfPath } from '../../volumes/placement.ts';
import { parseValue } from '../../config/values.ts';
import { withAdmin, withChange } from '../administration.ts';
import { flagList, flagText, UsageError, type Call, type Command } from '../command.ts';

/** Fields that `add` and `set` share. An empty text takes the value away. */
const FIELDS = {
  'password-stdin': { type: 'boolean' },
  quota: { type: 'string' },
  volume: { type: 'string' },
  path: { type: 'string' },
  suspend: { type: 'string', multiple: true },
  'customer-id': { type: 'string' },
  site: { type: 'string' },
} as const;

const optional = (text: string | undefined): string | null | undefined =>
  text === '' ? null : text;

function quotaOf(text: string): number {
  const row = { kind: 'bytes', default: 0, min: 0, max: Number.MAX_SAFE_INTEGER, doc: '' } as const;
  const parsed = parseValue(row, text);
  if (!parsed.ok) throw new UsageError(`--quota: "${text}" is not ${parsed.expected}`);
  return parsed.value as number;
}

async function valuesOf(call: Call): Promise<UserValues> {
  const quota = flagText(call, 'quota');
  const suspend = flagList(call, 'suspend').filter(Boolean);
  return {
    ...(call.flags['password-stdin'] === true ? { password: await call.readInput() } : {}),
    ...(quota === undefined ? {} : { quotaBytes: quotaOf(quota) }),
    ...(call.flags['suspend'] === undefined ? {} : { suspended: suspend }),
    volume: optional(flagText(call, 'volume')),
    path: optional(flagText(call, 'path')),
    customerId: optional(flagText(call, 'customer-id')),
    site: optional(flagText(call, 'site')),
  };
}

const ROWS: readonly (readonly [label: string, of: (user: UserRecord) => string])[] = [
  ['login', (user) => user.login],
  ['id', (user) => user.id],
  ['uid', (user) => String(user.uid)],
  ['aliases', (user) => user.aliases.join(', ')],
  ['forwards', (user) => user.forwards.join(', ')],
  ['volume', (user) => user.volume ?? ''],
  ['path', (user) => user.path ?? ''],
  ['quota', (user) => (user.quotaBytes === 0 ? 'none' : `${user.quotaBytes} octets`)],
  ['suspended', (user) => user.suspended.join(', ')],
  ['customer', (user) => user.customerId ?? ''],
  ['site', (user) => user.site ?? ''],
  ['removed', (user) => user.removed ?? ''],
];

function print(call: Call, user: UserRecord): void {
  if (call.json) return call.out.json(user);
  const rows = ROWS.map(([label, of]) => [label, of(user)]).filter(([, text]) => text !== '');
  call.out.table(['field', 'value'], rows);
}

/** A command on one user that prints the entry afterwards. */
const change =
  (work: (admin: Admin, call: Call) => Promise<UserRecord>) =>
  async (call: Call): Promise<void> =>
    print(call, await withChange(call, (admin) => work(admin, call)));

const word = (call: Call, index: number): string => call.args[index] ?? '';

async function list(call: Call): Promise<void> {
  const domain = flagText(call, 'domain');
  const users = await withAdmin(call, (admin) =>
    admin.users.list(domain === undefined ? {} : { domain }),
  );
  if (call.json) return call.out.json(users);
  const header = ['login', 'uid', 'volume', 'aliases', 'suspended'];
  const rows = users.map((user) => [
    user.login,
    String(user.uid),
    user.volume ?? '',
    user.aliases.join(' '),
    user.removed === undefined ? user.suspended.join(' ') : `removed ${user.removed}`,
  ]);
  call.out.table(
    header,
    rows.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
  );
}

/**
 * Stores a volume for a user without one: the mailbox is made first, for from then on it must be
 * there. @throws StoreError, AdminError
 */
async function pin(admin: Admin, user: UserRecord, volume: string): Promise<UserRecord> {
  const entries = await admin.volumes.list();
  await makeMailbox({ account: user, volume, entries, clock, random });
  return admin.users.place(user.login, volume);
}

/** A mailbox that exists stays where it is: its mail would be out of sight elsewhere. */
function refuseMove(user: UserRecord, values: UserValues): void {
  if (user.volume === undefined) return;
  const moves = (values.volume ?? user.volume) !== user.volume || values.volume === null;
  if (!moves && (values.path === undefined || values.path === (user.path ?? null))) return;
  throw new UsageError(
    `${user.login} has a mailbox on volume ${user.volume}; it cannot be given another place, ` +
      'because the mail would stay behind',
  );
}

/** A path on no volume would only defer the user's mail, until somebody looks into the log. */
async function requireVolume(admin: Admin, path: string | null | undefined): Promise<void> {
  if (typeof path !== 'string') return;
  try {
    volumeOfPath(path.replace(/\/+$/, ''), await admin.volumes.list());
  } catch (error) {
    throw error instanceof PlacementError ? new UsageError(`--path: ${error.message}`) : error;
  }
}

async function add(admin: Admin, call: Call): Promise<UserRecord> {
  const uid = flagText(call, 'uid');
  const { volume, ...values } = await newUser(call);
  await requireVolume(admin, values.path);
  if (typeof volume === 'string') await admin.volumes.show(volume); // Before there is a user.
  const user = await admin.users.add({
    login: word(call, 0),
    aliases: flagList(call, 'alias'),
    ...(uid === undefined ? {} : { uid: Number(uid) }),
    ...values,
  });
  return typeof volume === 'string' ? pin(admin, user, volume) : user;
}

async function set(admin: Admin, call: Call): Promise<UserRecord> {
  const given = await valuesOf(call);
  const before = await admin.users.show(word(call, 0));
  refuseMove(before, given);
  await requireVolume(admin, given.path);
  const { volume, ...values } = given;
  const user = await admin.users.set(before.login, values);
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

export const USER_COMMANDS: Readonly<Record<string, Command>> = {
  'user add': {
    usage: 'NAME@DOMAIN --password-stdin [--alias A …] [--quota 5GB] [--volume V] [--path P]',
    summary: 'Adds a user',
    examples: [
      'echo secret | mailfarm user add carol@example.test --password-stdin',
      'mailfarm user add tevie@example.test --password-stdin --uid 2001 --path /mail1/12/34/tevie < secret',
    ],
    options: { ...FIELDS, alias: { type: 'string', multiple: true }, uid: { type: 'string' } },
    args: [1, 1],
    run: change((admin, call) => add(admin, call)),
  },
  'user show': {
    usage: 'NAME@DOMAIN',
    summary: 'Shows a user',
    args: [1, 1],
    run: async (call) =>
      print(call, await withAdmin(call, (admin) => admin.users.show(word(call, 0)))),
  },
  'user list': {
    usage: '[--domain DOMAIN]',
    summary: 'Lists users',
    options: { domain: { type: 'string' } },
    args: [0, 0],
    run: list,
  },
  'user set': {
    usage:
      'NAME@DOMAIN [--password-stdin] [--quota 5GB] [--suspend SERVICE …] [--volume V] [--path P]',
    summary: 'Changes a user; an empty text takes the value away',
    examples: [
      'mailfarm user set carol@example.test --quota 10GB',
      'mailfarm user set carol@example.test --suspend pop3',
      "mailfarm user set carol@example.test --suspend ''",
    ],
    options: FIELDS,
    args: [1, 1],
    run: change((admin, call) => set(admin, call)),
  },
  'user rename': {
    usage: 'NAME@DOMAIN NEW@DOMAIN',
    summary: 'Gives a user another login; mailbox, number and customer stay',
    args: [2, 2],
    run: change(({ users }, call) => users.rename(word(call, 0), word(call, 1))),
  },
  'user remove': {
    usage: 'NAME@DOMAIN',
    summary: 'Takes a user out of service; the mail stays',
    args: [1, 1],
    run: change(({ users }, call) => users.remove(word(call, 0))),
  },
  'user restore': {
    usage: 'NAME@DOMAIN',
    summary: 'Puts a removed user back into service',
    args: [1, 1],
    run: change(({ users }, call) => users.restore(word(call, 0))),
  },
};

export const ALIAS_COMMANDS: Readonly<Record<string, Command>> = {
  'alias add': {
    usage: 'ALIAS@DOMAIN NAME@DOMAIN',
    summary: 'Lets a user receive mail at one more address',
    args: [2, 2],
    run: change(({ users }, call) => users.addAlias(word(call, 1), word(call, 0))),
  },
  'alias remove': {
    usage: 'ALIAS@DOMAIN NAME@DOMAIN',
    summary: 'Takes an address away from a user',
    args: [2, 2],
    run: change(({ users }, call) => users.removeAlias(word(call, 1), word(call, 0))),
  },
  'alias list': {
    usage: '[--domain DOMAIN]',
    summary: 'Lists aliases and their users',
    options: { domain: { type: 'string' } },
    args: [0, 0],
    run: listAliases,
  },
};

async function listAliases(call: Call): Promise<void> {
  const domain = flagText(call, 'domain');
  const users = await withAdmin(call, (admin) => admin.users.list({}));
  const rows = users.flatMap(({ aliases, login }) =>
    aliases
      .filter((alias) => domain === undefined || alias.endsWith(`@${domain.toLowerCase()}`))
      .map((alias) => ({ alias, login })),
  );
  if (call.json) return call.out.json(rows);
  call.out.table(
    ['alias', 'user'],
    rows.map(({ alias, login }) => [alias, login]),
  );
}
