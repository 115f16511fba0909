import type { Query } from '../../directory/admin/api.ts';
import type { UserRecord } from '../../directory/admin/users.ts';
import { withAdmin } from '../administration.ts';
import {
  flagCount,
  flagOn,
  flagText,
  type Call,
  type Command,
  type OptionRows,
} from '../command.ts';
import { all, begins, ends, equals, present } from '../filter.ts';
import { humanBytes, humanTime } from '../human.ts';
import { noteDamaged } from '../print.ts';

/** Which users, for `list` and `export`. */
export const QUERY_OPTIONS = {
  domain: { type: 'string', value: 'DOMAIN', doc: 'Whose login is in it' },
  field: { type: 'string', value: 'FIELD', doc: 'What --match looks at; the login by default' },
  match: { type: 'string', value: 'RE2', doc: 'Expression that a value matches somewhere' },
  filter: { type: 'string', value: 'FILTER', doc: 'Filter of LDAP (RFC 4515)' },
  customer: { type: 'string', value: 'ID', doc: 'Users of this customer' },
  site: { type: 'string', value: 'SITE', doc: 'Users of this site' },
  volume: { type: 'string', value: 'VOLUME', doc: 'Users whose mailbox is on it' },
  suspended: { type: 'boolean', doc: 'Users who do not get some service' },
  limit: { type: 'string', value: 'N', doc: 'No more than so many' },
} as const satisfies OptionRows;

export function queryOf(call: Call): Query {
  const one = (flag: string, filter: (value: string) => string): string | undefined => {
    const text = flagText(call, flag);
    return text === undefined ? undefined : filter(text);
  };
  const field = flagText(call, 'field');
  const regex = flagText(call, 'match');
  const limit = flagCount(call, 'limit');
  const filter = all([
    flagText(call, 'filter'),
    one('domain', (domain) => ends('cn', `@${domain}`)),
    one('customer', (id) => equals('customerID', id)),
    one('site', (site) => equals('mwSite', site)),
    one('volume', (volume) => equals('mwVolume', volume)),
    flagOn(call, 'suspended') ? present('mwSuspended') : undefined,
  ]);
  return {
    ...(field === undefined ? {} : { field }),
    ...(regex === undefined ? {} : { regex }),
    ...(filter === undefined ? {} : { filter }),
    ...(limit === undefined ? {} : { limit }),
  };
}

async function list(call: Call): Promise<void> {
  const query = queryOf(call);
  const removed = flagOn(call, 'removed');
  const found = await withAdmin(call, ({ users }) =>
    removed ? users.removed.find(query) : users.find(query),
  );
  noteDamaged(call, found);
  const users = found.items.toSorted((a, b) => (a.login < b.login ? -1 : 1));
  if (call.json) return call.out.json(users);
  if (removed) return printRemoved(call, users);
  call.out.table(
    [
      'login',
      { title: 'uid', align: 'right' },
      'volume',
      { title: 'quota', align: 'right' },
      'aliases',
      'forwards',
      'suspended',
    ],
    users.map((user) => [
      user.login,
      String(user.uid),
      user.volume ?? '',
      user.quotaBytes === 0 ? '' : humanBytes(user.quotaBytes),
      user.aliases.join(' '),
      user.forwards.join(' '),
      user.suspended.join(' '),
    ]),
  );
}

const printRemoved = (call: Call, users: readonly UserRecord[]): void =>
  call.out.table(
    ['former login', 'id', { title: 'uid', align: 'right' }, 'volume', 'removed'],
    users.map((user) => [
      user.login,
      user.id,
      String(user.uid),
      user.volume ?? '',
      humanTime(user.removed ?? ''),
    ]),
  );

export const USER_LIST: Command = {
  usage: '[--domain D] [--field F --match RE2] [--filter FILTER] [--removed] [--limit N]',
  summary: 'Lists users',
  examples: [
    'mailfarm user list --domain example.test',
    "mailfarm user list --field mailAlias --match '@old\\.example$'",
    "mailfarm user list --filter '(&(mwSite=north)(mwQuota>=1000000000))' --json",
    'mailfarm user list --removed',
  ],
  options: { ...QUERY_OPTIONS, removed: { type: 'boolean', doc: 'Users taken out of service' } },
  args: [0, 0],
  run: list,
};

/** Users whose explicit path is this one, lies in it or has it in itself. */
export function onPath(path: string): string {
  const parts = path.split('/').slice(1, -1);
  const above = parts.map((_, i) => equals('mwPath', `/${parts.slice(0, i + 1).join('/')}`));
  return `(|${equals('mwPath', path)}${begins('mwPath', `${path}/`)}${above.join('')})`;
}
