import { systemClock as clock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { parseValue } from '../../config/values.ts';
import type { Admin } from '../../directory/admin/admin.ts';
import { fieldOf } from '../../directory/admin/record.ts';
import type { UserRecord, UserValues } from '../../directory/admin/users.ts';
import { LEVELS } from '../../directory/rights.ts';
import { ACCOUNT_SERVICES } from '../../directory/types.ts';
import { makeMailbox } from '../../volumes/make.ts';
import { PlacementError, volumeOfPath } from '../../volumes/placement.ts';
import {
  flagGiven,
  flagListGiven,
  flagOn,
  flagText,
  quoted,
  UsageError,
  type Call,
  type OptionRows,
} from '../command.ts';
import { humanBytes, humanTime } from '../human.ts';
import { otherFields, printFields } from '../print.ts';

/** Fields that `user add` and `user set` share. An empty text takes the value away. */
export const FIELDS = {
  'password-stdin': { type: 'boolean', doc: 'The password is read from standard input' },
  quota: {
    type: 'string',
    value: 'SIZE',
    doc: 'Mail the user may keep, such as 5GB; 0 is no limit',
  },
  volume: { type: 'string', value: 'VOLUME', doc: 'Where the mailbox is made, now' },
  path: { type: 'string', value: 'PATH', doc: 'An explicit path of the Maildir' },
  suspend: {
    type: 'string',
    multiple: true,
    choices: ACCOUNT_SERVICES,
    doc: 'Services the user does not get',
  },
  customer: { type: 'string', value: 'ID', doc: 'The customer at the billing' },
  site: { type: 'string', value: 'SITE', doc: 'The site the user belongs to' },
  description: { type: 'string', value: 'TEXT', doc: 'For people' },
} as const satisfies OptionRows;

/** A size as people write it. @throws UsageError */
export function quotaOf(text: string): number {
  const row = { kind: 'bytes', default: 0, min: 0, max: Number.MAX_SAFE_INTEGER, doc: '' } as const;
  const parsed = parseValue(row, text);
  if (!parsed.ok) throw new UsageError(`--quota: ${quoted(text)} is not ${parsed.expected}`);
  return parsed.value as number;
}

export async function valuesOf(call: Call): Promise<UserValues> {
  const quota = flagText(call, 'quota');
  return {
    ...(flagOn(call, 'password-stdin') ? { password: await call.readInput() } : {}),
    ...(quota === undefined ? {} : { quotaBytes: quotaOf(quota) }),
    ...(call.flags['suspend'] === undefined ? {} : { suspended: flagListGiven(call, 'suspend') }),
    volume: flagGiven(call, 'volume'),
    path: flagGiven(call, 'path'),
    customerId: flagGiven(call, 'customer'),
    site: flagGiven(call, 'site'),
    description: flagGiven(call, 'description'),
  };
}

const ROWS: readonly (readonly [label: string, of: (user: UserRecord) => string | undefined])[] = [
  ['login', (user) => user.login],
  ['id', (user) => user.id],
  ['uid', (user) => String(user.uid)],
  ['aliases', (user) => user.aliases.join(', ')],
  ['forwards', (user) => user.forwards.join(', ')],
  [
    'keeps a copy',
    (user) => (user.forwards.length === 0 ? '' : user.keepsForwarded ? 'yes' : 'no'),
  ],
  ['volume', (user) => user.volume],
  ['path', (user) => user.path],
  ['quota', (user) => (user.quotaBytes === 0 ? 'none' : humanBytes(user.quotaBytes))],
  ['suspended', (user) => user.suspended.join(', ')],
  ['suspended before', (user) => fieldOf(user, 'mwFormerSuspended').join(', ')],
  ['absent', (user) => (user.vacation ? 'answers: see vacation show' : undefined)],
  ['level', (user) => levelOf(user)],
  ['customer', (user) => user.customerId],
  ['site', (user) => user.site],
  ['removed', (user) => user.removed && humanTime(user.removed)],
];

/** A level by its name; a number that is no level as it is. */
function levelOf(user: UserRecord): string | undefined {
  const [number] = fieldOf(user, 'mwLevel');
  return Object.entries(LEVELS).find(([, level]) => String(level) === number)?.[0] ?? number;
}

/** Attributes that the rows show, and those of the server. */
const SHOWN: ReadonlySet<string> = new Set(
  (
    'cn entryuuid uid mailalias mailforward mwforwardkeep mwvolume mwpath mwquota mwsuspended ' +
    'customerid mwsite mwvacation mwvacationsubject mwvacationfrom mwvacationuntil ' +
    ' mwremoved mwformerlogin mwformersuspended mwlevel objectclass ' +
    'createtimestamp modifytimestamp'
  ).split(' '),
);

export const printUser = (call: Call, user: UserRecord): void =>
  printFields(call, user, [
    ...ROWS.map(([label, of]) => [label, of(user)] as const),
    ...otherFields(user, SHOWN),
  ]);

/**
 * Stores a volume for a user without one: the mailbox is made first, for from then on it must be
 * there. @throws StoreError, AdminError
 */
export async function pin(admin: Admin, user: UserRecord, volume: string): Promise<UserRecord> {
  const entries = await admin.volumes.list();
  await makeMailbox({ account: user, volume, entries, clock, random });
  return admin.users.place(user.login, volume);
}

/** A mailbox that exists stays where it is: its mail would be out of sight elsewhere. */
export function refuseMove(user: UserRecord, values: UserValues): void {
  if (user.volume === undefined) return;
  const moves = (values.volume ?? user.volume) !== user.volume || values.volume === null;
  if (!moves && (values.path === undefined || values.path === (user.path ?? null))) return;
  throw new UsageError(
    `${user.login} has a mailbox on volume ${user.volume}; it cannot be given another place, ` +
      'because the mail would stay behind',
  );
}

/** A path on no volume would only defer the user's mail, until somebody looks into the log. */
export async function requireVolume(admin: Admin, path: string | null | undefined): Promise<void> {
  if (typeof path !== 'string') return;
  try {
    volumeOfPath(path.replace(/\/+$/, ''), await admin.volumes.list());
  } catch (error) {
    throw error instanceof PlacementError ? new UsageError(`--path: ${error.message}`) : error;
  }
}
