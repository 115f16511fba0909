/** IMAP over real Maildirs: files that are not what their names say, folders that go away. */
import { readdirSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type MaildirUnderTest, openMaildirMail } from '../mailbox/testing/maildir-mail.ts';
import type { StrictClient } from './testing/client.ts';
import { startServer, type TestServer } from './testing/server.ts';
import { enter, play } from './testing/talk.ts';

const LETTER = 'Subject: a\n\nText\n';
const BIG = `Subject: big\n\n${'line of a large message\n'.repeat(40_000)}`;
const WIRE = BIG.replaceAll('\n', '\r\n');
const FOREIGN = `1700000000.1_2.host,S=${BIG.length}`;

let under: MaildirUnderTest;
/** Two front ends on one volume, with nothing else in common. */
let servers: readonly TestServer[];

beforeEach(async () => {
  under = await openMaildirMail();
  const { account, stores } = under;
  servers = await Promise.all(stores.map((store) => startServer({ store, account })));
});

afterEach(async () => {
  for (const server of servers) await server.close();
  await under.close();
});

const client = (front: 0 | 1, first?: readonly string[]): Promise<StrictClient> =>
  enter((servers[front] as TestServer).port, first);

/** The literal of the one response of a FETCH. */
const octetsOf = (row: string): string => row.slice(row.indexOf('\r\n') + 2, -1);

test.each([
  ['of our own', undefined],
  ['of another tool', FOREIGN],
])('[P-03] [N-19] ranges to the end of a file %s (RFC 9051 §6.4.5)', async (_what, name) => {
  await under.deliver(BIG, name);
  const reader = await client(0);
  const body = WIRE.slice(WIRE.indexOf('\r\n\r\n') + 4);
  for (const [item, expected] of [
    ['BODY.PEEK[]', WIRE],
    ['BODY.PEEK[TEXT]', body],
    ['BODY.PEEK[1]', body],
    ['BODY.PEEK[]<900000.999999>', WIRE.slice(900_000)],
    ['BODY.PEEK[1]<900000.999999>', body.slice(900_000)],
    ['BINARY.PEEK[1]', body],
  ] as const) {
    const [row = ''] = await reader.ok(`a FETCH 1 ${item}`);
    expect(octetsOf(row) === expected, item).toBe(true);
  }
  await play(reader, [['a NOOP', 'a OK NOOP completed']]);
});

test.each([
  ['of our own', undefined, 'BODY.PEEK[]', 1],
  ['of our own', undefined, 'BODY.PEEK[TEXT]', 1],
  ['of our own', undefined, 'BODY.PEEK[]<700000.400000>', 1],
  ['of another tool', FOREIGN, 'BODY.PEEK[]', 300_000],
])(
  '[P-03] [N-19] a file %s (%s) that is shorter than its name says: %s breaks off',
  async (_what, name, item, missing) => {
    await under.deliver(BIG, name);
    const reader = await client(0);
    await reader.ok('a FETCH 1 (RFC822.SIZE ENVELOPE)');
    const directory = join(under.maildir, 'cur');
    const file = join(directory, readdirSync(directory)[0] ?? '');
    truncateSync(file, readFileSync(file).length - missing);
    reader.line(`b FETCH 1 ${item}`);
    await expect(reader.until('b')).rejects.toThrow(/half a response|within a literal/);
    await play(await client(0), [['a NOOP', 'a OK NOOP completed']]);
  },
);

const MARKED: readonly (readonly [string, string])[] = [
  ['EXPUNGE', 'b EXPUNGE'],
  ['CLOSE', 'b CLOSE'],
  ['UID EXPUNGE', 'b UID EXPUNGE 2'],
  ['STORE', String.raw`b UID STORE 2 +FLAGS (\Flagged)`],
  ['COPY', 'b UID COPY 2 Other'],
  ['MOVE', 'b UID MOVE 2 Other'],
  ['NOOP', 'b NOOP'],
];

test.each(MARKED)(
  '[P-03] [N-11] a folder that got other numbers under a session: %s takes nothing, and BYE',
  async (_name, command) => {
    for (const name of ['1', '2', '3']) await under.deliver(LETTER, `170000000${name}.x.host`);
    const session = await client(0);
    await session.ok('a CREATE Other');
    await session.ok(String.raw`a STORE 1 FLAGS (\Deleted)`);
    await session.ok('a EXPUNGE');
    await session.ok(String.raw`a UID STORE 2:3 FLAGS (\Deleted)`); // Soon to be 1 and 2.
    rmSync(join(under.maildir, 'mailfarm'), { recursive: true });
    await client(1); // It numbers them anew.
    let told = await session.command(command);
    if (told.at(-1) !== 'closed') told = await session.command('n NOOP'); // COPY goes by files.
    expect(told).toContain('* BYE This folder was replaced, select it again');
    expect(told.at(-1)).toBe('closed');
    await play(await client(1), [
      [
        'a FETCH 1:* (FLAGS)',
        /^\* 1 FETCH \(FLAGS \((?:\\Flagged )?\\Deleted\)\)$/, // By its file: the one meant.
        String.raw`* 2 FETCH (FLAGS (\Deleted))`,
        'a OK FETCH completed',
      ],
    ]);
  },
);

