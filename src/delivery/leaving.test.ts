import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { OutboundDraft, Route } from '../spool/outbound.ts';
import { StoreError } from '../volumes/error.ts';
import { systemError } from '#maildir';
import { messages } from './metrics.ts';
import {
  away,
  bodies,
  disk,
  front,
  maildirOf,
  outcome,
  strikeBy,
  useParkingFarm,
  user,
} from './testing.ts';
import type { IncomingOptions, Leaving, ListCopy, Recipient } from './types.ts';

/** A letter that leaves, or is partly for mailboxes: real volumes, a spool in memory. */
useParkingFarm();

const mx = (domain: string): Route => ({ kind: 'mx', domain });
function to(address: string, more: Partial<Leaving> = {}): Leaving {
  const route = mx(address.slice(address.indexOf('@') + 1));
  const by = { origin: 'relay', owner: '', login: '' } as const;
  return { route, recipient: { address }, sender: 'alice@else.test', ...by, ...more };
}

const TEXT = 'Subject: x\n\nbody\n';
async function letter(
  recipients: readonly Recipient[],
  leaving: readonly Leaving[],
  more: Partial<IncomingOptions> & { readonly text?: string } = {},
) {
  const { text = TEXT, ...options } = more;
  const incoming = front.delivery.begin({
    id: 'trace',
    recipients,
    leaving,
    header: () => Buffer.from('Return-Path: <alice@else.test>\n'),
    leavingHeader: () => Buffer.from('Received: here\n'),
    envelope: { sender: 'alice@else.test', ret: 'hdrs', envid: 'e1' },
    ...options,
  });
  try {
    for (let at = 0; at < text.length; at += 3000) {
      await incoming.write(Buffer.from(text.slice(at, at + 3000)));
    }
  } catch (error) {
    await incoming.abort();
    throw error;
  }
  const delivered = await incoming.commit();
  const left = incoming.left.map(({ error, spool, dropped }) => error?.kind ?? dropped ?? spool);
  return { delivered: outcome(delivered), left };
}

/** The spool from now on: this step of a draft does what is said, or fails. */
function strikeSpool(step: keyof OutboundDraft, from = 1): void {
  const { outbound } = front;
  const open = outbound.open.bind(outbound);
  let count = 0;
  outbound.open = () => ({
    ...open(),
    [step]: async () => {
      count += 1;
      if (count >= from) throw new StoreError('volume-down', `test: ${step}`);
    },
  });
}

const envelopes = () => front.outbound.letters.map(({ envelope }) => envelope);
const tmpFiles = (): string[] =>
  readdirSync(disk.root, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /v\d\/.*\/tmp\/./.test(path),
  );

test('[S3-05] one envelope for each destination, and a copy in each mailbox', async () => {
  const [alice, bob] = [await user('alice', 'v1'), await user('bob', 'v2')];
  const leaving = ['a@one.test', 'b@two.test', 'c@one.test'].map((one) => to(one));
  const { delivered, left } = await letter([alice, bob], leaving);
  expect([delivered, left]).toEqual([
    ['v1', 'v2'],
    ['memory', 'memory', 'memory'],
  ]);
  const sent = envelopes().map(({ route, recipients }) => ({ route, recipients }));
  expect(sent).toEqual([
    { route: mx('one.test'), recipients: [{ address: 'a@one.test' }, { address: 'c@one.test' }] },
    { route: mx('two.test'), recipients: [{ address: 'b@two.test' }] },
  ]);
  const [first] = front.outbound.letters;
  const text = `Received: here\n${TEXT}`;
  expect(first?.message.toString()).toBe(text);
  expect(first?.envelope).toMatchObject({
    octets: text.length,
    wireOctets: text.length + 4,
    sender: 'alice@else.test',
    ret: 'hdrs',
    envid: 'e1',
    trace: 'trace',
    smtpUtf8: false,
  });
  expect(await bodies(alice)).toEqual([`Return-Path: <alice@else.test>\n${TEXT}`]);
});

