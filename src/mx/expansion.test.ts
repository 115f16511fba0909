import { expect, test } from 'vitest';
import { memoryAccount, memoryList, type MemoryContents } from '../directory/memory.ts';
import { parseRuleTarget } from '../directory/rules.ts';
import type { Account } from '../directory/types.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { StoreError } from '../volumes/error.ts';
import { expanded, recipients } from './metrics.ts';
import { openFarm, type TestFarm } from './testing.ts';

/** One RCPT that is many mailboxes, over the real MX and LMTP. `@farm.test` is left out. */
const full = (name: string): string => (name.includes('@') ? name : `${name}@farm.test`);
const user = (name: string, more: Partial<Account> = {}): Account =>
  memoryAccount({ login: full(name), ...more, forwards: (more.forwards ?? []).map(full) });
const list = (name: string, members: string[], more = {}) =>
  memoryList({ address: full(name), members: members.map(full), ...more });

const CONTENTS: MemoryContents = {
  accounts: [
    user('alice', { addresses: ['al@farm.test'] }),
    user('bob'),
    user('carol'),
    user('sam', { suspended: ['mail'] }),
    user('sue', { suspended: ['mail'] }),
    user('fred', { forwards: ['fred@else.test', 'f@other.test'] }),
    user('both', { forwards: ['b@else.test', 'bob'], keepsForwarded: true }),
    user('via', { forwards: ['bob'] }),
  ],
  lists: [
    list('team', ['alice', 'bob', 'carol']),
    list('pair', ['bob', 'carol']),
    list('some', ['sam', 'alice']),
    list('none', ['sam', 'sue']),
    list('out', ['alice', 'x@else.test']),
    list('fans', ['fred', 'alice']),
    list('staff', ['alice', 'bob'], { posting: 'members' }),
    list('news', ['alice', 'bob'], { posting: 'moderated', moderators: [full('carol')] }),
    list('empty', []),
    list(
      'huge',
      Array.from({ length: 5_000 }, (_, n) => `u${n}`),
    ),
  ],
  rules: [
    {
      name: 'old',
      order: 1,
      pattern: 'old-.*@farm.test',
      target: parseRuleTarget('host:h.test:25'),
    },
  ],
  domains: ['farm.test', { name: 'catch.test', catchAll: 'bob@farm.test' }],
};

interface Letter {
  /** What each RCPT was answered with, and then the data, if any was accepted. */
  readonly replies: readonly string[];
  readonly stored: readonly string[];
}

async function send(
  farm: TestFarm,
  to: readonly string[],
  given: { readonly from?: string; readonly lmtp?: boolean } = {},
): Promise<Letter> {
  const client = await StrictClient.open(farm.port);
  await client.reply();
  const before = farm.delivery.stored.length;
  await client.command(given.lmtp === true ? 'LHLO c.example' : 'EHLO c.example');
  await client.command(`MAIL FROM:<${given.from ?? 'x@else.test'}>`);
  const replies: string[] = [];
  let accepted = 0;
  for (const address of to) {
    const { code, enhanced } = await client.command(`RCPT TO:<${full(address)}>`);
    if (code === 250) accepted += 1;
    else replies.push(`${code} ${enhanced}`);
  }
  if (accepted > 0) {
    await client.command('DATA');
    await client.send('Subject: x\r\n\r\nbody\r\n.\r\n');
    for (let n = 0; n < (given.lmtp === true ? accepted : 1); n++) {
      const { code, enhanced } = await client.reply();
      replies.push(`${code} ${enhanced}`);
    }
  }
  client.close();
  const stored = farm.delivery.stored.slice(before);
  return { replies, stored: stored.map(({ login }) => login.replace('@farm.test', '')) };
}

const OK = '250 2.6.0';
const TABLE: readonly [
  name: string,
  to: readonly string[],
  replies: readonly string[],
  stored: readonly string[],
  from?: string,
][] = [
  ['a list', ['team'], [OK], ['alice', 'bob', 'carol']],
  [
    '[S3-05] each mailbox once',
    ['bob', 'team', 'pair', 'via', 'al'],
    [OK],
    ['bob', 'alice', 'carol'],
  ],
  ['[P-09] a catch-all', ['any@catch.test'], [OK], ['bob']],
  ['a suspended member is left out', ['some'], [OK], ['alice']],
  ['all of them suspended', ['none'], ['550 5.2.1'], []],
  ['a forward to another user', ['via'], [OK], ['bob']],
  ['a forward elsewhere where nothing leaves', ['fred'], ['451 4.4.4'], []],
  ['a forward elsewhere and here', ['both'], ['451 4.4.4'], []],
  ['a member who forwards elsewhere', ['fans'], ['451 4.4.4'], []],
  ['a list with a member elsewhere waits', ['out'], ['451 4.4.4'], []],
  ['and holds up nobody else', ['out', 'carol'], ['451 4.4.4', OK], ['carol']],
  ['[S1-03] a rule to another host waits', ['old-x'], ['451 4.4.4'], []],
  ['nobody, whom no rule names', ['nobody'], ['550 5.1.1'], []],
  ['members only: a stranger', ['staff'], ['550 5.7.1'], []],
  ['members only: a member', ['staff'], [OK], ['alice', 'bob'], 'al@farm.test'],
  ['moderated, and no spool to hold it', ['news'], ['451 4.4.4'], []],
  ['moderated: whoever says to be the moderator', ['news'], ['451 4.4.4'], [], 'carol@farm.test'],
  ['a list of nobody', ['empty'], ['550 5.7.1'], []],
  ['a list beyond the limit', ['huge'], ['451 4.4.3'], []],
];
test.each(TABLE)('%s: %j', async (_, to, replies, stored, from) => {
  const farm = await openFarm({ contents: CONTENTS });
  expect(await send(farm, to, from === undefined ? {} : { from })).toEqual({ replies, stored });
  await farm.close();
});

