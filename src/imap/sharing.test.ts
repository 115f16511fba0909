/** Several sessions on one folder: what each is told, when, and with which numbers. */
import { expect, test } from 'vitest';
import { StrictClient } from './testing/client.ts';
import { withServer, type TestServer } from './testing/server.ts';

const LETTERS = ['one', 'two', 'three', 'four', 'five'].map(
  (name) => `Subject: ${name}\n\nBody of ${name}.\n`,
);

async function open(server: TestServer, commands: readonly string[] = []): Promise<StrictClient> {
  const client = await StrictClient.connect(server.port);
  await client.response();
  await client.ok('in LOGIN tevie "secret word"');
  for (const command of commands) await client.ok(command);
  return client;
}

const withTwo = (
  run: (a: StrictClient, b: StrictClient, server: TestServer) => Promise<void>,
  commands: readonly string[] = ['s SELECT INBOX'],
): Promise<void> =>
  withServer({ messages: LETTERS }, async (server) => {
    const a = await open(server, ['s SELECT INBOX']);
    const b = await open(server, commands);
    await run(a, b, server);
    a.close();
    b.close();
  });

test('[P-03] flags that another session sets are told with the next command', async () => {
  await withTwo(async (a, b) => {
    await a.ok(String.raw`1 STORE 2 +FLAGS (\Seen $Work)`);
    const told = await b.ok('1 NOOP');
    expect(told[0]).toMatch(/^\* 2 FETCH \(FLAGS \(\\Seen \$Work\)\)$/);
    expect(await b.ok('2 NOOP')).toEqual(['2 OK NOOP completed']);
  });
});

test('[P-03] an expunge waits while numbers count, and is told when they need not', async () => {
  await withTwo(async (a, b) => {
    await a.ok(String.raw`1 STORE 2,4 +FLAGS (\Deleted)`);
    await a.ok('2 EXPUNGE');
    const fetched = await b.command('1 FETCH 1:5 (UID)');
    expect(fetched.filter((line) => line.includes('EXPUNGE '))).toEqual([]);
    expect(b.exists).toBe(5);
    expect(await b.command('2 SEARCH ALL')).not.toContain('* 4 EXPUNGE');
    expect(await b.ok('3 NOOP')).toEqual(['* 4 EXPUNGE', '* 2 EXPUNGE', '3 OK NOOP completed']);
    expect(await b.ok('4 FETCH 1:* (UID)')).toEqual([
      '* 1 FETCH (UID 1)',
      '* 2 FETCH (UID 3)',
      '* 3 FETCH (UID 5)',
      '4 OK FETCH completed',
    ]);
  });
});

test('[P-03] a message that another session expunged is no silence', async () => {
  await withTwo(async (a, b) => {
    await a.ok(String.raw`1 STORE 2 +FLAGS.SILENT (\Deleted)`);
    await a.ok('2 EXPUNGE');
    const told = await b.command('1 FETCH 2 (BODY.PEEK[])');
    expect(told.at(-1)).toMatch(/^1 NO \[EXPUNGEISSUED\] /);
  });
});

test('[P-03] with QRESYNC it is VANISHED with UIDs', async () => {
  await withTwo(
    async (a, b) => {
      await a.ok(String.raw`1 UID STORE 2:4 +FLAGS (\Deleted)`);
      await a.ok('2 UID EXPUNGE 2:3');
      const told = await b.ok('1 NOOP');
      expect(told[0]).toBe('* VANISHED 2:3');
      expect(told[1]).toMatch(/^\* 2 FETCH \(UID 4 FLAGS \(\\Deleted\) MODSEQ \(\d+\)\)$/);
      expect(b.exists).toBe(3);
    },
    ['e ENABLE QRESYNC', 's SELECT INBOX'],
  );
});

