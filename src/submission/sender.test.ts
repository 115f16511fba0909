import { afterEach, describe, expect, test } from 'vitest';
import type { StrictClient } from '../smtp/testing/client.ts';
import { client, openSubmission, send, type TestOptions, type TestSubmission } from './testing.ts';

let farm: TestSubmission;
let chat: StrictClient;

async function open(given: TestOptions = {}, login = 'alice@farm.test'): Promise<void> {
  farm = await openSubmission(given);
  chat = await client(farm, login);
}

afterEach(async () => {
  chat.close();
  await farm.close();
});

async function mail(from: string, parameters = ''): Promise<string> {
  const { code, enhanced } = await chat.command(`MAIL FROM:${from}${parameters}`);
  if (code === 250) await chat.command('RSET');
  return `${code} ${enhanced}`;
}

describe('MAIL FROM is of who logged in', () => {
  test.each([
    '<alice@farm.test>',
    '<ALICE@Farm.TEST>',
    '<"alice"@farm.test>',
    '<"al\\ice"@farm.test>',
    '<alice+shop@farm.test>',
    '<al@farm.test>', // alias
    '<AL+x@farm.test>',
    '<alice@alias.test>', // alias domain
    '<al@ALIAS.test>',
    '<alice@north.farm.test>', // address of the site
    '<"a b"@farm.test>',
    '<@evil.test:alice@farm.test>', // A source route is ignored.
    '<team@farm.test>', // A list that is hers to answer for.
    '<team@alias.test>',
    '<>',
  ])('%s: taken', async (from) => {
    await open();
    expect(await mail(from)).toBe('250 2.1.0');
  });

  test('international ones too', async () => {
    await open();
    expect(await mail('<älice@bücher.test>', ' SMTPUTF8')).toBe('250 2.1.0');
    expect(await mail('<ÄLICE@xn--bcher-kva.test>', ' SMTPUTF8')).toBe('250 2.1.0');
    expect(await mail('<a\u0308lice@bücher.test>', ' SMTPUTF8')).toBe('250 2.1.0'); // NFD
    expect(await mail('<аlice@farm.test>', ' SMTPUTF8')).toBe('553 5.7.1'); // Cyrillic а
  });

  test.each([
    '<bob@farm.test>',
    '<alice@else.test>',
    '<nobody@farm.test>',
    '<alice@catch.test>', // A catch-all's mail comes to her; its addresses are nobody's.
    '<board@farm.test>', // She is a member, Bob answers for it.
    '<postmaster@farm.test>', // Bob stands in.
    '<alice%farm.test@else.test>',
    '<"alice@farm.test"@else.test>',
    '<else.test!alice@farm.test>',
    '<alice@[127.0.0.1]>',
    '<alice@farm.test.evil.test>',
    '<alice@evilfarm.test>',
    '<+alice@farm.test>',
    '<alice-x@farm.test>',
    '<all@farm.test>',
    '<"alice "@farm.test>',
    '<alice@bücher.test>',
  ])('%s: refused', async (from) => {
    await open();
    const utf8 = /[^ -~]/.test(from) ? ' SMTPUTF8' : '';
    expect(await mail(from, utf8)).toBe('553 5.7.1');
  });

  test.each(['<postmaster>', '<alice@farm.test\0>', '<alice@farm.test\r>', '<alice@farm.test.>'])(
    '%j: no address',
    async (from) => {
      await open();
      expect(await mail(from)).toMatch(/^50[01] /);
    },
  );

  test('who answers for a list, and who stands in for postmaster', async () => {
    await open({}, 'bob@farm.test');
    expect(await mail('<board@farm.test>')).toBe('250 2.1.0');
    expect(await mail('<postmaster@farm.test>')).toBe('250 2.1.0');
    expect(await mail('<team@farm.test>')).toBe('553 5.7.1'); // A member only.
  });

  test('a user with forwards has the own address all the same', async () => {
    await open({}, 'carol@farm.test');
    expect(await mail('<carol@farm.test>')).toBe('250 2.1.0');
    expect(await mail('<carol@else.test>')).toBe('553 5.7.1'); // Where the forward leads.
  });

  test('the null sender by option', async () => {
    await open({ options: { 'submission.sender.null': 'refused' } });
    expect(await mail('<>')).toBe('553 5.7.1');
  });

  test('directory away is 451, not "not yours"', async () => {
    await open();
    farm.directory.down = true;
    expect(await mail('<alice@farm.test>')).toBe('451 4.4.3');
  });
});

const from = (value: string): string => `From: ${value}\nSubject: x\n\nhello\n`;

async function sent(message: string, envelope = '<alice@farm.test>'): Promise<string> {
  return (await send(chat, { message, from: envelope })).at(-1) ?? '';
}

