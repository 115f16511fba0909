/** NOTIFY (RFC 5465): what is told between commands, and what is not. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { MemoryStore } from '../mailbox/memory.ts';
import { NAMES_MAX } from './command/notify.ts';
import { reading } from './testing/reading.ts';
import type { StrictClient } from './testing/client.ts';
import { type TestServer, type TestServerOptions, withServer } from './testing/server.ts';
import { enter, play } from './testing/talk.ts';
import { WATCHED_MAX } from './watched.ts';

const LETTERS = ['one', 'two', 'three'].map((name) => `Subject: ${name}\n\nBody of ${name}.\n`);
const ALL = '(MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange)';
const MESSAGES = '(MessageNew MessageExpunge FlagChange)';

/** A session that acts and one that is notified, both with INBOX open. */
const withTwo = (
  run: (a: StrictClient, b: StrictClient, server: TestServer) => Promise<void>,
  first: readonly string[] = ['SELECT INBOX'],
  options: TestServerOptions = {},
): Promise<void> =>
  withServer({ messages: LETTERS, ...options }, async (server) => {
    const a = await enter(server.port);
    const b = await enter(server.port, first);
    await run(a, b, server);
    a.close();
    b.close();
  });

test('[P-03] names are told as they are made, renamed, removed, subscribed to (RFC 5465 §5.4, §5.5)', async () => {
  await withTwo(async (a, b) => {
    await a.ok('a CREATE Work/2026');
    await b.ok(`b NOTIFY SET (PERSONAL ${ALL})`);
    for (const [command, told] of [
      ['CREATE Play', ['* LIST () "/" Play', /^\* STATUS Play \(MESSAGES 0 /]],
      ['SUBSCRIBE Play', [String.raw`* LIST (\Subscribed) "/" Play`]],
      [
        'RENAME Work Home',
        ['* LIST () "/" Home/2026 ("OLDNAME" (Work/2026))', /^\* STATUS Home\/2026 /],
      ],
      ['DELETE Home/2026', [String.raw`* LIST (\NonExistent) "/" Home/2026`]],
      ['UNSUBSCRIBE Play', ['* LIST () "/" Play']],
    ] as const) {
      await a.ok(`a ${command}`);
      for (const wanted of told) {
        const line = await b.response();
        if (typeof wanted === 'string') expect(line, command).toBe(wanted);
        else expect(line, command).toMatch(wanted);
      }
    }
    await play(b, [['b NOOP', 'b OK NOOP completed']]);
  });
});

test('[P-03] many changes of names while a look runs are found by one more, and each is told', async () => {
  const MANY = 200;
  const inner = new MemoryStore();
  const looks = { count: 0 };
  const openMail: MemoryStore['openMail'] = async (account) => {
    const mail = await inner.openMail(account);
    const folders = mail.folders.bind(mail);
    mail.folders = async () => {
      looks.count += 1;
      await sleep(30); // A volume that has much to do.
      return folders();
    };
    return mail;
  };
  await withTwo(
    async (a, b) => {
      await a.ok('a CREATE old');
      await b.ok(`b NOTIFY SET (PERSONAL (MailboxName))`);
      looks.count = 0;
      const made = Array.from({ length: MANY }, (_, n) => `made${n}`);
      a.write(
        `a RENAME old new\r\n${made.map((name) => `a CREATE ${name}\r\n`).join('')}z NOOP\r\n`,
      );
      await a.waitFor(/^z OK/);
      const told = new Set<string>();
      while (told.size < MANY + 1) told.add((await b.response()) ?? 'closed');
      expect([...told].toSorted()).toEqual(
        [
          ...made.map((name) => `* LIST () "/" ${name}`),
          '* LIST () "/" new ("OLDNAME" (old))',
        ].toSorted(),
      );
      expect(looks.count).toBeLessThan(MANY / 4);
    },
    undefined,
    { store: { openMail } },
  );
});

test('[P-03] what another host does is found when the interval is over', async () => {
  await withTwo(
    async (_a, b, { store, auth }) => {
      await b.ok(`b NOTIFY SET (SUBTREE Work (MailboxName))`);
      const mail = await store.openMail(auth.account); // Not by a session of this process.
      await mail.create('Play');
      await mail.create('Work/2026');
      expect(await b.response()).toBe('* LIST () "/" Work/2026');
    },
    ['SELECT INBOX'],
    { values: { 'imap.notify.interval': 1_000 } },
  );
});

test('[P-03] new messages come with the items that were asked for, and stay unseen (§5.2)', async () => {
  await withTwo(async (a, b, { store, auth }) => {
    await b.ok(
      'b NOTIFY SET (SELECTED (MessageNew (UID FLAGS BODY[HEADER.FIELDS (Subject)]) MessageExpunge))',
    );
    store.deliver(auth.account, Buffer.from('Subject: four\n\nx\n'));
    expect(await b.waitFor(/FETCH/)).toEqual([
      '* 4 EXISTS',
      '* 0 RECENT',
      '* 4 FETCH (UID 4 FLAGS () BODY[HEADER.FIELDS (Subject)] {17}\r\nSubject: four\r\n\r\n)',
    ]);
    // Flags were not asked for: they come after the next command, with what else came.
    await a.ok(String.raw`a STORE 1 FLAGS (\Flagged)`);
    store.deliver(auth.account, Buffer.from('Subject: five\n\nx\n'));
    const between = await b.waitFor(/^\* 5 FETCH/);
    expect(between.filter((line) => line.startsWith('* 1 FETCH'))).toEqual([]);
    await play(b, [['b NOOP', /^\* 1 FETCH \(FLAGS \(\\Flagged/, 'b OK NOOP completed']]);
    await play(b, [['b FETCH 4 FLAGS', '* 4 FETCH (FLAGS ())', /^b OK/]]);
  });
});

test('[P-03] with CONDSTORE and QRESYNC what is told has MODSEQ and UID (RFC 7162 §3.2.4)', async () => {
  await withTwo(
    async (a, b, { store, auth }) => {
      await a.ok('a CREATE Other');
      await b.ok(
        `b NOTIFY SET STATUS (SELECTED (MessageNew (FLAGS) MessageExpunge FlagChange)) (PERSONAL ${MESSAGES})`,
      );
      store.deliver(auth.account, Buffer.from('Subject: four\n\nx\n'));
      expect((await b.waitFor(/^\* 4 FETCH/)).at(-1)).toMatch(
        /^\* 4 FETCH \(UID 4 FLAGS \(\) MODSEQ \(\d+\)\)$/,
      );
      await a.ok(String.raw`a STORE 2 +FLAGS (\Deleted)`);
      expect(await b.response()).toMatch(
        /^\* 2 FETCH \(UID 2 FLAGS \(\\Deleted.*\) MODSEQ \(\d+\)\)$/,
      );
      await a.ok('a EXPUNGE');
      expect(await b.response()).toBe('* VANISHED 2');
      await a.ok('a COPY 1 Other');
      expect(await b.response()).toMatch(/^\* STATUS Other \(MESSAGES 1 .* HIGHESTMODSEQ \d+\)$/);
    },
    ['ENABLE QRESYNC', 'SELECT INBOX'],
  );
});

test('[P-03] SELECTED-DELAYED: an EXPUNGE waits for a command that may tell it (§6.1)', async () => {
  await withTwo(async (a, b, { store, auth }) => {
    await b.ok(`b NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))`);
    await a.ok(String.raw`a STORE 1 +FLAGS.SILENT (\Deleted)`);
    await a.ok('a EXPUNGE');
    store.deliver(auth.account, Buffer.from('Subject: four\n\nx\n'));
    expect(await b.waitFor(/EXISTS/)).toEqual(['* 4 EXISTS']);
    const told = await b.command('b FETCH 1 UID');
    expect(told.filter((line) => line.endsWith('EXPUNGE'))).toEqual([]);
    expect(await b.ok('b NOOP')).toContain('* 1 EXPUNGE');
  });
});

test('[P-03] flags of other folders are told only to who asked for them (§5.3)', async () => {
  await withTwo(async (a, b) => {
    await a.ok('a CREATE Other');
    await a.ok('a COPY 1 Other');
    await b.ok('b NOTIFY SET (MAILBOXES Other (MessageNew MessageExpunge))');
    await a.ok('a SELECT Other');
    await a.ok(String.raw`a STORE 1 FLAGS (\Seen)`);
    await play(b, [['b NOOP', 'b OK NOOP completed']]);
    await a.ok(String.raw`a STORE 1 FLAGS (\Deleted)`);
    await a.ok('a EXPUNGE');
    expect(await b.response()).toMatch(/^\* STATUS Other \(MESSAGES 0 /);
  });
});

test('[P-03] NOTIFY SET STATUS tells of each folder before its OK, not of the selected one (§3.1)', async () => {
  await withTwo(async (a, b) => {
    for (const name of ['Other', 'Quiet', 'Named']) await a.ok(`a CREATE ${name}`);
    const told = await b.ok(
      `b NOTIFY SET STATUS (SELECTED ${MESSAGES}) (MAILBOXES Quiet NONE) ` +
        `(MAILBOXES (Named) (MailboxName)) (PERSONAL ${MESSAGES})`,
    );
    expect(told).toEqual([
      expect.stringMatching(/^\* STATUS Other \(MESSAGES 0 UIDNEXT 1 UIDVALIDITY \d+ UNSEEN 0\)$/),
      'b OK NOTIFY completed',
    ]);
  });
});

test('[P-03] too many folders: refused at once, and OK [NOTIFICATIONOVERFLOW] later (§5.8)', async () => {
  await withTwo(async (a, b, { store, auth }) => {
    const mail = await store.openMail(auth.account);
    for (let at = 1; at < WATCHED_MAX; at += 1) await mail.create(`f${at}`); // With INBOX.
    await b.ok(`b NOTIFY SET (SELECTED ${MESSAGES}) (PERSONAL ${MESSAGES})`);
    await a.ok('a CREATE more');
    expect(await b.response()).toMatch(/^\* OK \[NOTIFICATIONOVERFLOW\] At most 100 folders/);
    await a.ok('a COPY 1 f1');
    await play(b, [['b NOOP', 'b OK NOOP completed']]); // Nothing is notified any more.
    const refused = await b.command(`b NOTIFY SET (PERSONAL ${MESSAGES})`);
    expect(refused.at(-1)).toMatch(/^b NO \[NOTIFICATIONOVERFLOW\] /);
    await b.ok(`b NOTIFY SET (SUBTREE f1 ${MESSAGES})`);
  });
});

test('[P-03] names in the filters of one NOTIFY are so many, not one more', async () => {
  await withTwo(async (_a, b) => {
    const names = (count: number): string =>
      Array.from({ length: count }, (_, n) => `n${n}`).join(' ');
    const two = (count: number): string =>
      `(MAILBOXES (${names(count)}) ${ALL}) (SUBTREE (x y) ${ALL})`;
    await b.ok(`b NOTIFY SET ${two(NAMES_MAX - 2)}`);
    const [answer] = await b.command(`b NOTIFY SET ${two(NAMES_MAX - 1)}`);
    expect(answer).toMatch(/^b NO \[LIMIT\] /);
  });
});

test('[P-03] what NOTIFY cannot be asked (§5, §6.1, §8)', async () => {
  const known = 'MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange';
  const steps = [
    ['SET', /^a BAD /],
    ['SET ()', /^a BAD /],
    ['SET (SELECTED ())', /^a BAD /],
    ['SET (SELECTED (MessageNew))', /^a BAD MessageNew and MessageExpunge go together/],
    ['SET (PERSONAL (MessageExpunge))', /^a BAD MessageNew and MessageExpunge go together/],
    ['SET (PERSONAL (FlagChange))', /^a BAD FlagChange goes with MessageNew/],
    [`SET (SELECTED ${MESSAGES}) (SELECTED-DELAYED ${MESSAGES})`, /^a BAD The selected folder/],
    ['SET (SELECTED (MailboxName))', /^a BAD The selected folder has events of messages alone/],
    ['SET (PERSONAL (MessageNew (FLAGS) MessageExpunge))', /^a BAD Items are of the selected/],
    ['SET (SELECTED (MessageNew (XYZ) MessageExpunge))', /^a BAD An item to fetch is not known/],
    ['SET (MAILBOXES (MessageNew MessageExpunge))', /^a BAD /],
    ['SET (ELSEWHERE (MailboxName))', /^a BAD A filter of NOTIFY is not known/],
    ['SET (PERSONAL (AnnotationChange))', new RegExp(`^a NO \\[BADEVENT \\(${known}\\)\\] `)],
    ['NONE now', /^a BAD /],
    ['NONE', /^a OK /],
    [`SET (SUBTREE (Work "Play") (MailboxName)) (INBOXES ${MESSAGES}) (SUBSCRIBED NONE)`, /^a OK /],
  ] as const;
  await withServer({ values: { 'imap.bad-commands.max': 100 } }, async ({ port }) => {
    const client = await enter(port);
    await play(
      client,
      steps.map(([sent, answer]) => [`a NOTIFY ${sent}`, answer] as const),
    );
  });
});

test('[P-03] a literal that is told by itself is never cut by an answer', async () => {
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => (go = resolve));
  const { inner, extra } = reading(async function* (pieces) {
    for await (const piece of pieces) {
      yield piece.subarray(0, 10);
      await gate; // The storage has time.
      yield piece.subarray(10);
    }
  });
  await withServer({ ...(extra !== undefined && { extra }) }, async ({ port, auth }) => {
    const [a, b] = [await enter(port), await enter(port)];
    await b.ok('b NOTIFY SET (SELECTED (MessageNew (BODY.PEEK[]) MessageExpunge))');
    inner.deliver(auth.account, Buffer.from('Subject: four\n\nText\n'));
    b.write('d STATUS INBOX (MESSAGES)\r\nc XYZZY\r\ne LOGIN {1}\r\n');
    for (let turns = 0; turns < 20; turns += 1) await a.ok('a NOOP');
    go();
    expect(await b.waitFor(/^\+ Go/)).toEqual([
      '* 1 EXISTS',
      '* 0 RECENT',
      '* 1 FETCH (BODY[] {23}\r\nSubject: four\r\n\r\nText\r\n)',
      '* STATUS INBOX (MESSAGES 1)',
      'd OK STATUS completed',
      'c BAD Unknown command',
      '+ Go ahead',
    ]);
  });
});
