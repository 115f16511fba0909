/**
 * Real programs on both sides of the farm. What goes in by SMTP comes out by POP3, octet for
 * octet. MAILFARM_MESSAGES says how many (70 holds every kind; 2,000 is the full proof),
 * MAILFARM_SEED which.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { corpus } from '../fixtures/corpus.ts';
import { testDirectory } from '../harness/directory.ts';
import { DEMO_PASSWORD, type Farm, startFarm } from '../harness/farm.ts';
import { FETCHERS } from '../harness/fetchers.ts';
import { needs } from '../harness/needs.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { SENDERS } from '../harness/senders.ts';
import { SmtpChat } from '../harness/smtp-chat.ts';
import { type Sent, afterTrace, fetchAll, sendAll } from './transit.ts';

const COUNT = Number(process.env['MAILFARM_MESSAGES'] ?? 70);
const SEED = Number(process.env['MAILFARM_SEED'] ?? 1);
/** Milliseconds: two hundred a message for each program is far beyond what it takes. */
const LONG_MS = 120_000 + COUNT * 2_000;

let farm: Farm;
let directory: string;
let sent: readonly Sent[] = [];

beforeAll(async () => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-clients-')));
  chmodSync(directory, 0o711);
  farm = await startFarm({ dir: join(directory, 'farm') });
});

afterAll(async () => {
  await farm?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const alice = 'alice@example.test';

test(
  `[N-19] [P-01] ${COUNT} messages are accepted from ${SENDERS.length} programs (seed ${SEED})`,
  { timeout: LONG_MS },
  async (ctx) => {
    needs(ctx, ...SENDERS.map((sender) => sender.need));
    const messages = corpus({ count: COUNT, seed: SEED, big: 1 });
    sent = await sendAll({ farm, senders: SENDERS, messages, to: [alice], directory });
    expect(sent.length).toBe(COUNT);
  },
);

for (const fetcher of FETCHERS) {
  test(
    `[N-19] [P-02] ${fetcher.name} fetches them with equal SHA-256`,
    { timeout: LONG_MS },
    async (ctx) => {
      needs(ctx, fetcher.need, ...SENDERS.map((sender) => sender.need));
      expect(sent.length, 'sent before').toBe(COUNT);
      const verdict = await fetchAll({ farm, fetcher, sent, user: alice, directory });
      expect(verdict.missing).toEqual([]);
      expect(verdict.strange).toEqual([]);
      expect(verdict.fetched).toBe(COUNT);
      expect(verdict.rewritten).toBeLessThan(COUNT);
    },
  );

  for (const mode of fetcher.tls) {
    test(`[P-02] ${fetcher.name} fetches over TLS (${mode})`, { timeout: LONG_MS }, async (ctx) => {
      needs(ctx, fetcher.need, '/usr/bin/curl');
      const user = 'bob@example.test';
      const messages = corpus({ count: 3, seed: SEED, folder: '' });
      bobs ??= sendAll({ farm, senders: SENDERS.slice(0, 1), messages, to: [user], directory });
      const verdict = await fetchAll({ farm, fetcher, sent: await bobs, user, mode, directory });
      expect(verdict).toEqual({ fetched: 3, rewritten: 0, missing: [], strange: [] });
    });
  }
}
let bobs: Promise<Sent[]> | undefined;

for (const sender of SENDERS.filter(({ tls }) => tls.includes('starttls'))) {
  test(`[P-01] ${sender.name} sends over STARTTLS to two recipients`, async (ctx) => {
    needs(ctx, sender.need, '/usr/bin/python3');
    const to = ['admin@example.test', 'postmaster@example.test', 'bob@example.test'];
    const [message] = corpus({ count: 1, seed: SEED, folder: '' });
    const result = await sender.send({
      port: farm.ports.smtp,
      tls: { mode: 'starttls', authority: farm.authority },
      from: 'sender@client.example',
      to,
      wire: message!.wire,
      directory: testDirectory(ctx),
    });
    expect(result.code, result.stderr).toBe(0);
  });

  test(`[P-01] ${sender.name} is told about an unknown recipient`, async (ctx) => {
    needs(ctx, sender.need);
    const result = await sender.send({
      port: farm.ports.smtp,
      from: 'sender@client.example',
      to: ['nobody@example.test'],
      wire: Buffer.from('Subject: x\r\n\r\nx\r\n'),
      directory: testDirectory(ctx),
    });
    expect(result.code).not.toBe(0);
    expect(result.stderr + result.stdout.toString('latin1')).toMatch(/550|5\.1\.1/);
  });
}

test('[N-19] an empty message and one without a header come out as they went in', async () => {
  const user = 'admin@example.test';
  const { chat } = await SmtpChat.open({ port: farm.ports.smtp });
  await chat.hello();
  const wires = ['', '\r\n', '.\r\n'].map((text) => Buffer.from(text));
  for (const wire of wires) expect((await chat.send('', [user], wire)).code).toBe(250);
  await chat.quit();
  const pop3 = await Pop3Chat.login({ port: farm.ports.pop3 }, user, DEMO_PASSWORD);
  const got: (string | undefined)[] = [];
  for (const number of (await pop3.listing('LIST')).keys()) {
    got.push(afterTrace(await pop3.retrieve(number))?.toString('latin1'));
  }
  await pop3.quit();
  for (const wire of wires) expect(got).toContain(wire.toString('latin1'));
});

test('the trace headers end at their date, whatever the message begins with', () => {
  const trace =
    'Return-Path: <a@b.example>\r\nDelivered-To: c@d.example\r\n' +
    'Received: from x ([127.0.0.1])\r\n\tby y with ESMTP id z\r\n\tfor <c@d.example>;\r\n' +
    '\tSat, 21 Nov 2026 10:00:00 +0000\r\n';
  for (const rest of ['', ' folded\r\n', 'Received: from q\r\n\tby r;\r\n', '.\r\n', '\r\n']) {
    expect(afterTrace(Buffer.from(trace + rest))?.toString()).toBe(rest);
  }
  expect(afterTrace(Buffer.from('Subject: no trace\r\n\r\n'))).toBeUndefined();
});
