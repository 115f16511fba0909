/** The smarthost and the notices, over real volumes and a spool in memory. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock as clock } from '../base/clock.ts';
import { systemRandom as random } from '../base/random.ts';
import type { Verdict } from '../auth/types.ts';
import { defaults } from '../config/options.ts';
import { bodies, directory, front, useParkingFarm, user } from '../delivery/testing.ts';
import type { Recipient } from '../delivery/types.ts';
import { silentLogger } from '../log/types.ts';
import { SMTP_OPTIONS } from '../smtp/options.ts';
import { testTls } from '../smtp/testing/certificate.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { listen, type TestListener } from '../smtp/testing/listener.ts';
import type { OutboundEnvelope } from '../spool/outbound.ts';
import type { Notice } from '../spool/sender/types.ts';
import { StoreError } from '../volumes/error.ts';
import { Notices } from './notices.ts';
import { RELAY_OPTIONS, type RelayOptions } from './options.ts';
import { createRelayService } from './service.ts';
import { tellRelay } from './tell.ts';

useParkingFarm();

let alice: Recipient;
let listener: TestListener | undefined;
let allowed: string[];
let options: Partial<RelayOptions>;
let asked: string[];

beforeEach(async () => {
  directory.putDomain('example.test');
  alice = await user('alice', 'v1', { addresses: ['al@example.test'] });
  allowed = [];
  options = {};
  asked = [];
});
afterEach(async () => {
  await listener?.close();
  listener = undefined;
});

async function relay(peer: string): Promise<StrictClient> {
  const { outbound } = front.delivery;
  if (outbound === undefined) throw new Error('no way out');
  const service = createRelayService({
    directory,
    delivery: front.delivery,
    outbound,
    auth: {
      verify: async ({ password }): Promise<Verdict> =>
        password === 'demo' ? { kind: 'accepted', account: alice.account } : { kind: 'refused' },
    },
    farm: { isNode: (address) => address === '192.0.2.1' },
    etrn: async (_, { kind, name }) => {
      asked.push(`${kind} ${name}`);
      return name === 'customer.test' ? { kind: 'started' } : { kind: 'unable' };
    },
    pop: {
      userAt: async (address, from) => {
        const isHers = allowed.includes(address) && from === 'alice@example.test';
        const { id, login } = alice.account;
        return isHers ? { id, login, byAddress: true } : undefined;
      },
    },
    tls: testTls(),
    options: { ...defaults(SMTP_OPTIONS), ...defaults(RELAY_OPTIONS), ...options },
    logger: silentLogger,
    clock,
    hostName: 'relay.example.test',
  });
  listener = await listen(service, { peer });
  const client = await StrictClient.open(listener.port);
  await client.reply();
  await client.command('EHLO client.example.test');
  return client;
}

const LETTER = 'From: app@example.test\r\nSubject: s\r\n\r\nhello\r\n.';

/** Replies to MAIL, to each RCPT and, where one was taken, to the data. */
async function converse(
  client: StrictClient,
  to: readonly string[],
  from = 'app@example.test',
): Promise<string[]> {
  const said: string[] = [];
  const say = async (line: string): Promise<number> => {
    const { code, enhanced } = await client.command(line);
    said.push(`${code} ${enhanced}`.trim());
    return code;
  };
  if ((await say(`MAIL FROM:<${from}>`)) >= 400) return said;
  let taken = 0;
  for (const one of to) taken += (await say(`RCPT TO:<${one}>`)) < 300 ? 1 : 0;
  if (taken > 0 && (await client.command('DATA')).code === 354) await say(LETTER);
  client.close();
  return said;
}

const routes = (): unknown[] => front.outbound.letters.map(({ envelope }) => envelope.route);

test('[S2-12] [S2-14] a host of ours sends anywhere, one letter for each domain', async () => {
  const to = ['a@one.example', 'b@one.example', 'c@TWO.example', 'alice@example.test'];
  const client = await relay('192.0.2.1');
  expect(await converse(client, to)).toEqual([
    '250 2.1.0',
    ...to.map(() => '250 2.1.5'),
    '250 2.6.0',
  ]);
  expect(routes()).toEqual([
    { kind: 'mx', domain: 'one.example' },
    { kind: 'mx', domain: 'two.example' },
    { kind: 'farm' },
  ]);
  const [first] = front.outbound.letters;
  expect(first?.envelope.recipients.map(({ address }) => address)).toEqual(to.slice(0, 2));
  expect(first?.envelope).toMatchObject({
    origin: 'relay',
    sign: true,
    sender: 'app@example.test',
  });
  expect(first?.message.toString()).toMatch(/^Received: from client.example.test[^]*\nhello\n$/);
  expect(first?.message.toString()).not.toContain('Return-Path');
  expect(await bodies(alice)).toEqual([]);
});