test('[P-03] IDLE tells of new mail, flags and expunges as they come', async () => {
  await withTwo(async (a, b, { store, auth }) => {
    b.line('1 IDLE');
    expect(await b.response()).toBe('+ idling');
    store.deliver(auth.account, Buffer.from('Subject: six\n\nx\n'));
    expect((await b.waitFor(/EXISTS/)).at(-1)).toBe('* 6 EXISTS');
    await a.ok(String.raw`1 STORE 1 +FLAGS (\Flagged \Deleted)`);
    expect((await b.waitFor(/FETCH/)).at(-1)).toMatch(/^\* 1 FETCH \(FLAGS \(/);
    await a.ok('2 EXPUNGE');
    await b.waitFor(/^\* 1 EXPUNGE/);
    b.line('DONE');
    expect((await b.until('1')).at(-1)).toBe('1 OK IDLE completed');
    expect(b.exists).toBe(5);
  });
});

test('[P-03] \\Recent is of one session alone', async () => {
  await withServer({ messages: LETTERS }, async (server) => {
    const first = await open(server);
    expect(await first.ok('1 STATUS INBOX (RECENT)')).toContain('* STATUS INBOX (RECENT 5)');
    expect(await first.ok('2 EXAMINE INBOX')).toContain('* 0 RECENT');
    expect(await first.ok('3 SELECT INBOX')).toContain('* 5 RECENT');
    const second = await open(server);
    expect(await second.ok('1 SELECT INBOX')).toContain('* 0 RECENT');
    first.close();
    second.close();
  });
});

test('[P-03] CLOSE removes what is marked and says nothing; after EXAMINE it removes nothing', async () => {
  await withTwo(async (a, b) => {
    await a.ok(String.raw`1 STORE 1 +FLAGS.SILENT (\Deleted)`);
    await b.ok('1 EXAMINE INBOX');
    expect(await b.command('2 CLOSE')).toEqual(['2 OK CLOSE completed']);
    expect(await a.ok('2 NOOP')).toEqual(['2 OK NOOP completed']);
    expect(await a.command('3 CLOSE')).toEqual(['3 OK CLOSE completed']);
    expect(await b.ok('3 STATUS INBOX (MESSAGES)')).toContain('* STATUS INBOX (MESSAGES 4)');
  });
});

test('[P-03] a client that was away is told what vanished and what changed', async () => {
  await withTwo(async (a, b, server) => {
    const selected = await b.ok('1 SELECT INBOX');
    const [, validity] = /UIDVALIDITY (\d+)/.exec(selected.join('\n')) ?? [];
    const [, modseq] = /HIGHESTMODSEQ (\d+)/.exec(selected.join('\n')) ?? [];
    b.close();
    await a.ok(String.raw`1 STORE 5 +FLAGS.SILENT (\Seen)`);
    await a.ok(String.raw`2 STORE 2:3 +FLAGS.SILENT (\Deleted)`);
    await a.ok('3 EXPUNGE');
    const back = await open(server, ['e ENABLE QRESYNC']);
    const told = await back.ok(`1 SELECT INBOX (QRESYNC (${validity} ${modseq} 1:5))`);
    expect(told).toContain('* VANISHED (EARLIER) 2:3');
    const changed = told.filter((line) => line.includes('FETCH'));
    expect(changed).toEqual([
      expect.stringMatching(/^\* 3 FETCH \(UID 5 FLAGS \(\\Seen\) MODSEQ \(\d+\)\)$/),
    ]);
    const other = await open(server, ['e ENABLE QRESYNC']);
    const anew = await other.ok(`1 SELECT INBOX (QRESYNC (${Number(validity) + 1} ${modseq}))`);
    expect(anew.filter((line) => /VANISHED|FETCH/.test(line))).toEqual([]);
    back.close();
    other.close();
  });
});

test('[P-03] NOTIFY tells of the selected folder between commands, of others by STATUS', async () => {
  await withTwo(async (a, b, { store, auth }) => {
    await a.ok('1 CREATE Other');
    await a.ok('2 CREATE Quiet');
    const events = '(MessageNew MessageExpunge FlagChange)';
    const told = await b.ok(
      `1 NOTIFY SET STATUS (SELECTED ${events}) (MAILBOXES Quiet NONE) (PERSONAL ${events})`,
    );
    expect(told.filter((line) => line.includes('STATUS'))).toEqual([
      expect.stringMatching(/^\* STATUS Other \(MESSAGES 0 UIDNEXT 1 UIDVALIDITY \d+ UNSEEN 0\)$/),
    ]);
    store.deliver(auth.account, Buffer.from('Subject: six\n\nx\n'));
    expect((await b.waitFor(/EXISTS/)).at(-1)).toBe('* 6 EXISTS');
    await a.ok('3 COPY 1 Quiet');
    await a.ok('4 COPY 1:2 Other');
    expect((await b.waitFor(/STATUS/)).at(-1)).toMatch(/^\* STATUS Other \(MESSAGES 2 UIDNEXT 3/);
    await b.ok('2 NOTIFY NONE');
    await a.ok('5 COPY 1 Other');
    expect(await b.ok('3 NOOP')).toEqual(['3 OK NOOP completed']);
  });
});