test('a letter that only leaves, and one that is larger than what is kept in memory', async () => {
  const text = `Subject: x\n\n${'0123456789\n'.repeat(4000)}`;
  expect(await letter([], [to('a@one.test')], { text })).toEqual({
    delivered: [],
    left: ['memory'],
  });
  const [sent] = front.outbound.letters;
  expect(sent?.message.toString() === `Received: here\n${text}`).toBe(true);
  expect(sent?.envelope.wireOctets).toBe(15 + text.length + 4003);
});

test.each([
  ['a piece cannot be written', 'write', 1],
  ['a later piece cannot be written', 'write', 3],
  ['the envelopes cannot be written', 'seal', 1],
  ['the commit fails', 'commit', 1],
] as const)('%s: nothing is visible, in no mailbox and not on the spool', async (_, step, from) => {
  const alice = await user('alice', 'v1');
  strikeSpool(step, from);
  const text = `Subject: x\n\n${'0123456789\n'.repeat(4000)}`;
  const counts = (): number[] => [messages.value('failed'), messages.value('partly')];
  const before = counts();
  const done = letter([alice], [to('a@one.test')], { text });
  if (step === 'write') await expect(done).rejects.toThrow(StoreError);
  else {
    expect(await done).toEqual({ delivered: ['volume-down'], left: ['volume-down'] });
    expect(counts()).toEqual([before[0]! + 1, before[1]]);
  }
  expect(await bodies(alice)).toEqual([]);
  await expect.poll(tmpFiles).toEqual([]);
  expect(envelopes()).toEqual([]);
});

test('a volume that fails in phase 1 keeps it from leaving', async () => {
  const alice = await user('alice', 'v1');
  strikeBy((call, path) => (call === 'fsync' ? systemError('ENOSPC', call, path) : undefined));
  expect(await letter([alice], [to('a@one.test')])).toEqual({
    delivered: ['volume-full'],
    left: ['volume-full'],
  });
  expect(envelopes()).toEqual([]);
});

test('a volume that fails in phase 2: it leaves, its sender sends again, and that is counted', async () => {
  const alice = await user('alice', 'v1');
  const at = await maildirOf(alice);
  strikeBy((call, path) =>
    call === 'rename' && path.includes(at) ? systemError('EIO', call, path) : undefined,
  );
  const before = messages.value('partly');
  const { delivered, left } = await letter([alice], [to('a@one.test')]);
  expect([delivered, left]).toEqual([['volume-down'], ['memory']]);
  expect(messages.value('partly')).toBe(before + 1);
});

test('each by itself (LMTP): what cannot leave holds up no mailbox, nor the other way', async () => {
  const [alice, bob] = [await user('alice', 'v1'), await user('bob', 'v2')];
  strikeSpool('seal');
  expect(await letter([alice], [to('a@one.test')], { failure: 'each' })).toEqual({
    delivered: ['v1'],
    left: ['volume-down'],
  });
  delete (front.outbound as { open?: unknown }).open;
  strikeBy((call, path) =>
    call === 'fsync' && path.includes('/v1/') ? systemError('ENOSPC', call, path) : undefined,
  );
  expect(await letter([alice, bob], [to('a@one.test')], { failure: 'each' })).toEqual({
    delivered: ['volume-full', 'v2'],
    left: ['memory'],
  });
});

test('a mailbox whose volume is down is parked, and the rest leaves', async () => {
  const alice = await user('alice', 'v1');
  await away('v1');
  expect(await letter([alice], [to('a@one.test')])).toEqual({
    delivered: ['spool1'],
    left: ['memory'],
  });
});

test('a client that is gone leaves nothing behind', async () => {
  let discarded = 0;
  const open = front.outbound.open.bind(front.outbound);
  front.outbound.open = () => ({ ...open(), discard: async () => void (discarded += 1) });
  const incoming = front.delivery.begin({
    id: 'trace',
    recipients: [],
    leaving: [to('a@one.test')],
    header: () => Buffer.alloc(0),
  });
  for (let n = 0; n < 20; n++) await incoming.write(Buffer.alloc(3000, 'x'));
  await incoming.abort();
  expect([discarded, envelopes()]).toEqual([1, []]);
});

