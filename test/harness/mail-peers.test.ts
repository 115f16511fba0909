import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, expect, test } from 'vitest';
import { ownAddress } from './addresses.ts';
import { makeCertificate } from './certificate.ts';
import { testDirectory } from './directory.ts';
import { type DnsServer, startDns } from './dns-server.ts';
import { startExim } from './exim.ts';
import { needs } from './needs.ts';
import { startPostfix } from './postfix.ts';
import { freePort } from './process.ts';
import { SmtpChat } from './smtp-chat.ts';
import { runSmtpSource, startSmtpSink } from './smtp-sink.ts';

const WIRE = Buffer.from('Subject: round\r\n\r\nOne letter.\r\n');

async function lettersIn(maildir: string, count: number): Promise<string[]> {
  const names = (): string[] => {
    try {
      return readdirSync(join(maildir, 'new'));
    } catch {
      return [];
    }
  };
  await expect.poll(() => names().length, { timeout: 120_000 }).toBe(count);
  return names().map((name) => readFileSync(join(maildir, 'new', name), 'utf8'));
}

async function send(host: string, port: number, to: string): Promise<number> {
  const { chat } = await SmtpChat.open({ host, port });
  await chat.hello();
  const reply = await chat.send('anna@source.example', [to], WIRE);
  await chat.quit();
  return reply.code;
}

async function dnsOf(ctx: TestContext, destination: string): Promise<DnsServer> {
  const dns = await startDns({
    'example.net': { MX: [[10, 'mx.example.net']] },
    'mx.example.net': { A: [destination] },
    'source.example': { A: ['127.0.0.1'] },
  });
  ctx.onTestFinished(() => dns.stop());
  return dns;
}

test('Postfix finds Exim by our DNS and STARTTLS; what has no MX there comes to nothing', async (ctx) => {
  needs(ctx, 'postfix', 'exim', 'root');
  const directory = testDirectory(ctx);
  const [there, port] = [ownAddress(), await freePort()];
  const dns = await dnsOf(ctx, there);
  const maildir = join(directory, 'boxes/bob');
  const tls = await makeCertificate(directory, ['mx.example.net']);
  const maildirs = { 'bob@example.net': maildir };
  const exim = await startExim({ directory, host: there, port, maildirs, tls });
  ctx.onTestFinished(() => exim.stop());
  const leaving = { resolvConf: dns.resolvConf, port };
  const postfix = await startPostfix({ directory, host: ownAddress(), leaving });
  ctx.onTestFinished(() => postfix.stop());
  expect(await send(postfix.host, postfix.smtp, 'bob@example.net')).toBe(250);
  const [letter] = await lettersIn(maildir, 1);
  expect(letter).toMatch(/by exim\.peers\.test with esmtps/);
  expect(dns.queries).toContain('MX example.net');
  expect(await send(postfix.host, postfix.smtp, 'bob@nowhere.example')).toBe(250);
  await expect.poll(() => postfix.log(), { timeout: 120_000 }).toMatch(/status=bounced.*not found/);
  dns.set({ 'later.example': 'servfail' });
  expect(await send(postfix.host, postfix.smtp, 'bob@later.example')).toBe(250);
  await expect.poll(async () => (await postfix.queue()).join('\n')).toContain('bob@later.example');
});

test('Exim finds Postfix by our DNS, and refuses whom it does not know', async (ctx) => {
  needs(ctx, 'postfix', 'exim', 'root');
  const directory = testDirectory(ctx);
  const [there, port] = [ownAddress(), await freePort()];
  const dns = await dnsOf(ctx, there);
  const maildir = join(directory, 'boxes/bob');
  const maildirs = { 'bob@example.net': maildir };
  const postfix = await startPostfix({ directory, host: there, port, maildirs });
  ctx.onTestFinished(() => postfix.stop());
  const own = { 'eve@exim.example': join(directory, 'boxes/eve') };
  const leaving = { resolvConf: dns.resolvConf, port };
  const exim = await startExim({ directory, host: ownAddress(), maildirs: own, leaving });
  ctx.onTestFinished(() => exim.stop());
  expect(await send(exim.host, exim.smtp, 'bob@example.net')).toBe(250);
  const [letter] = await lettersIn(maildir, 1);
  expect(letter).toMatch(/from exim\.peers\.test/);
  expect(await send(exim.host, exim.smtp, 'nobody@exim.example')).toBe(550);
  expect(await send(exim.host, exim.smtp, 'eve@exim.example')).toBe(250);
  await lettersIn(own['eve@exim.example'], 1);
});

test("Postfix's relay map, smtp-source and smtp-sink: a hundred letters through", async (ctx) => {
  needs(ctx, 'postfix', 'root');
  const directory = testDirectory(ctx);
  const sink = await startSmtpSink({ host: ownAddress(), dumps: join(directory, 'sink') });
  ctx.onTestFinished(() => sink.stop());
  const dns = await dnsOf(ctx, sink.host);
  const transports = { 'mapped.example': `smtp:[${sink.host}]:${sink.port}` };
  const leaving = { resolvConf: dns.resolvConf, port: 9, transports };
  const postfix = await startPostfix({ directory, host: ownAddress(), leaving });
  ctx.onTestFinished(() => postfix.stop());
  const who = { from: 'anna@source.example', to: 'bob@mapped.example' };
  const to = { host: postfix.host, port: postfix.smtp };
  const done = await runSmtpSource({ ...to, ...who, letters: 100, sessions: 5, octets: 500 });
  expect(done).toMatchObject({ code: 0 });
  await expect.poll(() => sink.letters().length, { timeout: 120_000 }).toBe(100);
  expect(String(sink.letters()[0])).toMatch(/X-Rcpt-Args: <bob@mapped\.example>/);
});
