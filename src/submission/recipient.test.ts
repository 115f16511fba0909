import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { StrictClient } from '../smtp/testing/client.ts';
import { client, openSubmission, send, type TestSubmission } from './testing.ts';

let farm: TestSubmission;
let chat: StrictClient;

beforeEach(async () => {
  farm = await openSubmission();
  chat = await client(farm, 'alice@farm.test');
});

afterEach(async () => {
  chat.close();
  await farm.close();
});

const TAKEN = ['250 2.1.0', '250 2.1.5', '250 2.6.0'];
const codes = async (to: string): Promise<string> => (await send(chat, { to: [to] }))[1] ?? '';
const letter = () => farm.letters.at(-1);

test('ours at once, others by the way out, one transaction, one reply', async () => {
  const to = ['<bob@farm.test>', '<x@else.test>', '<y@else.test>', '<z@other.test>'];
  expect(await send(chat, { to })).toEqual([
    ...TAKEN.slice(0, 1),
    ...to.map(() => '250 2.1.5'),
    '250 2.6.0',
  ]);
  expect(letter()?.mailboxes).toEqual(['bob@farm.test']);
  const alice = await farm.directory.account('alice@farm.test');
  const by = { origin: 'submission', owner: alice?.id, login: 'alice@farm.test' };
  const one = { ...by, sender: 'alice@farm.test' };
  expect(letter()?.leaving).toMatchObject([
    { ...one, route: { kind: 'mx', domain: 'else.test' }, recipient: { address: 'x@else.test' } },
    { ...one, route: { kind: 'mx', domain: 'else.test' }, recipient: { address: 'y@else.test' } },
    { ...one, route: { kind: 'mx', domain: 'other.test' }, recipient: { address: 'z@other.test' } },
  ]);
  expect(letter()?.options).toMatchObject({ failure: 'all', envelope: { sign: true } });
});

test('[P-01] DSN: RET, ENVID, NOTIFY and ORCPT go with the letter', async () => {
  const from = '<alice@farm.test> RET=HDRS ENVID=QQ+2B314159';
  const to = [
    '<x@else.test> NOTIFY=SUCCESS,Delay ORCPT=rfc822;X+40else.test',
    '<y@else.test> notify=never',
  ];
  expect(await send(chat, { from, to })).toHaveLength(4);
  expect(letter()?.options.envelope).toMatchObject({ ret: 'hdrs', envid: 'QQ+314159' });
  expect(letter()?.leaving.map(({ recipient }) => recipient)).toEqual([
    { address: 'x@else.test', notify: ['success', 'delay'], original: 'rfc822;X@else.test' },
    { address: 'y@else.test', notify: 'never', original: undefined },
  ]);
});

describe('DSN parameters that are wrong are 501, and the command did nothing', () => {
  test.each([
    'RET=ALL',
    'RET',
    'RET=',
    'ENVID=',
    `ENVID=${'x'.repeat(101)}`,
    'ENVID=a+0D+0ABcc',
    'ENVID=a+2b',
    'ENVID=a+',
    'ENVID=ä',
    'RET=FULL RET=FULL',
    'AUTH=',
    'AUTH=a+0Ab',
  ])('MAIL %s', async (parameter) => {
    const { code } = await chat.command(`MAIL FROM:<alice@farm.test> ${parameter}`);
    expect(code).toBe(501);
    expect((await chat.command('RCPT TO:<bob@farm.test>')).code).toBe(503);
  });

  test.each([
    'NOTIFY=',
    'NOTIFY',
    'NOTIFY=NEVER,SUCCESS',
    'NOTIFY=SUCCESS,SUCCESS',
    'NOTIFY=ALWAYS',
    'NOTIFY=SUCCESS,',
    'ORCPT=rfc822',
    'ORCPT=;x',
    'ORCPT=rfc822;',
    'ORCPT=rf c;x',
    'ORCPT=rfc822;a+0D+0AX-Y:+20z',
    'ORCPT=rfc822;a+00',
    'ORCPT=rfc822;a=b',
    'ORCPT=rfc822;\u00e4',
    'ORCPT=utf-8;a\\x{A}b',
    'ORCPT=utf-8;a\\x{D800}',
    'ORCPT=utf-8;a\\x{110000}',
    `ORCPT=rfc822;${'x'.repeat(494)}`,
  ])('RCPT %s', async (parameter) => {
    await chat.command('MAIL FROM:<alice@farm.test> SMTPUTF8');
    const { code } = await chat.command(`RCPT TO:<bob@farm.test> ${parameter}`);
    expect(code).toBe(501);
    expect((await chat.command('DATA')).code).toBe(503);
  });

  test('the longest that may be', async () => {
    const mail = `MAIL FROM:<alice@farm.test> ENVID=${'x'.repeat(100)} AUTH=<> BODY=8BITMIME SIZE=1`;
    expect((await chat.command(mail.replace('AUTH=<>', 'AUTH=a@b.c'))).code).toBe(250);
    const rcpt = `RCPT TO:<bob@farm.test> ORCPT=rfc822;${'x'.repeat(493)}`;
    expect((await chat.command(rcpt)).code).toBe(250);
    expect((await chat.command('RCPT TO:<bob@farm.test> ORCPT=utf-8;a\\x{20AC}ä')).code).toBe(501);
  });

  test('AUTH=<> of a relay is taken (RFC 4954 §5)', async () => {
    expect((await chat.command('MAIL FROM:<alice@farm.test> AUTH=<>')).code).toBe(250);
  });

  test('ORCPT in UTF-8, where the transaction is', async () => {
    const from = '<alice@farm.test> SMTPUTF8';
    const to = ['<x@else.test> ORCPT=utf-8;a\\x{20AC}ä@else.test'];
    expect(await send(chat, { from, to })).toEqual(TAKEN);
    expect(letter()?.leaving[0]?.recipient.original).toBe('utf-8;a€ä@else.test');
  });
});

