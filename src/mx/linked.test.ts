import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { openDelivery } from '../delivery/delivery.ts';
import { memoryAccount, memoryDirectory, memoryList } from '../directory/memory.ts';
import { parseRuleTarget } from '../directory/rules.ts';
import type { Account } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import { MaildirStore } from '../mailbox/store.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { openTestVolumes, strikingFs, temporaryVolumes } from '../volumes/testing/volumes.ts';
import { openFarm } from './testing.ts';

const MEMBERS = 300;

test('[S3-05] [S1-06] [S1-28] a list of 300: a file for each volume, and for who is named', async () => {
  const disk = await temporaryVolumes('v1', 'v2');
  const accounts = Array.from({ length: MEMBERS }, (_, n) => {
    return memoryAccount({ login: `${n % 3 === 0 ? 'a' : 'z'}${n}@farm.test` });
  });
  const members = accounts.map(({ login }) => login);
  const contents = {
    accounts,
    volumes: disk.entries,
    lists: [memoryList({ address: 'everybody@farm.test', members })],
    rules: [
      { name: 'a', order: 1, pattern: 'a.*', target: parseRuleTarget('volume:v1') },
      { name: 'z', order: 2, pattern: '.*', target: parseRuleTarget('volume:v2') },
    ],
  };
  const directory = memoryDirectory(contents);
  const fs = strikingFs(() => undefined);
  const volumes = openTestVolumes<Account>(directory, {
    fs,
    limits: { 'volume.deadline': 20_000 },
  });
  const { mailboxes } = volumes;
  const store = new MaildirStore({ mailboxes, clock: systemClock, log: silentLogger });
  const through = openDelivery({ mailboxes, store, log: silentLogger });
  const farm = await openFarm({ contents, through });

  const client = await StrictClient.open(farm.port);
  await client.reply();
  for (const line of ['EHLO c.example', 'MAIL FROM:<x@else.test>']) await client.command(line);
  expect((await client.command(`RCPT TO:<${members[7]}>`)).code).toBe(250);
  expect((await client.command('RCPT TO:<everybody@farm.test>')).code).toBe(250);
  const made = fs.calls.get('create') ?? 0;
  await client.command('DATA');
  await client.send('Subject: x\r\n\r\nbody\r\n.\r\n');
  expect(await client.reply()).toMatchObject({ code: 250, enhanced: '2.6.0' });
  client.close();
  await farm.close();
  volumes.close();

  expect(
    (fs.calls.get('create') ?? 0) - made,
    'written once for each volume, and for who is named',
  ).toBe(3);
  const files = readdirSync(disk.root, { recursive: true, encoding: 'utf8' });
  const mail = files.filter((path) => path.includes('/new/'));
  expect(mail).toHaveLength(MEMBERS);
  const inodes = new Map(mail.map((path) => [statSync(join(disk.root, path)).ino, path]));
  expect(inodes.size).toBe(3);
  expect(mail.filter((path) => path.startsWith('v1/'))).toHaveLength(MEMBERS / 3);
  expect(files.filter((path) => path.includes('/tmp/'))).toEqual([]);
  const texts = [...inodes]
    .toSorted(([, a], [, b]) => (a < b ? -1 : 1))
    .map(([, path]) => readFileSync(join(disk.root, path), 'utf8'));
  const copies = texts.filter((text) => text.includes('\nList-Id: <everybody.farm.test>\n'));
  expect(copies.map((text) => /^Delivered-To: (.*)$/m.exec(text)?.[1])).toEqual([
    'everybody@farm.test',
    'everybody@farm.test',
  ]);
  // Who was named has a copy without the list's lines, and nobody is told: he may be a Bcc.
  const [direct] = texts.filter((text) => !text.includes('List-'));
  expect(direct).not.toMatch(/^Delivered-To:/m);
  for (const text of texts) expect(members.filter((member) => text.includes(member))).toEqual([]);
  disk.remove();
});
