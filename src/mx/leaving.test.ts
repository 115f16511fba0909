import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { openDelivery } from '../delivery/delivery.ts';
import { openSrs, type FarmSrs } from '../delivery/srs.ts';
import { memoryAccount, memoryDirectory, memoryList } from '../directory/memory.ts';
import type { MemoryContents, MemoryDirectory } from '../directory/memory.ts';
import { parseRuleTarget } from '../directory/rules.ts';
import type { Account } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import { MaildirStore } from '../mailbox/store.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { MemoryOutbound } from '../spool/testing/memory-outbound.ts';
import { StoreError } from '../volumes/error.ts';
import type { Volumes } from '../volumes/open.ts';
import {
  openTestVolumes,
  temporaryVolumes,
  type TemporaryVolumes,
} from '../volumes/testing/volumes.ts';
import { openFarm, type TestFarm } from './testing.ts';

/** What the MX takes and sends on: real delivery on a volume, a spool in memory. */
const user = (name: string, forwards: readonly string[] = [], keep = false): Account =>
  memoryAccount({ login: `${name}@farm.test`, forwards, keepsForwarded: keep });
const customer = (name: string, target: string) => ({
  name,
  transport:
    target === 'mx'
      ? ({ kind: 'mx' } as const)
      : ({ kind: 'host', host: target, port: 24, protocol: 'lmtp' } as const),
});

const CONTENTS: MemoryContents = {
  accounts: [
    user('alice'),
    user('bob'),
    user('fred', ['Fred.B@Else.test', 'f@other.test']),
    user('gone', ['gone@else.test']),
    user('keep', ['keep@else.test'], true),
    user('odd', ['"a b"@bücher.test']),
    user('ring1', ['ring2@farm.test']),
    user('ring2', ['ring1@farm.test']),
    user('self', ['self@farm.test']),
    user('desk', ['team@farm.test'], true),
  ],
  lists: [
    memoryList({
      address: 'team@farm.test',
      owner: 'owner@farm.test',
      members: ['alice@farm.test', 'x@else.test', 'y@else.test', 'z@other.test', 'bob@farm.test'],
    }),
    memoryList({ address: 'plain@farm.test', members: ['x@else.test', 'alice@farm.test'] }),
  ],
  rules: [
    { name: 'old', order: 1, pattern: 'old-.*', target: parseRuleTarget('host:h.test:2525') },
  ],
  domains: [
    { name: 'farm.test', all: 'anyone' },
    { name: 'sub.farm.test', site: 'sub' },
    customer('backup.test', 'mx'),
    customer('gate.test', 'uucp.farm.test'),
  ],
};

let disk: TemporaryVolumes;
let directory: MemoryDirectory;
let volumes: Volumes<Account>;
let outbound: MemoryOutbound;
let farm: TestFarm;
let now: number;
const clock = { ...systemClock, now: () => now };

async function open(
  options: Parameters<typeof openFarm>[0] = {},
  srs?: FarmSrs,
): Promise<TestFarm> {
  await farm?.close();
  const { mailboxes } = volumes;
  const store = new MaildirStore({ mailboxes, clock: systemClock, log: silentLogger });
  const through = openDelivery({ mailboxes, store, log: silentLogger, outbound });
  const parts = { contents: { ...CONTENTS, volumes: disk.entries }, through, srs };
  farm = await openFarm({ ...parts, outbound: through.outbound, ...options });
  return farm;
}

beforeEach(async () => {
  now = 1_800_000_000_000;
  disk = await temporaryVolumes('v1');
  directory = memoryDirectory({ ...CONTENTS, volumes: disk.entries });
  outbound = new MemoryOutbound(systemClock);
  volumes = openTestVolumes<Account>(directory, { limits: { 'volume.deadline': 20_000 } });
  await volumes.table.loaded();
  await open();
});
afterEach(async () => {
  await farm.close();
  volumes.close();
  disk.remove();
});

/** Replies to each RCPT, then to the data. */
async function send(
  to: readonly string[],
  given: { readonly from?: string; readonly mail?: string; readonly text?: string } = {},
): Promise<readonly string[]> {
  const client = await StrictClient.open(farm.port);
  await client.reply();
  await client.command('EHLO c.example');
  await client.command(`MAIL FROM:<${given.from ?? 'x@author.test'}>${given.mail ?? ''}`);
  const replies: string[] = [];
  for (const rcpt of to) {
    const [address = '', ...parameters] = rcpt.split(' ');
    const path = address.includes('@') ? address : `${address}@farm.test`;
    const { code, enhanced } = await client.command(
      ['RCPT', `TO:<${path}>`, ...parameters].join(' '),
    );
    replies.push(`${code} ${enhanced}`);
  }
  if (replies.some((reply) => reply.startsWith('250'))) {
    await client.command('DATA');
    await client.send(`${given.text ?? 'Subject: x'}\r\n\r\nbody\r\n.\r\n`);
    const { code, enhanced } = await client.reply();
    replies.push(`${code} ${enhanced}`);
  }
  client.close();
  return replies;
}