const TOLD: readonly [name: string, to: readonly string[], told: string | undefined][] = [
  ['one address', ['bob'], 'bob'],
  ['the address that is forwarded', ['via'], 'via'],
  ['two spellings of one', ['bob', 'Bob'], undefined],
  ['the same address again', ['bob', 'bob'], 'bob'],
  ['somebody who forwards to bob may be a Bcc', ['via', 'bob'], undefined],
  ['and named last', ['bob', 'via'], undefined],
  ['a list of bob may be a Bcc', ['just-bob', 'bob'], undefined],
];
test.each(TOLD)('Delivered-To and for: %s', async (_, to, told) => {
  const lists = [list('just-bob', ['bob'])];
  const farm = await openFarm({ contents: { ...CONTENTS, lists } });
  expect((await send(farm, to)).stored).toEqual(['bob']);
  const [{ header } = { header: '' }] = farm.delivery.stored;
  const name = told === undefined ? undefined : full(told);
  expect(/^Delivered-To: (.*)$/m.exec(header)?.[1]).toBe(name);
  expect(/\tfor <(.*)>/.exec(header)?.[1]).toBe(name);
  await farm.close();
});

test('[S1-03] a bad rule defers addresses without an entry, and no others', async () => {
  const farm = await openFarm({ contents: CONTENTS });
  const target = parseRuleTarget('host:h.test:25');
  farm.directory.putRule({ name: 'bad', order: 2, pattern: '(', target });
  expect((await send(farm, ['nobody', 'alice', 'old-x'])).replies).toEqual([
    '451 4.4.3',
    '451 4.4.4',
    OK,
  ]);
  await farm.close();
});

test('a member whose volume is away defers the list: there is no spool to keep it in', async () => {
  const farm = await openFarm({ contents: CONTENTS });
  farm.delivery.checkFails.set('bob@farm.test', 'volume-down');
  expect(await send(farm, ['team', 'carol'])).toEqual({
    replies: ['451 4.3.0', OK],
    stored: ['carol'],
  });
  await farm.close();
});

test('members over quota are left out, counted and logged; all of them: as for one', async () => {
  const farm = await openFarm({ contents: CONTENTS });
  const before = [expanded.value('over-quota'), expanded.value('suspended')];
  farm.delivery.checkFails.set('bob@farm.test', 'over-quota');
  expect(await send(farm, ['team', 'some'])).toEqual({ replies: [OK], stored: ['alice', 'carol'] });
  farm.delivery.checkFails.set('carol@farm.test', 'over-quota');
  expect(await send(farm, ['pair'])).toEqual({ replies: ['452 4.2.2'], stored: [] });
  farm.delivery.checkFails.set('alice@farm.test', 'over-quota');
  expect((await send(farm, ['some'])).replies, 'not as for the suspended one').toEqual([
    '452 4.2.2',
  ]);
  const after = [expanded.value('over-quota'), expanded.value('suspended')];
  expect(after.map((value, n) => value - before[n]!)).toEqual([1, 1]);
  const lines = farm.logged.filter(({ message }) => message === 'members left out');
  expect(lines.map(({ fields }) => fields)).toMatchObject([
    { code: 'MF-MX-004', address: 'team@farm.test', users: ['bob@farm.test'], count: 1 },
    { address: 'some@farm.test', users: ['sam@farm.test'], count: 1, why: 'suspended' },
  ]);
  await farm.close();
});

test('SMTP has one reply: stored for some members and not for all is 451', async () => {
  const farm = await openFarm({ contents: CONTENTS });
  farm.delivery.commitFails.set('bob@farm.test', 'volume-down');
  expect((await send(farm, ['team'])).replies).toEqual(['451 4.3.0']);
  expect(farm.logged.map(({ fields }) => fields)).toContainEqual(
    expect.objectContaining({ code: 'MF-MX-001' }),
  );
  await farm.close();
});