const TEAM: ListCopy = {
  address: 'team@example.test',
  owner: 'owner@example.test',
  posting: 'anyone',
};
const UPSTREAM = [
  'List-Id: <other.else.test>',
  'Subject: x',
  'List-Unsubscribe: <mailto:a@else.test>,',
  '\t<https://else.test/>',
  'Precedence: bulk',
  '',
  'List-Id: stays, it is the body',
  '',
].join('\n');

// RFC 2369 §3, RFC 2919 §2, RFC 6068 §2.
test('copies of a list have its lines, direct ones have not a single one', async () => {
  const [alice, bob] = [await user('alice', 'v1'), await user('bob', 'v1')];
  const ofList = { list: TEAM, sender: 'owner@example.test', origin: 'list' } as const;
  const { delivered, left } = await letter(
    [alice, { ...bob, list: TEAM }],
    [to('a@one.test'), to('b@one.test', ofList)],
    { text: UPSTREAM },
  );
  expect([delivered, left]).toEqual([
    ['v1', 'v1'],
    ['memory', 'memory'],
  ]);
  const head = 'Return-Path: <alice@else.test>\n';
  expect(await bodies(alice)).toEqual([head + UPSTREAM]);
  const lines = [
    'X-Mailfarm-List: team@example.test',
    'List-Id: <team.example.test>',
    'List-Post: <mailto:team@example.test>',
    'List-Owner: <mailto:owner@example.test>',
    'List-Help: <mailto:owner@example.test?subject=help>',
    'List-Unsubscribe: <mailto:owner@example.test?subject=unsubscribe>',
    'Precedence: list',
    'Subject: x',
    '',
    'List-Id: stays, it is the body',
    '',
  ];
  expect(await bodies(bob)).toEqual([head + lines.join('\n')]);
  const [name = ''] = readdirSync(join(await maildirOf(bob), 'new'));
  const text = head + lines.join('\n');
  expect(name).toContain(`S=${text.length},W=${text.length + text.split('\n').length - 1}`);
  const [plain, copy] = front.outbound.letters;
  expect(plain?.message.toString()).toBe(`Received: here\n${UPSTREAM}`);
  expect(copy?.message.toString()).toBe(`Received: here\n${lines.join('\n')}`);
  expect(copy?.envelope).toMatchObject({
    sender: 'owner@example.test',
    ret: undefined,
    envid: undefined,
    octets: copy?.message.length,
    wireOctets: (copy?.message.length ?? 0) + lines.length,
  });
});

test('a letter that came from the list goes to it no more, and to others it does', async () => {
  const [alice, bob] = [await user('alice', 'v1'), await user('bob', 'v1')];
  const text = 'Subject: x\nX-Mailfarm-List:  TEAM@example.test \n\nbody\n';
  const list = { list: TEAM, origin: 'list' } as const;
  expect(
    await letter([alice, { ...bob, list: TEAM }], [to('a@one.test', list), to('b@one.test')], {
      text,
    }),
  ).toEqual({ delivered: ['v1', undefined], left: ['loop', 'memory'] });
  expect(await bodies(bob)).toEqual([]);
  expect(envelopes().map(({ recipients }) => recipients[0]?.address)).toEqual(['b@one.test']);
  const other = { ...TEAM, address: 'other@example.test' };
  expect((await letter([{ ...bob, list: other }], [], { text })).delivered).toEqual(['v1']);
  expect(await letter([{ ...bob, list: TEAM }], [], { text })).toEqual({
    delivered: [undefined],
    left: [],
  });
});

test('a list of many elsewhere: envelopes of a thousand at most', async () => {
  const leaving = Array.from({ length: 2500 }, (_, n) => to(`u${n}@one.test`, { list: TEAM }));
  await letter([], leaving);
  expect(envelopes().map(({ recipients }) => recipients.length)).toEqual([1000, 1000, 500]);
  expect(new Set(front.outbound.letters.map(({ message }) => message)).size).toBe(1);
});
