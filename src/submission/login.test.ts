import { afterEach, expect, test } from 'vitest';
import { StrictClient } from '../smtp/testing/client.ts';
import { listen } from '../smtp/testing/listener.ts';
import { client, openSubmission, PASSWORD, plain, send, type TestSubmission } from './testing.ts';

let farm: TestSubmission;
const chats: StrictClient[] = [];

async function open(given: Parameters<typeof openSubmission>[0] = {}, login?: string) {
  farm = await openSubmission(given);
  const chat = await client(farm, login);
  chats.push(chat);
  return chat;
}

afterEach(async () => {
  for (const chat of chats.splice(0)) chat.close();
  await farm.close();
});

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const code = async (chat: StrictClient, line: string): Promise<string> => {
  const reply = await chat.command(line);
  return `${reply.code} ${reply.enhanced}`.trim();
};

test('[P-01] AUTH PLAIN, with the command and on its own line', async () => {
  const chat = await open();
  expect(await code(chat, `AUTH PLAIN ${plain('alice@farm.test')}`)).toBe('235 2.7.0');
  const other = await client(farm);
  chats.push(other);
  expect(await other.command('auth plain')).toMatchObject({ code: 334, lines: [''] });
  expect(await code(other, plain('AL@FARM.test'))).toBe('535 5.7.8'); // An alias is no login.
  expect(await code(other, 'AUTH PLAIN')).toBe('334');
  expect(await code(other, plain('Alice@FARM.test', PASSWORD, 'Alice@FARM.test'))).toBe(
    '235 2.7.0',
  );
  expect(await send(other)).toEqual(['250 2.1.0', '250 2.1.5', '250 2.6.0']);
});

test('[P-01] AUTH LOGIN, with and without the name in the command', async () => {
  const chat = await open();
  expect((await chat.command('AUTH LOGIN')).lines).toEqual([base64('Username:')]);
  expect((await chat.command(base64('alice@farm.test'))).lines).toEqual([base64('Password:')]);
  expect(await code(chat, base64('wrong'))).toBe('535 5.7.8');
  expect(await code(chat, `AUTH LOGIN ${base64('alice@farm.test')}`)).toBe('334');
  expect(await code(chat, base64(PASSWORD))).toBe('235 2.7.0');
});

test('what EHLO says: AUTH over TLS only, and not to who is logged in', async () => {
  farm = await openSubmission({ more: { farmMark: '0123456789abcdef' } });
  const chat = await StrictClient.open(farm.port);
  chats.push(chat);
  await chat.reply();
  const plainText = (await chat.command('EHLO x')).lines;
  expect(plainText).toEqual(expect.arrayContaining(['STARTTLS', 'DSN', 'PIPELINING']));
  expect(plainText).toContain('XMAILFARM 0123456789abcdef');
  expect(plainText.join(' ')).not.toContain('AUTH');
  await chat.command('STARTTLS');
  await chat.startTls('mail.farm.test');
  expect((await chat.command('EHLO x')).lines).toContain('AUTH PLAIN LOGIN');
  await chat.command(`AUTH PLAIN ${plain('alice@farm.test')}`);
  expect((await chat.command('EHLO x')).lines.join(' ')).not.toContain('AUTH');
  expect(await code(chat, 'MAIL FROM:<alice@farm.test>')).toBe('250 2.1.0'); // Still logged in.
});

test('never in the clear: 538, whatever was said before', async () => {
  farm = await openSubmission();
  const chat = await StrictClient.open(farm.port);
  chats.push(chat);
  await chat.reply();
  await chat.command('EHLO x');
  expect(await code(chat, `AUTH PLAIN ${plain('alice@farm.test')}`)).toBe('538 5.7.11');
  expect(await code(chat, 'AUTH LOGIN')).toBe('538 5.7.11');
  expect(await code(chat, 'MAIL FROM:<alice@farm.test>')).toBe('530 5.7.0');
  expect(farm.directory.questions).toBe(0);
});

test('implicit TLS needs no STARTTLS', async () => {
  farm = await openSubmission();
  const { port, close } = await listen(farm.service, { tls: farm.tls });
  const chat = await StrictClient.openTls(port);
  await chat.reply();
  expect((await chat.command('EHLO x')).lines).not.toContain('STARTTLS');
  expect(await code(chat, `AUTH PLAIN ${plain('alice@farm.test')}`)).toBe('235 2.7.0');
  expect(await send(chat)).toHaveLength(3);
  chat.close();
  await close();
});