describe('From is of who logged in', () => {
  test.each([
    'alice@farm.test',
    'Alice <AL+x@Farm.Test>',
    '"The Boss <boss@bank.test>" <alice@farm.test>',
    'alice@farm.test, al@alias.test',
    'Us: alice@farm.test, Team <team@farm.test>;',
    'alice@farm.test <al@farm.test>',
    '(boss@bank.test) alice@farm.test',
    '<@bank.test:alice@farm.test>',
    '"Alice"\n <alice@farm.test>',
  ])('%s: taken', async (value) => {
    await open();
    expect(await sent(from(value))).toBe('250 2.6.0');
    expect(farm.letters[0]?.header).toContain(`From: ${value}\n`);
  });

  test.each([
    'bob@farm.test',
    'Alice <alice@else.test>',
    'alice@farm.test, bob@farm.test',
    'bob@farm.test, alice@farm.test',
    'boss@bank.test <alice@farm.test>',
    'boss@bank.test:alice@farm.test;',
    'Us: bob@farm.test;',
    '"alice@farm.test" <boss@bank.test>',
    '(alice@farm.test) boss@bank.test',
    '<@farm.test:boss@bank.test>',
    '"alice@farm.test"@bank.test',
    'alice@[127.0.0.1]',
  ])('%s: refused, and nothing is delivered', async (value) => {
    await open();
    expect(await sent(from(value))).toBe('550 5.7.1');
    expect(farm.letters).toEqual([]);
    expect(farm.delivery.open).toBe(0);
  });

  test.each([
    from(''),
    from('Alice'),
    from('undisclosed:;'),
    from('<alice@farm.test> <boss@bank.test>'),
    from('alice@farm.test boss@bank.test'),
    `From: alice@farm.test\n${from('boss@bank.test')}`,
    `${from('alice@farm.test').replace('\n', '\nfrom : boss@bank.test\n')}`,
    'From: alice@farm.test\nSender: a, b\n\n',
    'From: alice@farm.test\nSender: al@farm.test\nSender: boss@bank.test\n\n',
    'From: alice@farm.test\nSubject: x\rFrom: boss@bank.test\n\n',
    'From: alice@farm.test\nSubject: x\r\rFrom: boss@bank.test\n\n',
    'From: alice@farm.test\nSubject: x\0\n\n',
    'From: alice@farm.test\n \x0bFrom: boss@bank.test\n\n',
  ])('%j: two programs would read it in two ways', async (message) => {
    await open();
    expect(await sent(message)).toBe('550 5.6.0');
    expect(farm.letters).toEqual([]);
  });

  test('text that is no UTF-8 is refused with the field, UTF-8 passes', async () => {
    await open();
    await chat.command('MAIL FROM:<alice@farm.test>');
    await chat.command('RCPT TO:<bob@farm.test>');
    await chat.command('DATA');
    await chat.send(Buffer.from('From: alice@farm.test\r\nSubject: M\xe9\r\n\r\n.\r\n', 'latin1'));
    const reply = await chat.reply();
    expect(reply.lines[0]).toContain('subject has text that is neither encoded nor UTF-8');
    expect(await sent(from('Élise <alice@farm.test>'))).toBe('250 2.6.0');
  });

  test('a field behind text without a blank line is text, for every reader', async () => {
    await open();
    const message = 'From: alice@farm.test\nhello\nFrom: boss@bank.test\nBcc: x@y.test\n\nmore\n';
    expect(await sent(message)).toBe('250 2.6.0');
    const [letter] = farm.letters;
    expect(letter?.header).not.toContain('boss');
    expect(letter?.body.toString()).toBe('hello\nFrom: boss@bank.test\nBcc: x@y.test\n\nmore\n');
  });

  test('the null sender has no way around it', async () => {
    await open();
    expect(await sent(from('bob@farm.test'), '<>')).toBe('550 5.7.1');
    expect(await sent(from('alice@farm.test'), '<>')).toBe('250 2.6.0');
  });

  test('Sender has to be own as well', async () => {
    await open();
    const message = `Sender: boss@bank.test\n${from('alice@farm.test')}`;
    expect(await sent(message)).toBe('550 5.7.1');
    expect(await sent(`Sender: <al@farm.test>\n${from('alice@farm.test')}`)).toBe('250 2.6.0');
  });

  test('the reply names the address; directory away is 451', async () => {
    await open();
    await chat.command('MAIL FROM:<alice@farm.test>');
    await chat.command('RCPT TO:<bob@farm.test>');
    await chat.command('DATA');
    await chat.send('From: alice@farm.test, Bob <bob@farm.test>\r\n\r\n.\r\n');
    const refused = await chat.reply();
    expect(refused.lines[0]).toContain('not yours: bob@farm.test');
    await chat.command('MAIL FROM:<alice@farm.test>');
    await chat.command('RCPT TO:<bob@farm.test>');
    await chat.command('DATA');
    farm.directory.down = true;
    await chat.send('From: al@farm.test\r\n\r\n.\r\n');
    expect(await chat.reply()).toMatchObject({ code: 451, enhanced: '4.4.3' });
  });
});

describe('submission.from', () => {
  const headerOf = (): string => farm.letters.at(-1)?.header ?? '';

  test('sender: a Sender line names the login, in place of a wrong one', async () => {
    await open({ options: { 'submission.from': 'sender' } });
    expect(await sent(from('boss@bank.test'))).toBe('250 2.6.0');
    expect(headerOf()).toContain('Sender: <alice@farm.test>\n');
    expect(await sent(`Sender: boss@bank.test\n${from('boss@bank.test')}`)).toBe('250 2.6.0');
    expect(headerOf().match(/^Sender:.*$/gm)).toEqual(['Sender: <alice@farm.test>']);
    expect(await sent(`Sender: al@farm.test\n${from('boss@bank.test')}`)).toBe('250 2.6.0');
    expect(headerOf().match(/^Sender:.*$/gm)).toEqual(['Sender: al@farm.test']);
    expect(await sent(from('al@farm.test'))).toBe('250 2.6.0');
    expect(headerOf()).not.toContain('Sender:');
  });

  test('off: From is nobody’s affair, the envelope still is', async () => {
    await open({ options: { 'submission.from': 'off' } });
    expect(await sent(from('boss@bank.test'))).toBe('250 2.6.0');
    expect(headerOf()).not.toContain('Sender:');
    expect(await sent(from('boss@bank.test'), '<boss@bank.test>')).toBe('553 5.7.1');
  });
});