test('[P-03] flags for a file that another program removed, before its EXPUNGE is told: NO', async () => {
  for (const name of ['1', '2']) await under.deliver(LETTER, `170000000${name}.x.host`);
  const session = await client(0);
  const directory = join(under.maildir, 'cur');
  const file = readdirSync(directory).find((name) => name.startsWith('1700000001'));
  rmSync(join(directory, file ?? ''));
  for (const set of ['UID STORE 1:2', 'STORE 1:2']) {
    const told = await session.command(String.raw`b ${set} +FLAGS (\Flagged)`);
    expect(told[0]).toMatch(/^\* 2 FETCH /);
    expect(told[1]).toMatch(/^b NO \[EXPUNGEISSUED\] /);
    expect(told.length).toBe(2);
  }
});

const GONE: readonly (readonly [string, string])[] = [
  ['DELETE', 'a DELETE Work'],
  ['RENAME', 'a RENAME Work Play'],
];
const INTO_WORK = ['CREATE Work', `APPEND Work {${LETTER.length}+}\r\n${LETTER}`, 'SELECT Work'];

test.each(GONE)(
  '[P-03] %s of the folder that another front end has open: BYE, never TRYCREATE (RFC 2180 §3)',
  async (_name, command) => {
    const session = await client(0, INTO_WORK);
    const copying = await client(0, ['SELECT Work']);
    await (await client(1, [])).ok(command);
    for (const [who, sent] of [
      [session, 'b NOOP'],
      [copying, 'b COPY 1 INBOX'],
    ] as const) {
      const told = await who.command(sent);
      expect(told).toEqual(['* BYE This folder was deleted or renamed, select another', 'closed']);
    }
    await play(await client(0), [
      ['a STATUS INBOX (MESSAGES)', '* STATUS INBOX (MESSAGES 0)', 'a OK STATUS completed'],
    ]);
  },
);

test('[P-03] who waits in IDLE is told too that the folder is gone', async () => {
  const session = await client(0, INTO_WORK);
  session.line('b IDLE');
  await session.waitFor(/idling/);
  await (await client(1, [])).ok('a DELETE Work');
  expect(await session.response()).toMatch(/^\* BYE This folder was deleted or renamed/);
});

test('[P-03] a volume that is away is not a folder that is gone', async () => {
  const session = await client(0, INTO_WORK);
  renameSync(under.maildir, `${under.maildir}-away`);
  expect((await session.command('b NOOP')).at(-1)).toMatch(/^b NO \[UNAVAILABLE\] /);
  expect((await session.command('b COPY 1 INBOX')).at(-1)).toMatch(/^b NO \[UNAVAILABLE\] /);
  renameSync(`${under.maildir}-away`, under.maildir);
  await play(session, [['b NOOP', 'b OK NOOP completed']]);
});

test('[P-03] who renames the folder that is open goes on in it (RFC 2180 §3.4)', async () => {
  const session = await client(0, INTO_WORK);
  await play(session, [
    ['b RENAME Work Play/2026', 'b OK RENAME completed'],
    ['b FETCH 1 (UID BODY.PEEK[TEXT])', '* 1 FETCH (UID 1 BODY[TEXT] {6}\r\nText\r\n)', /^b OK/],
    [String.raw`b STORE 1 FLAGS (\Seen)`, String.raw`* 1 FETCH (FLAGS (\Seen))`, /^b OK/],
    ['b RENAME Play Home', 'b OK RENAME completed'],
    ['b NOOP', 'b OK NOOP completed'],
    ['b COPY 1 Play/2026', /^b NO \[TRYCREATE\] /],
    ['b COPY 1 Home/2026', '* 2 EXISTS', '* 0 RECENT', /^b OK \[COPYUID \d+ 1 2\]/],
  ]);
});

test('[P-03] RENAME of INBOX moves what is in it, and it stays open (RFC 9051 §6.3.6)', async () => {
  await under.deliver(LETTER);
  await play(await client(0), [
    ['b RENAME INBOX Old', '* 1 EXPUNGE', 'b OK RENAME completed'],
    ['b STATUS Old (MESSAGES)', '* STATUS Old (MESSAGES 1)', 'b OK STATUS completed'],
  ]);
});