test('nothing is taken from who has not logged in', async () => {
  const chat = await open();
  for (const from of ['<alice@farm.test>', '<>', '<x@else.test>']) {
    expect(await code(chat, `MAIL FROM:${from}`)).toBe('530 5.7.0');
  }
  expect(await code(chat, 'RCPT TO:<bob@farm.test>')).toBe('503 5.5.1');
  expect(await code(chat, 'DATA')).toBe('503 5.5.1');
});

test('once in a session, not in a transaction, only after EHLO', async () => {
  const chat = await open({}, 'alice@farm.test');
  expect(await code(chat, `AUTH PLAIN ${plain('bob@farm.test')}`)).toBe('503 5.5.1');
  await chat.command('MAIL FROM:<alice@farm.test>');
  expect(await code(chat, 'AUTH LOGIN')).toBe('503 5.5.1');
  expect(await code(chat, 'RSET')).toBe('250 2.0.0');
  expect(await code(chat, 'MAIL FROM:<bob@farm.test>')).toBe('553 5.7.1'); // Still alice.
  const other = await client(farm);
  chats.push(other);
  await other.command('HELO x');
  expect(await code(other, `AUTH PLAIN ${plain('alice@farm.test')}`)).toBe('503 5.5.1');
});

test.each([
  ['AUTH', '501 5.5.4'],
  ['AUTH PLAIN a b', '501 5.5.4'],
  ['AUTH CRAM-MD5', '504 5.5.4'],
  ['AUTH XOAUTH2 x', '504 5.5.4'],
  ['AUTH __proto__', '504 5.5.4'],
  ['AUTH PLAIN !!!', '501 5.5.2'],
  ['AUTH PLAIN =', '501 5.5.2'],
  [`AUTH PLAIN ${base64('no zeros')}`, '501 5.5.2'],
  [`AUTH PLAIN ${base64('a\0b\0c\0d')}`, '501 5.5.2'],
  [`AUTH PLAIN ${base64('bob@farm.test\0alice@farm.test\0secret of the test')}`, '501 5.5.2'],
  [`AUTH PLAIN ${Buffer.from([0, 0xff, 0, 0x61]).toString('base64')}`, '501 5.5.2'],
  [`AUTH PLAIN ${plain('alice@farm.test', '')}`, '501 5.5.2'],
  [`AUTH PLAIN ${plain('nobody@farm.test')}`, '535 5.7.8'],
  [`AUTH PLAIN ${plain('sam@farm.test')}`, '535 5.7.8'],
])('%s: %s', async (line, expected) => {
  const chat = await open();
  expect(await code(chat, line)).toBe(expected);
  expect(await code(chat, 'MAIL FROM:<alice@farm.test>')).toBe('530 5.7.0');
});

test('a * cancels, and the line after a challenge is no command', async () => {
  const chat = await open();
  await chat.command('AUTH PLAIN');
  expect(await code(chat, '*')).toBe('501 5.7.0');
  await chat.command('AUTH LOGIN');
  expect(await code(chat, base64('alice@farm.test'))).toBe('334');
  expect(await code(chat, '*')).toBe('501 5.7.0');
  await chat.command('AUTH LOGIN');
  expect(await code(chat, 'MAIL FROM:<alice@farm.test>')).toBe('501 5.5.2');
  expect(await code(chat, 'NOOP')).toBe('250 2.0.0');
});

test('a response may have 12288 octets with its line end, and no more', async () => {
  const chat = await open();
  const longest = 'A'.repeat(12_288 - 2);
  await chat.command('AUTH PLAIN');
  expect(await code(chat, longest.slice(2))).toBe('501 5.5.2'); // Taken, and no credentials.
  await chat.command('AUTH PLAIN');
  expect(await code(chat, `${longest}A`)).toBe('500 5.5.6');
  expect(await code(chat, `NOOP ${'x'.repeat(1536 - 7)}`)).toBe('250 2.0.0');
  expect(await code(chat, `NOOP ${'x'.repeat(1536 - 6)}`)).toBe('500 5.5.2');
});

test('five wrong passwords end the session', async () => {
  const chat = await open();
  for (let i = 0; i < 4; i++) {
    expect(await code(chat, `AUTH PLAIN ${plain('bob@farm.test', `x${i}`)}`)).toBe('535 5.7.8');
  }
  await chat.send(`AUTH PLAIN ${plain('bob@farm.test', 'x5')}\r\n`);
  expect((await chat.rest()).map((reply) => reply.code)).toEqual([535, 421]);
});