const TAKEN = ['250 2.1.5', '250 2.6.0'];
const left = () =>
  outbound.letters.map(({ envelope }) => ({
    to: envelope.route.kind === 'mx' ? envelope.route.domain : JSON.stringify(envelope.route),
    recipients: envelope.recipients.map(({ address }) => address),
    sender: envelope.sender,
    origin: envelope.origin,
    login: envelope.login,
  }));

const from = { sender: 'x@author.test' };
const forward = { ...from, origin: 'forward' };
const relay = { ...from, origin: 'relay', login: '' };
const CASES: readonly [name: string, to: readonly string[], expected: readonly object[]][] = [
  [
    'forwards elsewhere, one envelope for each domain',
    ['fred'],
    [
      { to: 'else.test', recipients: ['Fred.B@else.test'], ...forward, login: 'fred@farm.test' },
      { to: 'other.test', recipients: ['f@other.test'], ...forward, login: 'fred@farm.test' },
    ],
  ],
  [
    '[S3-05] two forwards to one domain are one envelope',
    ['gone', 'keep'],
    [
      {
        to: 'else.test',
        recipients: ['gone@else.test', 'keep@else.test'],
        ...forward,
        login: 'gone@farm.test',
      },
    ],
  ],
  [
    'quoted local part, domain in U-labels',
    ['odd'],
    [
      {
        to: 'xn--bcher-kva.test',
        recipients: ['"a b"@xn--bcher-kva.test'],
        ...forward,
        login: 'odd@farm.test',
      },
    ],
  ],
  [
    'a domain that we hold as backup',
    ['any.Body@Backup.test'],
    [{ to: 'backup.test', recipients: ['any.Body@backup.test'], ...relay }],
  ],
  [
    '[S1-23] another delivery protocol, behind a gateway',
    ['any@gate.test'],
    [
      {
        to: '{"kind":"host","host":"uucp.farm.test","port":24,"protocol":"lmtp"}',
        recipients: ['any@gate.test'],
        ...relay,
      },
    ],
  ],
  [
    '[S1-03] a rule to another host',
    ['old-x'],
    [
      {
        to: '{"kind":"host","host":"h.test","port":2525,"protocol":"smtp"}',
        recipients: ['old-x@farm.test'],
        ...relay,
      },
    ],
  ],
  ['[S0-37] users who forward to each other: no circle, and nothing is lost', ['ring1'], []],
  ['[S0-37] a forward to oneself', ['self'], []],
];
test.each(CASES)('%s', async (_, to, expected) => {
  expect(await send(to)).toEqual([...to.map(() => TAKEN[0]), TAKEN[1]]);
  expect(left()).toEqual(expected);
});

test('relaying stays denied, and so does a stranger beside a forward', async () => {
  expect(await send(['gone', 'a@else.test', 'a@sub.backup.test'])).toEqual([
    '250 2.1.5',
    '550 5.7.1',
    '550 5.7.1',
    '250 2.6.0',
  ]);
  expect(left().map(({ recipients }) => recipients)).toEqual([['gone@else.test']]);
});

test('what leaves has Received, and no line that only a mailbox has', async () => {
  await send(['gone']);
  const text = outbound.letters[0]?.message.toString() ?? '';
  expect(text).toMatch(/^Received: from c\.example [^]*\n\tfor <gone@farm\.test>;\n/);
  expect(text).not.toMatch(/^(Return-Path|Delivered-To):/m);
  await send(['gone', 'bob']);
  expect(outbound.letters[1]?.message.toString()).not.toContain('for <');
});