test('lists ask who logged in, whatever MAIL FROM says', async () => {
  for (const from of ['<alice@farm.test>', '<team@farm.test>', '<>']) {
    expect(await send(chat, { from, to: ['<board@farm.test>'] })).toEqual(TAKEN);
    expect(letter()?.mailboxes).toEqual(['alice@farm.test']);
    expect(letter()?.leaving.map(({ recipient }) => recipient.address)).toEqual(['out@else.test']);
  }
  const bob = await client(farm, 'carol@farm.test');
  expect(await send(bob, { from: '<carol@farm.test>', to: ['<board@farm.test>'] })).toEqual([
    '250 2.1.0',
    '550 5.7.1',
  ]);
  bob.close();
});

test('a forward leaves as the user’s whose it is', async () => {
  expect(await send(chat, { to: ['<carol@farm.test>'] })).toEqual(TAKEN);
  expect(letter()?.leaving).toMatchObject([
    { recipient: { address: 'carol@else.test' }, origin: 'forward', login: 'carol@farm.test' },
  ]);
});

describe('whatever leads to a list makes copies of it, as at the MX', () => {
  const copyOf = (address: string) => expect.objectContaining({ address }) as object;
  const lists = () =>
    letter()?.options.recipients.map(({ account, list }) => [account.login, list?.address]);

  test('all@', async () => {
    expect(await send(chat, { to: ['<all@farm.test>'] })).toEqual(TAKEN);
    const named = new Set(lists()?.map(([, list]) => list));
    expect(named).toEqual(new Set(['all@farm.test']));
    expect(letter()?.leaving).toMatchObject([
      { recipient: { address: 'carol@else.test' }, origin: 'list', list: copyOf('all@farm.test') },
    ]);
  });

  test('a forward: its owner answers for the copies, and the own one is not marked', async () => {
    expect(await send(chat, { to: ['<desk@farm.test>'] })).toEqual(TAKEN);
    expect(lists()).toEqual([
      ['desk@farm.test', undefined],
      ['bob@farm.test', 'team@farm.test'],
    ]);
  });
});

test.each([
  ['<nobody@farm.test>', '550 5.1.1'],
  ['<nobody@alias.test>', '550 5.1.1'],
  ['<nomail@farm.test>', '550 5.2.1'],
  ['<x@[127.0.0.1]>', '550 5.1.2'],
  ['<x@[IPv6:::1]>', '550 5.1.2'],
  ['<bob@[192.0.2.1]>', '550 5.1.2'],
  ['<x@else.test.>', '501 5.1.3'],
  ['<x>', '501 5.1.3'],
  ['<x@else.test> FOO=bar', '555 5.5.4'],
])('%s: %s', async (to, expected) => {
  expect(await codes(to)).toBe(expected);
  expect(farm.letters).toEqual([]);
});

test('postmaster without a domain is ours', async () => {
  expect(await codes('<postmaster>')).toBe('250 2.1.5');
  expect(letter()?.mailboxes).toEqual(['bob@farm.test']);
});

test('directory, volume and spool away: 4xx; each alone', async () => {
  farm.delivery.checkFails.set('bob@farm.test', 'volume-down');
  expect(await codes('<bob@farm.test>')).toBe('451 4.3.0');
  farm.delivery.checkFails.set('bob@farm.test', 'over-quota');
  expect(await codes('<bob@farm.test>')).toBe('452 4.2.2');
  farm.outbound.full = true;
  expect(await codes('<x@else.test>')).toBe('452 4.3.1');
  farm.outbound.full = false;
  expect(await codes('<x@else.test>')).toBe('250 2.1.5');
  await chat.command('MAIL FROM:<alice@farm.test>');
  farm.directory.down = true;
  expect(await chat.command('RCPT TO:<bob@farm.test>')).toMatchObject({ code: 451 });
});

test('nothing leaves a node that has no way out: 451, not 550', async () => {
  const other = await openSubmission({ more: { outbound: undefined } });
  const one = await client(other, 'alice@farm.test');
  expect(await send(one, { to: ['<x@else.test>'] })).toEqual(['250 2.1.0', '451 4.4.4']);
  expect(await send(one, { to: ['<bob@farm.test>'] })).toEqual(TAKEN);
  one.close();
  await other.close();
});

test('recipients of one message have a limit of their own', async () => {
  const other = await openSubmission({ options: { 'submission.recipients.max': 2 } });
  const one = await client(other, 'alice@farm.test');
  const to = ['<a@else.test>', '<b@else.test>', '<c@else.test>'];
  expect((await send(one, { to }))[3]).toBe('452 4.5.3');
  expect(other.letters[0]?.leaving).toHaveLength(2);
  one.close();
  await other.close();
});