test('an unknown user of ours is refused at once, a stranger’s address never', async () => {
  const client = await relay('192.0.2.1');
  expect(await converse(client, ['nobody@example.test', 'nobody@one.example'])).toEqual([
    '250 2.1.0',
    '550 5.1.1',
    '250 2.1.5',
    '250 2.6.0',
  ]);
});

test('a customer’s domain goes to its own servers', async () => {
  const transport = {
    kind: 'host',
    host: 'in.customer.test',
    port: 2525,
    protocol: 'lmtp',
  } as const;
  directory.putDomain({ name: 'customer.test', transport });
  directory.putDomain({ name: 'other.test', transport: { kind: 'mx' } });
  await converse(await relay('192.0.2.1'), ['x@customer.test', 'y@other.test']);
  expect(routes()).toEqual([transport, { kind: 'mx', domain: 'other.test' }]);
});

test.each([
  ['a stranger', '203.0.113.9', ['530 5.7.0']],
  ['a node of ours', '192.0.2.1', ['250 2.1.0', '250 2.1.5', '250 2.6.0']],
  ['this machine', '127.0.0.1', ['250 2.1.0', '250 2.1.5', '250 2.6.0']],
])('[S2-14] who may send anywhere without a login: %s', async (_, peer, said) => {
  expect(await converse(await relay(peer), ['a@one.example'])).toEqual(said);
});

test('[S0-24] who read mail from an address just now may send from there as himself, nobody else', async () => {
  allowed.push('203.0.113.9');
  const to = ['a@one.example'];
  const said = await converse(await relay('203.0.113.9'), to, alice.address);
  expect(said.at(-1)).toBe('250 2.6.0');
  const { id: owner, login } = alice.account;
  expect(front.outbound.letters[0]?.envelope).toMatchObject({ owner, login, sign: false });
  await listener?.close();
  for (const from of ['app@example.test', 'alice@other.test', '']) {
    expect(await converse(await relay('203.0.113.9'), to, from)).toEqual(['530 5.7.0']);
    await listener?.close();
  }
  expect(await converse(await relay('203.0.113.8'), to, alice.address)).toEqual(['530 5.7.0']);
});

test.each([
  ['a node of ours', '192.0.2.1', {}, true],
  ['a network that may send', '127.0.0.1', {}, false],
  ['a network that is ours', '127.0.0.1', { 'relay.networks.sign': 'on' }, true],
] as const)('whose letters without a login are signed: %s', async (_, peer, more, sign) => {
  options = more;
  await converse(await relay(peer), ['a@one.example']);
  expect(front.outbound.letters[0]?.envelope.sign).toBe(sign);
});

test.each([
  ['the own address', 'alice@example.test', '250 2.6.0'],
  ['an alias in any case', 'AL@Example.Test', '250 2.6.0'],
  ['nobody', '', '250 2.6.0'],
  ['somebody else', 'boss@example.test', '553 5.7.1'],
])('a login sends as itself only: %s', async (_, from, last) => {
  const client = await relay('203.0.113.9');
  const plain = Buffer.from('\0alice@example.test\0demo').toString('base64');
  expect((await client.command(`AUTH PLAIN ${plain}`)).code).toBeGreaterThanOrEqual(500);
  await client.command('STARTTLS');
  await client.startTls('mx.farm.test');
  await client.command('EHLO client.example.test');
  expect((await client.command(`AUTH PLAIN ${plain}`)).code).toBe(235);
  expect((await converse(client, ['a@one.example'], from)).at(-1)).toBe(last);
  expect(front.outbound.letters[0]?.envelope.login ?? alice.address).toBe(alice.address);
});

test('without a spool volume, and without the directory, letters are deferred', async () => {
  front.outbound.failure = new StoreError('volume-full', 'full');
  expect((await converse(await relay('192.0.2.1'), ['a@one.example'])).at(-1)).toBe('452 4.3.1');
  await listener?.close();
  front.outbound.failure = undefined;
  directory.down = true;
  expect((await converse(await relay('192.0.2.1'), ['a@one.example'])).at(-1)).toBe('451 4.4.3');
});

test('[S4-13] one relay tells another what to send, and says when that does not take it', async () => {
  (await relay('192.0.2.1')).close();
  const at = { node: 'relay1', host: '127.0.0.1', port: listener?.port ?? 0 };
  await tellRelay('me.example.test')(at, 'customer.test');
  expect(asked).toEqual(['queue customer.test']);
  await expect(tellRelay('me.example.test')(at, 'x.test')).rejects.toThrow(/relay1 said.* 458 /);
  await listener?.close();
  await expect(tellRelay('me.example.test')(at, 'x.test')).rejects.toThrow('ECONNREFUSED');
});

const TEXT = 'From: alice@example.test\nSubject: lost\n\nthe letter\n';

