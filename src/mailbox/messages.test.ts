import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemClock as clock } from '../base/clock.ts';
import { systemRandom as random } from '../base/random.ts';
import type { UserRecord } from '../directory/admin/users.ts';
import { memoryAccount } from '../directory/memory.ts';
import { makeMailbox } from '../volumes/make.ts';
import {
  strikingFs,
  temporaryVolumes,
  volumeOptions,
  type FsCall,
  type Strike,
} from '../volumes/testing/volumes.ts';
import { openMessages, type Messages } from './messages.ts';

const toClose: (() => void)[] = [];
afterEach(() => {
  for (const close of toClose.splice(0).toReversed()) close();
});

const operator = { dn: 'cn=otto', name: 'otto', level: 'operator' } as const;
const NAMES = ['1700000000.M1P1Q1R1.x,S=2,W=3', '1700000001.M1P1Q1R1.x,S=2,W=3,U=same'];

/** A mailbox with messages of these names, on a file system that may fail. */
async function open(
  names: readonly string[],
  strike: Strike = () => undefined,
): Promise<{ messages: Messages; user: UserRecord }> {
  const disk = await temporaryVolumes('v1');
  toClose.push(() => disk.remove());
  const account = memoryAccount({ login: 'alice@example.test', volume: 'v1' });
  const maildir = await makeMailbox({
    account,
    volume: 'v1',
    entries: disk.entries,
    clock,
    random,
  });
  for (const name of names) writeFileSync(join(maildir, 'new', name), 'a\n');
  const messages = openMessages({
    who: operator,
    entries: disk.entries,
    clock,
    random,
    options: volumeOptions(),
    fs: strikingFs(strike),
  });
  toClose.push(() => messages.close());
  const record = { revision: '1', fields: [], aliases: [], customerId: undefined };
  return { messages, user: { ...account, ...record, removed: undefined } };
}

const fails = (call: FsCall, code: string, errno: number): Strike => {
  const error = Object.assign(new Error(`${code}: ${call}`), { code, errno: -errno });
  return (struck) => (struck === call ? error : undefined);
};

test('[S0-50] [N-02] a volume that hangs costs its deadline, not the command', async () => {
  const { messages, user } = await open(NAMES, (call) =>
    call === 'list' ? new Promise(() => {}) : undefined,
  );
  await expect(messages.list(user)).rejects.toMatchObject({ kind: 'volume-down' });
});

test('whoever may not read the files is told who may', async () => {
  const { messages, user } = await open(NAMES, fails('list', 'EACCES', 13));
  await expect(messages.list(user)).rejects.toThrow(/; run this as the service user/);
});

test('messages that could not be deleted are named', async () => {
  const { messages, user } = await open(NAMES, fails('unlink', 'EIO', 5));
  await expect(messages.remove(user, ['same'])).rejects.toThrow(
    '1 of 1 messages of alice@example.test are left: same',
  );
  expect(await messages.list(user)).toHaveLength(2);
});

test('a UIDL that two imported messages have deletes neither; a name says which', async () => {
  const twin = '1700000002.M1P1Q1R1.x,S=2,W=3,U=same';
  const { messages, user } = await open([...NAMES, twin]);
  await expect(messages.remove(user, ['same'])).rejects.toThrow(/Several messages .* take a name/);
  expect(await messages.remove(user, [twin])).toMatchObject([{ name: twin }]);
  expect((await messages.list(user)).map(({ name }) => name)).toEqual(NAMES);
});
