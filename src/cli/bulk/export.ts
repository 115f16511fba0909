import { systemClock } from '../../base/clock.ts';
import { exitCode } from '../../config/exit.ts';
import { openAdmin } from '../../directory/admin/admin.ts';
import { exportedPasswords } from '../../directory/admin/bulk-export.ts';
import type { UserRecord } from '../../directory/admin/users.ts';
import { accessOf } from '../administration.ts';
import { flagOn, flagText, UsageError, type Call } from '../command.ts';
import { queryOf } from '../command/user-list.ts';
import { csvCell, csvRow } from './csv.ts';
import { isDropped } from './fields.ts';
import { ldifRecord } from './ldif.ts';

/** Text gathered before it is written. */
const PIECE = 64 * 1024;

/** Of a CSV file; other fields of entries come behind them. */
const COLUMNS = [
  'cn',
  'uid',
  'mailAlias',
  'mailForward',
  'mwForwardKeep',
  'mwQuota',
  'mwSuspended',
  'mwVolume',
  'mwPath',
  'customerID',
  'mwSite',
  'description',
] as const;
const NOT_IN_CSV: ReadonlySet<string> = new Set(['objectclass', 'mwlevel']);

export async function runExport(call: Call): Promise<number> {
  const csv = flagText(call, 'format') === 'csv';
  const hashes = flagOn(call, 'hashes');
  if (csv && hashes) throw new UsageError('--hashes: password hashes go into LDIF only');
  if (call.json) throw new UsageError('user export prints LDIF or CSV; user list has --json');
  const clock = call.clock ?? systemClock;
  const access = { ...(await accessOf(call)), clock };
  const admin = await openAdmin(access);
  try {
    const passwords = hashes ? await exportedPasswords(access) : undefined;
    const users = admin.users.each(queryOf(call));
    await (csv ? writeCsv(call, users) : writeLdif(call, users, passwords));
    return exitCode('ok');
  } finally {
    await admin.close();
  }
}

/** Marks of an administrator's account and of the server are of that directory alone. */
const kept = (name: string): boolean => !isDropped(name) && name.toLowerCase() !== 'mwlevel';

async function writeLdif(
  call: Call,
  users: AsyncIterable<UserRecord>,
  passwords: ReadonlyMap<string, readonly string[]> | undefined,
): Promise<void> {
  let text = 'version: 1\n\n';
  for await (const user of users) {
    const hashes = passwords?.get(user.id) ?? [];
    text += ldifRecord(user.dn, [
      ...user.fields
        .filter(({ name }) => kept(name))
        .map(({ name, values }) => [name, values] as const),
      ...(hashes.length > 0 ? [['userPassword', hashes] as const] : []),
    ]);
    if (text.length > PIECE) {
      await call.out.raw(text);
      text = '';
    }
  }
  await call.out.raw(text);
}

/** The header needs every field that some entry has, so the users are read before it. */
async function writeCsv(call: Call, users: AsyncIterable<UserRecord>): Promise<void> {
  const rows: ReadonlyMap<string, readonly string[]>[] = [];
  const more = new Set<string>();
  for await (const user of users) {
    const fields = user.fields.filter(
      ({ name }) => kept(name) && !NOT_IN_CSV.has(name.toLowerCase()),
    );
    rows.push(new Map(fields.map(({ name, values }) => [name, values])));
    for (const { name } of fields) more.add(name);
  }
  for (const name of COLUMNS) more.delete(name);
  const columns = [...COLUMNS, ...[...more].toSorted()];
  let text = csvRow(columns);
  for (const row of rows) {
    text += csvRow(columns.map((name) => csvCell(name, row.get(name) ?? [])));
    if (text.length > PIECE) {
      await call.out.raw(text);
      text = '';
    }
  }
  await call.out.raw(text);
}