function notice(more: Partial<OutboundEnvelope> = {}, kind: Notice['kind'] = 'failed'): Notice {
  const recipient = { address: 'bob@one.example' };
  const envelope: OutboundEnvelope = {
    id: '1.M1P1Q1R1.node',
    route: { kind: 'mx', domain: 'one.example' },
    origin: 'submission',
    owner: '',
    login: '',
    sender: 'alice@example.test',
    recipients: [recipient],
    smtpUtf8: false,
    sign: false,
    octets: TEXT.length,
    wireOctets: TEXT.length,
    trace: 'trace',
    node: 'node',
    acceptedAt: 1_700_000_000_000,
    tries: 1,
    delayTold: false,
    troubles: [],
    ...more,
  };
  return {
    kind,
    envelope,
    recipients: envelope.recipients.map((one) => ({
      recipient: one,
      action: kind,
      status: '5.1.1',
      reply: '550 5.1.1 no such user',
      text: 'mx.one.example refused the address',
      remote: { host: 'mx.one.example', address: '192.0.2.99' },
      triedAt: 1_700_000_001_000,
    })),
    expiresAt: 1_700_400_000_000,
    read: async (offset, length) => Buffer.from(TEXT).subarray(offset, offset + length),
  };
}

const notices = (mailboxes = true): Notices =>
  new Notices({
    directory,
    delivery: front.delivery,
    mailboxes,
    fullOctetsMax: 10_000,
    hostName: 'relay.example.test',
    clock,
    random,
    logger: silentLogger,
  });

/** Null sender, to whom, by which route. */
const sent = (): unknown[] =>
  front.outbound.letters.map(({ envelope: { sender, recipients, route, origin } }) => [
    sender,
    recipients.map(({ address }) => address),
    route.kind,
    origin,
  ]);

test('a user of ours has the notice in the mailbox, with what the peer said and the letter', async () => {
  await notices().report(notice());
  const [text = ''] = await bodies(alice);
  expect(text).toMatch(/^Return-Path: <>\nDelivered-To: alice@example.test\n/);
  expect(text).toContain('550 5.1.1 no such user');
  expect(text).toContain('the letter\n');
  expect(sent()).toEqual([]);
});

test('[S2-14] a node without mail volumes, and a mailbox that takes nothing now, give it to the spool', async () => {
  await notices(false).report(notice());
  const full = await user('full', 'v2', { quotaBytes: 1 });
  await notices().report(notice({ sender: full.address }));
  expect(sent()).toEqual([
    ['', ['alice@example.test'], 'farm', 'notice'],
    ['', ['full@example.test'], 'farm', 'notice'],
  ]);
  expect(await bodies(full)).toEqual([]);
});

test('a sender elsewhere gets it by MX; users who are gone, suspended or forged get none', async () => {
  await user('sam', 'v2', { suspended: ['mail'] });
  await notices().report(notice({ sender: 'app@two.example', origin: 'relay' }));
  await notices().report(notice({ sender: 'gone@example.test' }));
  await notices().report(notice({ sender: 'sam@example.test' }));
  expect(sent()).toEqual([['', ['app@two.example'], 'mx', 'notice']]);
});

test.each([
  ['of a notice', { origin: 'notice', sender: '' }],
  ['of a letter without sender', { sender: '' }],
  ['that was not wanted', { recipients: [{ address: 'b@one.example', notify: 'never' }] }],
] as const)('there is no notice %s', async (_, more) => {
  await notices().report(notice(more));
  expect(await bodies(alice)).toEqual([]);
  expect(sent()).toEqual([]);
});

test('no backscatter: a forward’s stranger is not told, the user who forwards has the letter', async () => {
  const forward = {
    origin: 'forward',
    owner: alice.account.id,
    sender: 'spam@two.example',
  } as const;
  await notices().report(notice(forward));
  expect(await bodies(alice)).toHaveLength(1);
  await notices().report(notice(forward, 'delayed'));
  await notices().report(notice({ ...forward, origin: 'list', owner: '' }));
  expect(await bodies(alice)).toHaveLength(1);
  expect(sent()).toEqual([]);
  // Who asked is told.
  const wished = [{ address: 'b@one.example', notify: ['failure'] }] as const;
  await notices().report(notice({ ...forward, recipients: wished, ret: 'full' }));
  expect(sent()).toEqual([['', ['spam@two.example'], 'mx', 'notice']]);
  // What he had us send is not sent on to whose name he used.
  expect(front.outbound.letters[0]?.message.toString()).toContain('text/rfc822-headers');
  expect(front.outbound.letters[0]?.message.toString()).not.toContain('the letter\n');
});

test('where nothing takes the notice the letter stays: the report fails', async () => {
  front.outbound.failure = new StoreError('volume-down', 'away');
  const report = notices().report(notice({ sender: 'app@two.example', origin: 'relay' }));
  await expect(report).rejects.toMatchObject({ kind: 'volume-down' });
  directory.down = true;
  await expect(notices().report(notice())).rejects.toThrow('down');
});
