/**
 * What IMAP4rev2 took out of the protocol (RFC 9051 Appendix E) is said to nobody who enabled it,
 * unless he asks for it by its name.
 */
import { expect, test } from 'vitest';
import type { StrictClient } from './testing/client.ts';
import { type TestServer, withServer } from './testing/server.ts';
import { enter } from './testing/talk.ts';

const LETTER = 'Subject: x\n\nText\n';
const REMOVED = /RECENT|\\Recent|\[UNSEEN|^\* (?:SEARCH|LSUB)/im;

/** All that a session is told that does what clients do. */
async function day(client: StrictClient, { store, auth }: TestServer): Promise<string[]> {
  const told = [...(await client.ok('a SELECT INBOX'))];
  store.deliver(auth.account, Buffer.from(LETTER));
  const commands = [
    'NOOP',
    'FETCH 1:* (FLAGS)',
    'FETCH 1 BODY[]',
    String.raw`STORE 1 +FLAGS (\Flagged)`,
    'SEARCH ALL',
    'UID SEARCH UNSEEN',
    'LIST "" "*" RETURN (SUBSCRIBED STATUS (MESSAGES UNSEEN))',
    'STATUS INBOX (MESSAGES UNSEEN)',
    'COPY 1 INBOX',
    'CLOSE',
    'EXAMINE INBOX',
  ];
  for (const command of commands) told.push(...(await client.ok(`a ${command}`)));
  return told;
}

test('[P-03] after ENABLE IMAP4rev2 nothing comes unasked that it took out', async () => {
  const said = async (first: readonly string[]): Promise<string[]> => {
    let told: string[] = [];
    await withServer({ messages: [LETTER, LETTER] }, async (server) => {
      const client = await enter(server.port, first);
      told = await day(client, server);
      client.close();
    });
    return told.filter((line) => REMOVED.test(line));
  };
  expect((await said([])).length).toBeGreaterThan(5); // Rev1 has all of it.
  expect(await said(['ENABLE IMAP4rev2'])).toEqual([]);
});

test('[P-03] what changed unasked comes with its UID (RFC 9051 Appendix E)', async () => {
  await withServer({ messages: [LETTER] }, async ({ port }) => {
    const client = await enter(port, ['ENABLE IMAP4rev2', 'SELECT INBOX']);
    const other = await enter(port);
    await other.ok(String.raw`a STORE 1 +FLAGS (\Flagged)`);
    expect(await client.ok('b NOOP')).toContain(String.raw`* 1 FETCH (UID 1 FLAGS (\Flagged))`);
    client.close();
    other.close();
  });
});

/** Decision 21: libraries of clients go on sending these, and each has a meaning. */
const ASKED = [
  ['CHECK', /^a OK/],
  ['LSUB "" "*"', /^a OK/],
  ['STATUS INBOX (RECENT MESSAGES)', /^\* STATUS INBOX \(RECENT 0 MESSAGES 1\)/],
  ['SEARCH NEW', /^\* ESEARCH \(TAG "a"\)$/],
  ['SEARCH OLD', /^\* ESEARCH \(TAG "a"\) ALL 1$/],
  ['SEARCH RECENT', /^\* ESEARCH \(TAG "a"\)$/],
  ['FETCH 1 RFC822.HEADER', /^\* 1 FETCH \(RFC822\.HEADER \{14\}\r\nSubject: x\r\n\r\n\)/],
  [
    'FETCH 1 (RFC822.TEXT RFC822.SIZE)',
    /^\* 1 FETCH \(RFC822\.TEXT \{6\}\r\nText\r\n RFC822\.SIZE 20/,
  ],
  ['FETCH 1 RFC822', /^\* 1 FETCH \(RFC822 \{20\}\r\nSubject: x\r\n\r\nText\r\n/],
] as const;

test.each(ASKED)(
  '[P-03] after ENABLE IMAP4rev2 who asks has an answer: %s',
  async (command, first) => {
    await withServer({ messages: [LETTER] }, async ({ port }) => {
      (await enter(port)).close(); // \Recent is his.
      const client = await enter(port, ['ENABLE IMAP4rev2', 'SELECT INBOX']);
      const told = await client.ok(`a ${command}`);
      expect(told[0]).toMatch(first);
      client.close();
    });
  },
);