test('a list: its owner answers for it, one envelope for each domain, once each', async () => {
  expect(await send(['team', 'alice'])).toEqual([...TAKEN.slice(0, 1), ...TAKEN]);
  const list = { sender: 'owner@farm.test', origin: 'list', login: '' };
  expect(left()).toEqual([
    { to: 'else.test', recipients: ['x@else.test', 'y@else.test'], ...list },
    { to: 'other.test', recipients: ['z@other.test'], ...list },
  ]);
  expect(outbound.letters[0]?.message.toString()).toContain('\nList-Id: <team.farm.test>\n');
  outbound.letters.length = 0;
  await send(['plain']);
  expect(left()).toEqual([
    { to: 'else.test', recipients: ['x@else.test'], ...list, sender: 'x@author.test' },
  ]);
  outbound.letters.length = 0;
  expect(await send(['team'], { from: '' }), 'a notice stays one').toEqual(TAKEN);
  expect(left()[0]?.sender).toBe('');
});

const copies = async (name: string): Promise<readonly string[]> => {
  const account = await directory.account(`${name}@farm.test`);
  const located = account && (await volumes.table.locate(account));
  const at = join(located?.maildir ?? '', 'new');
  return readdirSync(at).map((file) => readFileSync(join(at, file), 'utf8'));
};

test('[S3-15] all@ is a list too: its copies say so, and it does not send them again', async () => {
  expect(await send(['all'])).toEqual(TAKEN);
  const [copy = ''] = await copies('alice');
  expect(copy).toContain('\nList-Id: <all.farm.test>\nPrecedence: list\n');
  expect(new Set(left().map(({ sender, origin }) => `${sender} ${origin}`))).toEqual(
    new Set(['x@author.test list']),
  );
  const text = 'Subject: x\r\nX-Mailfarm-List: all@farm.test';
  expect(await send(['all'], { text })).toEqual(['250 2.1.5', '554 5.4.6']);
});

test('a forward that leads to a list: its copies are marked, the own one is not', async () => {
  expect(await send(['desk'])).toEqual(TAKEN);
  expect((await copies('bob'))[0]).toContain('\nX-Mailfarm-List: team@farm.test\n');
  expect((await copies('desk'))[0]).not.toContain('List-');
  const text = 'Subject: x\r\nX-Mailfarm-List: team@farm.test';
  expect(await send(['desk'], { text })).toEqual(TAKEN);
  expect([(await copies('bob')).length, (await copies('desk')).length]).toEqual([1, 2]);
});

test('[S3-14] a list is of the main domain: a site has none of its name', async () => {
  expect(await send(['team@sub.farm.test'])).toEqual(['550 5.1.1']);
});

test('a letter that comes back to its list is refused, and goes to others beside it', async () => {
  const text = 'Subject: x\r\nX-Mailfarm-List: team@farm.test';
  expect(await send(['team'], { text })).toEqual(['250 2.1.5', '554 5.4.6']);
  expect(await send(['team', 'bob', 'gone'], { text })).toEqual([
    ...TAKEN.slice(0, 1),
    ...TAKEN.slice(0, 1),
    ...TAKEN,
  ]);
  expect(left().map(({ recipients }) => recipients)).toEqual([['gone@else.test']]);
  expect(farm.logged.filter(({ message }) => message.includes('again'))).toContainEqual(
    expect.objectContaining({
      fields: expect.objectContaining({ code: 'MF-MX-005', list: 'team@farm.test' }) as object,
    }),
  );
});

test('a spool without room defers who leaves, and nobody else', async () => {
  outbound.failure = new StoreError('volume-full', 'test');
  expect(await send(['gone', 'alice', 'team'])).toEqual([
    '452 4.3.1',
    '250 2.1.5',
    '452 4.3.1',
    '250 2.6.0',
  ]);
});

const DSN: readonly [name: string, to: string, given: string, expected: object][] = [
  [
    'a forward keeps what was asked',
    'gone',
    ' NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;g+2Bx@farm.test',
    { notify: ['success', 'failure'], original: 'rfc822;g+x@farm.test' },
  ],
  [
    'who asked nothing hears of the address he wrote to',
    'gone',
    '',
    { original: 'rfc822;gone@farm.test' },
  ],
  [
    'of several, none reports success',
    'keep',
    ' NOTIFY=SUCCESS,DELAY',
    { notify: ['delay'], original: 'rfc822;keep@farm.test' },
  ],
  [
    'nothing is left but silence',
    'keep',
    ' NOTIFY=SUCCESS',
    { notify: 'never', original: 'rfc822;keep@farm.test' },
  ],
  ['never', 'gone', ' NOTIFY=NEVER', { notify: 'never', original: 'rfc822;gone@farm.test' }],
  ['a list has an envelope of its own', 'team', ' NOTIFY=NEVER ORCPT=rfc822;a@b.test', {}],
  ['backup: as it came', 'a@backup.test', ' NOTIFY=NEVER', { notify: 'never' }],
];
test.each(DSN)('notices (RFC 3461 §5.2.7): %s', async (_, to, given, expected) => {
  await send([`${to}${given}`], { mail: ' RET=HDRS ENVID=e+2B1' });
  const [{ envelope }] = outbound.letters as [(typeof outbound.letters)[0]];
  const { address, ...dsn } = envelope.recipients[0]!;
  expect([address === '', dsn]).toEqual([false, expected]);
  const own = to === 'team' ? undefined : 'e+1';
  expect([envelope.envid, envelope.ret]).toEqual([own, own && 'hdrs']);
});