test('guessing is held up over sessions: 454 with the time, and no word of the password', async () => {
  const chat = await open();
  let last = { code: 0, lines: [''] as readonly string[] };
  for (let i = 0; i < 12 && last.code !== 454; i++) {
    const one = await client(farm);
    last = await one.command(`AUTH PLAIN ${plain('bob@farm.test', `wrong ${i}`)}`);
    one.close();
  }
  expect(last.code).toBe(454);
  expect(last.lines.join(' ')).toMatch(/^4\.7\.0 Too many failed logins: try again in \d+ s /);
  expect(await code(chat, `AUTH PLAIN ${plain('bob@farm.test')}`)).toBe('454 4.7.0');
  expect(JSON.stringify(farm.logged)).not.toContain('wrong');
});

test('directory away: 454, and the session goes on', async () => {
  const chat = await open();
  farm.directory.down = true;
  expect(await code(chat, `AUTH PLAIN ${plain('alice@farm.test')}`)).toBe('454 4.7.0');
  farm.directory.down = false;
  expect(await code(chat, `AUTH PLAIN ${plain('alice@farm.test')}`)).toBe('235 2.7.0');
});

test('[P-01] XOAUTH2 through a hook: accepted, refused, unavailable', async () => {
  const chat = await open({
    verifyToken: async (_session, { token }) =>
      token === 'good' ? 'accepted' : token === 'later' ? 'unavailable' : 'refused',
  });
  const token = (login: string, text: string): string =>
    base64(`user=${login}\x01auth=Bearer ${text}\x01\x01`);
  expect((await chat.command('EHLO x')).lines).toContain('AUTH PLAIN LOGIN XOAUTH2');
  const refused = await chat.command(`AUTH XOAUTH2 ${token('alice@farm.test', 'bad')}`);
  expect(refused.code).toBe(334);
  expect(Buffer.from(refused.lines[0] ?? '', 'base64').toString()).toContain('401');
  expect(await code(chat, '')).toBe('535 5.7.8');
  expect(await code(chat, `AUTH XOAUTH2 ${token('alice@farm.test', 'later')}`)).toBe('454 4.7.0');
  expect(await code(chat, `AUTH XOAUTH2 ${token('sam@farm.test', 'good')}`)).toBe('535 5.7.8');
  expect(await code(chat, `AUTH XOAUTH2 ${base64('user=a')}`)).toBe('501 5.5.2');
  expect(await code(chat, `AUTH XOAUTH2 ${token('alice@farm.test', 'good')}`)).toBe('235 2.7.0');
  expect(await code(chat, 'MAIL FROM:<alice@farm.test>')).toBe('250 2.1.0');
});

test('what was pipelined behind STARTTLS is dropped: no login, no command of before counts', async () => {
  farm = await openSubmission();
  const chat = await StrictClient.open(farm.port);
  chats.push(chat);
  await chat.reply();
  await chat.command('EHLO x');
  await chat.send(`STARTTLS\r\nAUTH PLAIN ${plain('alice@farm.test')}\r\nMAIL FROM:<a@b.c>\r\n`);
  expect((await chat.reply()).code).toBe(220);
  await chat.startTls('mail.farm.test');
  expect(await chat.quiet(50)).toBe(true);
  await chat.command('EHLO x');
  expect(await code(chat, 'MAIL FROM:<alice@farm.test>')).toBe('530 5.7.0');
});

test('who is suspended or removed after the login sends no more', async () => {
  const chat = await open({}, 'bob@farm.test');
  const bob = await farm.directory.account('bob@farm.test');
  if (!bob) throw new Error('no bob');
  farm.directory.putAccount({ ...bob, suspended: ['submission'] });
  expect(await code(chat, 'MAIL FROM:<bob@farm.test>')).toBe('550 5.7.1');
  farm.directory.putAccount({ ...bob, suspended: [] });
  expect(await code(chat, 'MAIL FROM:<bob@farm.test>')).toBe('250 2.1.0');
  await chat.command('RSET');
  // Another user of the same login is somebody else.
  farm.directory.removeAccount(bob.id);
  farm.directory.putAccount({ ...bob, id: 'another' }, PASSWORD);
  expect(await code(chat, 'MAIL FROM:<bob@farm.test>')).toBe('550 5.7.1');
});
