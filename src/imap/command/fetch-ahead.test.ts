/** Messages that are read ahead, some in one go, are told as those that are read one by one. */
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type MaildirUnderTest, openMaildirMail } from '../../mailbox/testing/maildir-mail.ts';
import { eventually } from '../../volumes/testing/volumes.ts';
import { startServer, type TestServer } from '../testing/server.ts';
import { enter } from '../testing/talk.ts';

/** As they may lie in a folder that several programs write to. */
const KINDS: readonly ((n: number) => readonly [name: string, text: string])[] = [
  (n) => [',S=*', `Subject: plain ${n}\n\n${'a line of text\n'.repeat(n % 90)}`],
  (n) => [',S=*', `Subject: crlf ${n}\r\n\r\nText\r\n`],
  (n) => [',S=*', `Subject: mixed ${n}\r\n\nText\nText\r\n\rText\r`],
  (n) => ['', `Subject: no size ${n}\n\nText\n`],
  (n) => [',S=7', `Subject: a size that is wrong ${n}\n\nText\n`],
  (n) => [',S=*', `Subject: no body ${n}\n`],
  (n) => [',S=*', `Subject: no end ${n}\n\nText\nwithout`],
  (n) => [',S=*', `X: ${'x'.repeat(20_000)}\nSubject: late ${n}\n\n\n\n`],
  (n) => [',S=*', n % 50 === 8 ? `Subject: large ${n}\n\n${'x\n'.repeat(40_000)}` : '\n\n'],
];
const COUNT = 540;

let under: MaildirUnderTest;
/** Two front ends; the first has its thread for many files. */
let servers: readonly TestServer[];

beforeEach(async () => {
  under = await openMaildirMail();
  for (let n = 0; n < COUNT; n++) {
    const [size, text] = KINDS[n % KINDS.length]?.(n) ?? ['', ''];
    const name = `${1_700_000_000 + n}.${n}.host${size.replace('*', `${text.length}`)}:2,`;
    writeFileSync(join(under.maildir, 'cur', name), text);
  }
  const { account, stores } = under;
  servers = await Promise.all(stores.map((store) => startServer({ store, account })));
  await under.volume.ready();
  await eventually(() => under.volume.readsMany(512));
});

afterEach(async () => {
  for (const server of servers) await server.close();
  await under.close();
});

const fetchAt = async (front: 0 | 1, command: string): Promise<readonly string[]> => {
  const client = await enter((servers[front] as TestServer).port);
  return client.ok(command);
};

test.each([
  'a FETCH 1:* (FLAGS BODY.PEEK[] UID)',
  'a UID FETCH 100:450 (BODY.PEEK[] RFC822.SIZE)',
  'a FETCH 1:* BODY.PEEK[HEADER]',
  'a FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT X)])',
  'a FETCH 1:* (BODY.PEEK[HEADER.FIELDS.NOT (X)]<5.10> FLAGS)',
])('%s', async (command) => {
  const many = vi.spyOn(under.volume, 'readMany');
  const told = await fetchAt(0, command);
  expect(many).toHaveBeenCalled();
  expect(told.length).toBeGreaterThan(300);
  const other = under.volumes[1].table.get(under.volume.name);
  if (other === undefined) throw new Error('the other front end has no volume');
  vi.spyOn(other, 'readsMany').mockReturnValue(false);
  expect(told).toEqual(await fetchAt(1, command));
});

test('[P-03] what is \\Seen by being fetched is told with its row', async () => {
  const told = await fetchAt(0, 'a FETCH 1:* BODY[]');
  const rows = told.filter((row) => row.includes(' FETCH (BODY[] '));
  expect(rows).toHaveLength(COUNT);
  expect(rows.filter((row) => !/ FLAGS \([^)]*\\Seen[^)]*\)\)\s*$/.test(row))).toEqual([]);
});

test('[N-19] a file that is shorter than its name says breaks off, after the rows before it', async () => {
  const short = '1700000045.45.host';
  const [, text] = KINDS[0]?.(45) ?? ['', ''];
  truncateSync(join(under.maildir, 'cur', `${short},S=${text.length}:2,`), text.length - 5);
  const client = await enter((servers[0] as TestServer).port);
  client.line('b FETCH 1:* BODY.PEEK[]');
  await expect(client.until('b')).rejects.toThrow(/half a response|within a literal/);
});