test('LMTP answers for each recipient by the worst of its mailboxes', async () => {
  const farm = await openFarm({ mode: 'lmtp', contents: CONTENTS });
  const lmtp = { lmtp: true };
  farm.delivery.commitFails.set('bob@farm.test', 'volume-full');
  expect(await send(farm, ['team', 'alice', 'bob', 'pair'], lmtp)).toEqual({
    replies: ['451 4.3.0', OK, '452 4.3.1', '451 4.3.0'],
    stored: ['alice', 'carol'],
  });
  // Over quota by its real size: the list is not sent again to those who have it.
  farm.delivery.commitFails.set('bob@farm.test', 'over-quota');
  const moderator = { ...lmtp, from: 'carol@farm.test' };
  expect((await send(farm, ['news'], moderator)).stored).toEqual(['alice']);
  expect((await send(farm, ['team', 'bob'], lmtp)).replies).toEqual([OK, '452 4.2.2']);
  farm.delivery.commitFails.set('carol@farm.test', 'over-quota');
  expect((await send(farm, ['pair', 'team'], lmtp)).replies).toEqual(['452 4.2.2', OK]);
  await farm.close();
});

test('with a way out, what leaves goes with the letter; trouble of its keeper defers', async () => {
  let noRoom = false;
  const outbound = {
    accept: async (): Promise<void> => {
      if (noRoom) throw new StoreError('volume-full', 'No spool volume has room');
    },
  };
  const farm = await openFarm({ contents: CONTENTS, outbound });
  expect(await send(farm, ['out', 'fred', 'old-x', 'fans'])).toEqual({
    replies: [OK],
    stored: ['alice'],
  });
  expect(farm.delivery.leaving.map(({ recipient }) => recipient.address)).toEqual([
    'x@else.test',
    'fred@else.test',
    'f@other.test',
    'old-x@farm.test',
  ]);
  const from = 'carol@farm.test';
  expect(await send(farm, ['news'], { from }), 'held').toEqual({ replies: [OK], stored: [] });
  expect(farm.delivery.leaving.map(({ held }) => held)).toEqual([
    { list: expect.anything() as object, moderators: ['carol@farm.test'] },
  ]);
  noRoom = true;
  expect((await send(farm, ['fred', 'alice'])).replies).toEqual(['452 4.3.1', OK]);
  await farm.close();
});

test('mailboxes of one message are bounded: the rest is asked for in another', async () => {
  const farm = await openFarm({ contents: CONTENTS, options: { 'mx.mailboxes.max': 3 } });
  expect((await send(farm, ['pair', 'team', 'alice', 'bob'])).replies).toEqual([
    '452 4.5.3',
    '452 4.5.3',
    OK,
  ]);
  // Nobody is asked about their mailboxes then: this comes before the checks.
  farm.delivery.checkFails.set('carol@farm.test', 'volume-down');
  expect((await send(farm, ['alice', 'team', 'bob', 'pair'])).replies).toEqual([
    '452 4.5.3',
    '452 4.5.3',
    OK,
  ]);
  farm.delivery.checkFails.clear();
  // The first is always taken, or its sender could never send it; and the next letter starts anew.
  expect((await send(farm, ['team', 'alice'])).replies).toEqual(['452 4.5.3', OK]);
  await farm.close();
});

const HOSTILE: readonly [name: string, local: string, reply: number][] = [
  ['filter characters', '*', 550],
  ['a filter', '"*)(cn=*"', 550],
  ['DN characters', '"cn=admin,dc=mailfarm"', 550],
  ['an escaped star', '"\\2a"', 550],
  ['a list by wildcard', 'te*m', 550],
  ['a pattern', '.*', 550],
  ['plus and nothing else', '+', 550],
  ['plus first', '+team', 550],
  ['many pluses', 'team+++', 250],
  ['the name of an object', '__proto__', 550],
];
test.each(HOSTILE)('hostile names: %s', async (_, local, reply) => {
  const farm = await openFarm({ contents: CONTENTS });
  const client = await StrictClient.open(farm.port);
  await client.reply();
  for (const line of ['EHLO c.example', 'MAIL FROM:<>']) await client.command(line);
  expect((await client.command(`RCPT TO:<${local}@farm.test>`)).code).toBe(reply);
  client.close();
  await farm.close();
});

test('hostile names: NUL, 10 KB and broken UTF-8 never come to the directory', async () => {
  const farm = await openFarm({ contents: CONTENTS });
  const before = recipients.value('unknown-user');
  const client = await StrictClient.open(farm.port);
  await client.reply();
  for (const line of ['EHLO c.example', 'MAIL FROM:<>']) await client.command(line);
  const asked = farm.directory.questions;
  for (const local of ['a\0b', 'x'.repeat(10_000), '\u0007', 'a\u007f']) {
    const { code } = await client.command(`RCPT TO:<${local}@farm.test>`);
    expect(code).toBeGreaterThanOrEqual(500);
    expect(code).toBeLessThan(504);
  }
  expect(farm.directory.questions).toBe(asked);
  expect(recipients.value('unknown-user')).toBe(before);
  client.close();
  await farm.close();
});