const SRS = { 'forward.srs': 'on', 'forward.srs.domain': 'farm.test' } as const;
const withSrs = (options: Parameters<typeof openSrs>[0]['options'] = SRS): FarmSrs | undefined => {
  directory.putSecret('srs', 'forward', 'the secret of this farm');
  return openSrs({ options, directory, clock });
};

test('senders of forwards are rewritten, and a bounce goes back to the author', async () => {
  await open({}, withSrs());
  expect(await send(['gone'], { from: 'Some.Body=x@Author.test' })).toEqual(TAKEN);
  const [{ sender } = { sender: '' }] = left();
  expect(sender).toMatch(/^SRS0=[a-z2-7]{8}=[a-z2-7]{2}=author\.test=Some\.Body=x@farm\.test$/);
  outbound.letters.length = 0;
  for (const bounce of [sender, sender.toUpperCase()]) {
    expect(await send([bounce], { from: '' })).toEqual(TAKEN);
  }
  expect(left().map(({ recipients, ...one }) => [recipients[0], one.sender])).toEqual([
    ['Some.Body=x@author.test', ''],
    ['SOME.BODY=X@author.test', ''],
  ]);
});

test('forged, altered and old ones are unknown users; so is each for who is no bounce', async () => {
  await open({}, withSrs());
  await send(['gone']);
  const [{ sender } = { sender: '' }] = left();
  const [, hash = '', day = ''] = sender.split('=');
  const no = ['550 5.1.1'];
  expect(await send([sender], { from: 'spam@else.test' })).toEqual(no);
  for (const bad of [
    sender.replace('=author.test=', '=other.test='),
    sender.replace('=x@', '=y@'),
    sender.replace(
      hash,
      hash.replace(/^./, (one) => (one === 'a' ? 'b' : 'a')),
    ),
    sender.replace(hash, ''),
    sender.replace(`=${day}=`, '=aa='),
    'SRS0=@farm.test',
    'SRS1=abcdefgh=author.test==x=y@farm.test',
    sender.replace('SRS0=', 'SRS1='),
  ]) {
    expect([bad, await send([bad], { from: '' })]).toEqual([bad, no]);
  }
  now += 21 * 86_400_000;
  expect(await send([sender], { from: '' })).toEqual(TAKEN);
  now += 86_400_000;
  expect(await send([sender], { from: '' })).toEqual(no);
});

test('through two forwarders: back to the first, who made the address', async () => {
  await open({}, withSrs());
  const first = 'SRS0+HHHH=TT=author.test=x@first.test';
  for (const address of [first, 'SRS1=ABCD=first.test=+HHHH=TT=author.test=x@second.test']) {
    outbound.letters.length = 0;
    await send(['gone'], { from: address });
    const [{ sender } = { sender: '' }] = left();
    expect(sender).toMatch(/^SRS1=[a-z2-7]{8}=first\.test=\+HHHH=TT=author\.test=x@farm\.test$/);
    outbound.letters.length = 0;
    expect(await send([sender], { from: '' })).toEqual(TAKEN);
    expect(left()[0]?.recipients).toEqual([first]);
  }
});

test('not rewritten: notices, our own senders, lists, and all while it is off', async () => {
  await open({}, withSrs());
  for (const sender of ['', 'alice@farm.test']) {
    await send(['gone'], { from: sender });
    expect(left().at(-1)?.sender).toBe(sender);
  }
  await send(['plain']);
  expect(left().at(-1)?.sender).toBe('x@author.test');
  await open({}, withSrs({ ...SRS, 'forward.srs': 'off' }));
  await send(['gone']);
  expect(left().at(-1)?.sender).toBe('x@author.test');
});

test('no secret: forwards wait, nothing else does', async () => {
  await open({}, openSrs({ options: SRS, directory, clock }));
  expect(await send(['gone', 'alice', 'team'])).toEqual([
    '451 4.4.3',
    '250 2.1.5',
    '250 2.1.5',
    '250 2.6.0',
  ]);
});
