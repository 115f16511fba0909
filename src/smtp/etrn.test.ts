import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { defaults } from '../config/options.ts';
import { silentLogger } from '../log/types.ts';
import { createSmtpService } from './engine.ts';
import { SMTP_OPTIONS } from './options.ts';
import { StrictClient } from './testing/client.ts';
import { listen, type TestListener } from './testing/listener.ts';
import type { EtrnAnswer, EtrnRequest, SmtpPolicy } from './types.ts';

let listener: TestListener;
let chat: StrictClient;
const asked: EtrnRequest[] = [];

async function open(answer: EtrnAnswer | undefined, dsn = false): Promise<void> {
  asked.length = 0;
  const policy: SmtpPolicy<string> = {
    dsn,
    etrn:
      answer &&
      (async (_session, request) => {
        asked.push(request);
        return answer;
      }),
    connect: () => undefined,
    sender: () => {},
    recipient: async (_session, _sender, { address }) => address,
    message: () => {
      throw new Error('no message in these tests');
    },
  };
  const service = createSmtpService({
    mode: 'smtp',
    hostName: 'mx.farm.test',
    policy,
    tls: undefined,
    options: defaults(SMTP_OPTIONS),
    logger: silentLogger,
    clock: systemClock,
  });
  listener = await listen(service);
  chat = await StrictClient.open(listener.port);
  await chat.reply();
}

afterEach(async () => {
  chat.close();
  await listener.close();
});

test.each([
  [{ kind: 'started' }, '250 2.0.0 Queuing started: example.test'],
  [{ kind: 'none' }, '251 2.0.0 No messages waiting: example.test'],
  [{ kind: 'pending' }, '252 2.0.0 Pending messages are being sent: example.test'],
  [{ kind: 'pending', count: 5 }, '253 2.0.0 Pending messages started: 5 for example.test'],
  [{ kind: 'unable' }, '458 4.3.0 Unable to queue messages, try again later: example.test'],
  [
    { kind: 'not-allowed', reason: 'not from\r\n250 here' },
    '459 4.7.1 Node not allowed: example.test, not from??250 here',
  ],
] as const)('RFC 1985 §5.3: %j', async (answer, line) => {
  await open(answer);
  expect((await chat.command('EHLO x')).lines).toContain('ETRN');
  const { code, lines } = await chat.command('etrn Example.TEST');
  expect(`${code} ${lines[0]}`).toContain(line);
  expect(asked).toEqual([{ kind: 'node', name: 'example.test' }]);
});

test('a domain and those below it, a queue', async () => {
  await open({ kind: 'started' });
  await chat.command('EHLO x');
  await chat.command('ETRN @Example.test');
  await chat.command('ETRN #Slow-1.q');
  expect(asked).toEqual([
    { kind: 'subdomains', name: 'example.test' },
    { kind: 'queue', name: 'Slow-1.q' },
  ]);
});

test.each([
  '',
  ' ',
  '@',
  '#',
  'a b',
  'a..b',
  '[192.0.2.1]',
  '@@a.test',
  '#a/b',
  'a.test.',
  '*',
  '-a',
])('ETRN %j: 501', async (argument) => {
  await open({ kind: 'started' });
  await chat.command('EHLO x');
  expect((await chat.command(`ETRN ${argument}`)).code).toBe(501);
  expect(asked).toEqual([]);
});

test('not before the hello, not in a transaction, not where policy has none', async () => {
  await open({ kind: 'started' });
  expect((await chat.command('ETRN example.test')).code).toBe(503);
  await chat.command('EHLO x');
  await chat.command('MAIL FROM:<a@b.test>');
  expect((await chat.command('ETRN example.test')).code).toBe(503);
  await chat.command('RSET');
  expect((await chat.command('ETRN example.test')).code).toBe(250);
  chat.close();
  await listener.close();
  await open(undefined);
  expect((await chat.command('EHLO x')).lines.join(' ')).not.toMatch(/ETRN|AUTH|DSN|XMAILFARM/);
  expect((await chat.command('ETRN example.test')).code).toBe(500);
  expect((await chat.command('AUTH PLAIN AGEAYg==')).code).toBe(500);
});

test('DSN parameters are taken where DSN is announced, and unknown where it is not', async () => {
  for (const dsn of [true, false]) {
    await open(undefined, dsn);
    expect((await chat.command('EHLO x')).lines.includes('DSN')).toBe(dsn);
    const mail = await chat.command('MAIL FROM:<a@b.test> RET=FULL ENVID=x');
    expect(mail.code).toBe(dsn ? 250 : 555);
    if (!dsn) await chat.command('MAIL FROM:<a@b.test>');
    expect((await chat.command('RCPT TO:<c@d.test> NOTIFY=NEVER')).code).toBe(dsn ? 250 : 555);
    expect((await chat.command('MAIL FROM:<a@b.test> AUTH=<>')).code).not.toBe(250);
    if (dsn) {
      chat.close();
      await listener.close();
    }
  }
});
