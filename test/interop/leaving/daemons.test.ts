import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ownAddress } from '../../harness/addresses.ts';
import { makeCertificate } from '../../harness/certificate.ts';
import { testDirectory } from '../../harness/directory.ts';
import { startExim } from '../../harness/exim.ts';
import { needs } from '../../harness/needs.ts';
import { startPostfix } from '../../harness/postfix.ts';
import { startSmtpSink } from '../../harness/smtp-sink.ts';
import { openYard } from './yard.ts';

/** Dots, long lines, 8 bit, a bare CR, no line end at the end, and more than one read. */
const BODY = [
  '.',
  '..',
  '.two',
  `${'x'.repeat(900)}`,
  'Grüße',
  'a\rb',
  ...Array.from({ length: 4000 }, (_, at) => `line ${at} of a longer letter`),
  'no end',
].join('\n');
const TEXT = `From: ann@farm.test\nTo: bob\nMessage-ID: <1@farm.test>\nSubject: hello\n\n${BODY}`;

const lettersIn = (maildir: string): string[] => {
  try {
    return readdirSync(path.join(maildir, 'new')).map((name) =>
      readFileSync(path.join(maildir, 'new', name), 'utf8'),
    );
  } catch {
    return [];
  }
};

for (const peer of ['postfix', 'exim'] as const) {
  test(`[S3-05] ${peer} gets one letter for all its users, over TLS, byte by byte`, async (ctx) => {
    needs(ctx, peer, 'root');
    const directory = testDirectory(ctx);
    const yard = await openYard(ctx, { options: { 'relay.dane': 'on' } });
    const host = ownAddress();
    const tls = await makeCertificate(directory, ['mx.example.net']);
    const maildirs = Object.fromEntries(
      ['bob', 'eve'].map((who) => [`${who}@example.net`, path.join(directory, 'boxes', who)]),
    );
    const start = peer === 'postfix' ? startPostfix : startExim;
    const server = await start({ directory, host, port: yard.port, maildirs, tls });
    ctx.onTestFinished(() => server.stop());
    const key = new X509Certificate(readFileSync(tls.certificate)).publicKey;
    const certificate = createHash('sha256')
      .update(key.export({ type: 'spki', format: 'der' }))
      .digest();
    yard.dns.set({
      'example.net': { MX: [[10, 'mx.example.net']], secure: true },
      'mx.example.net': { A: [host], secure: true },
      [`_${yard.port}._tcp.mx.example.net`]: {
        TLSA: [{ usage: 3, selector: 1, matchingType: 1, certificate }],
        secure: true,
      },
    });
    const letter = await yard.put({
      to: ['bob@example.net', 'nobody@example.net', 'eve@example.net'],
      text: TEXT,
    });
    await yard.settled();
    expect(letter.state).toBe('done');
    for (const maildir of Object.values(maildirs)) {
      await expect.poll(() => lettersIn(maildir).length, { timeout: 120_000 }).toBe(1);
      const [got = ''] = lettersIn(maildir);
      const body = got.slice(got.indexOf('\n\n') + 2);
      expect(body.trimEnd()).toBe(BODY.replace('a\rb', 'a b'));
    }
    // One transaction: both got it under one Received of theirs.
    const ids = Object.values(maildirs).map(
      (maildir) => /\bid ([\w-]+)/.exec(lettersIn(maildir)[0] ?? '')?.[1],
    );
    expect(new Set(ids).size).toBe(1);
    expect(yard.notices).toMatchObject([
      {
        kind: 'failed',
        recipients: [
          {
            recipient: { address: 'nobody@example.net' },
            status: expect.stringMatching(/^5\./) as unknown,
            reply: expect.stringMatching(/^550 /) as unknown,
            remote: { host: 'mx.example.net', address: host },
          },
        ],
      },
    ]);
    const sent = yard.log.filter(({ message }) => message === 'sent');
    expect(sent).toMatchObject([
      { to: 'bob@example.net', tls: 'TLSv1.3', verified: 'dane' },
      { to: 'eve@example.net', tls: 'TLSv1.3', verified: 'dane' },
    ]);
  });
}

test('smtp-sink: no ESMTP, no pipelining, soft and hard errors, disconnects', async (ctx) => {
  needs(ctx, 'postfix', 'root');
  const yard = await openYard(ctx, { options: { 'smtp.client.end.timeout': 6000 } });
  const cases = [
    ['plain.test', [], 'done'],
    ['old.test', ['-e'], 'done'],
    ['slow.test', ['-p', '-w', '1'], 'done'],
    ['hard.test', ['-f', 'rcpt'], 'done'],
    ['soft.test', ['-r', 'rcpt'], 'waiting'],
    ['gone.test', ['-q', 'data'], 'waiting'],
  ] as const;
  for (const [name, flags] of cases) {
    const host = ownAddress();
    const sink = await startSmtpSink({ host, port: yard.port, flags });
    ctx.onTestFinished(() => sink.stop());
    yard.dns.set({ [name]: { A: [host] } });
  }
  const letters = [];
  for (const [name] of cases) letters.push(await yard.put({ to: [`bob@${name}`] }));
  await yard.settled(180_000);
  expect(letters.map(({ state }, at) => [cases[at]?.[0], state])).toEqual(
    cases.map(([name, , state]) => [name, state]),
  );
  expect(yard.notices.map(({ envelope }) => envelope.recipients[0]?.address)).toEqual([
    'bob@hard.test',
  ]);
});

test('a tarpit costs its own letters time, and others none', async (ctx) => {
  const yard = await openYard(ctx, { options: { 'relay.connections.max': 20 } });
  await yard.peer('tar.test', { octetMs: 300 });
  const good = await yard.peer('good.test');
  for (let at = 0; at < 50; at++) {
    await yard.put({ to: [`u${at}@tar.test`] });
    await yard.put({ to: [`u${at}@good.test`] });
  }
  await expect.poll(() => good.letters.length, { timeout: 120_000 }).toBe(50);
  expect(yard.log.some(({ to }) => String(to).endsWith('@tar.test'))).toBe(false);
});
