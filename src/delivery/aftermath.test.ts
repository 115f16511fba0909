import { beforeEach, describe, expect, test } from 'vitest';
import type { Vacation } from '../directory/types.ts';
import type { RecipientDsn } from '../smtp/types.ts';
import { ANSWERS_PER_HOUR } from './aftermath.ts';
import { answers } from './metrics.ts';
import { placeOf, placesOf, together, type Places, type Rcpt } from './places.ts';
import {
  away,
  back,
  bodies,
  directory,
  front,
  frontEnd,
  land,
  useParkingFarm,
  user,
} from './testing.ts';
import type { Recipient } from './types.ts';

/** What follows from a letter: answers in absence and notices, over real volumes. */
useParkingFarm();
beforeEach(() => directory.putDomain('example.test'));

const AWAY: Vacation = {
  text: 'I am away.\n',
  subject: undefined,
  from: undefined,
  until: undefined,
};
const HEAD = ['From: Bob <bob@else.test>', 'To: alice@example.test', 'Subject: hello', ''];

async function letter(
  places: readonly Places[],
  given: { readonly sender?: string; readonly head?: readonly string[] } = {},
): Promise<void> {
  const { sender = 'bob@else.test', head = HEAD } = given;
  const incoming = front.delivery.begin({
    id: 'trace',
    ...together(places),
    envelope: { sender, envid: 'e+1' },
    header: () => Buffer.from('H: 1\n'),
  });
  await incoming.write(Buffer.from(`${head.join('\n')}\nbody\n`));
  await incoming.commit();
  await front.delivery.close();
}

function rcpt({ address }: Recipient, dsn?: RecipientDsn, sender = 'bob@else.test'): Rcpt {
  return { address, sender, dsn };
}
const to = (recipient: Recipient, dsn?: RecipientDsn, sender?: string): Places =>
  placeOf(rcpt(recipient, dsn, sender), recipient.account);

const sent = () =>
  front.outbound.letters.map(({ envelope, message }) => ({
    to: envelope.recipients.map(({ address }) => address).join(' '),
    sender: envelope.sender,
    origin: envelope.origin,
    text: message.toString(),
  }));

test('who is away answers, once for each sender and week', async () => {
  const alice = await user('alice', 'v1', { vacation: AWAY });
  for (const sender of ['bob@else.test', 'Bob@Else.test', 'carol@else.test']) {
    await letter([to(alice)], { sender });
  }
  expect(sent().map((one) => [one.to, one.sender, one.origin])).toEqual([
    ['bob@else.test', '', 'vacation'],
    ['carol@else.test', '', 'vacation'],
  ]);
  const [{ text } = { text: '' }] = sent();
  expect(text).toMatch(/^Auto-Submitted: auto-replied$/m);
  expect(text).toMatch(/^Subject: Auto: hello$/m);
  expect(text).toContain('\nI am away.\n');
  expect(front.outbound.letters[0]?.envelope.recipients[0]?.notify).toBe('never');
  expect(await bodies(alice)).toHaveLength(3);
});

test('forged senders make no storm: one with many details, and a hundred in an hour', async () => {
  const alice = await user('alice', 'v1', { vacation: AWAY });
  for (const sender of ['bob+1@else.test', 'bob@else.test', 'Bob+2+3@else.test']) {
    await letter([to(alice)], { sender });
  }
  expect(sent().map((one) => one.to)).toEqual(['bob+1@else.test']);
  for (let n = 0; n < ANSWERS_PER_HOUR + 5; n++)
    await letter([to(alice)], { sender: `b${n}@x.test` });
  expect(sent()).toHaveLength(ANSWERS_PER_HOUR);
});

test('an answer to a user of ours goes to the mailbox, and is answered by nobody', async () => {
  const alice = await user('alice', 'v1', { vacation: AWAY });
  const bob = await user('bob', 'v2', { vacation: AWAY });
  await letter([to(alice)], { sender: 'bob@example.test' });
  expect((await bodies(bob)).map((text) => text.includes('I am away.'))).toEqual([true]);
  expect(await bodies(alice)).toHaveLength(1);
});

const NONE: readonly [name: string, given: Parameters<typeof letter>[1]][] = [
  ['a notice', { sender: '' }],
  ['a program', { head: ['Auto-Submitted: auto-generated', ...HEAD] }],
  ['a list elsewhere', { head: ['List-Id: <x.else.test>', ...HEAD] }],
  ['a letter that does not name the user', { head: ['To: others@else.test', ''] }],
];
test.each(NONE)('no answer to %s', async (_, given) => {
  const alice = await user('alice', 'v1', { vacation: AWAY });
  await letter([to(alice)], given);
  expect([sent(), front.marks]).toEqual([[], []]);
});

test('no answer before, after, by a list of ours, or where the letter is parked', async () => {
  const now = Date.now();
  const early = await user('early', 'v1', { vacation: { ...AWAY, from: now + 60_000 } });
  const late = await user('late', 'v1', { vacation: { ...AWAY, until: now - 1 } });
  const alice = await user('alice', 'v1', { vacation: AWAY });
  const head = ['To: early@example.test, late@example.test, alice@example.test', ''];
  await letter([to(early), to(late)], { head });
  const list = { address: 'team@example.test', owner: undefined };
  const [mailbox] = to(alice).mailboxes;
  await letter([{ ...to(alice), mailboxes: [{ ...mailbox!, list }] }], { head });
  await away('v1');
  await letter([to(alice)], { head });
  expect([sent(), front.marks]).toEqual([[], []]);
});

test('no mark, no answer; and the letter is where it belongs', async () => {
  const alice = await user('alice', 'v1', { vacation: AWAY });
  front.marks = undefined;
  const before = answers.value('failed');
  await letter([to(alice)]);
  expect(sent()).toEqual([]);
  expect(answers.value('failed')).toBe(before + 1);
  expect(await bodies(alice)).toHaveLength(1);
});

test('NOTIFY=SUCCESS: who asked is told what was delivered, with what he called it', async () => {
  const [alice, bob] = [await user('alice', 'v1'), await user('bob', 'v2')];
  const asked = { notify: ['success'], original: 'rfc822;al@else.test' } as const;
  await letter([to(alice, asked), to(bob, { notify: ['failure'] })]);
  const [{ text, ...one } = { text: '' }] = sent();
  expect(one).toEqual({ to: 'bob@else.test', sender: '', origin: 'notice' });
  expect(text).toMatch(/^Original-Envelope-Id: e\+1$/m);
  expect(text).toMatch(/^Original-Recipient: rfc822; al@else\.test$/m);
  expect(text).toMatch(/^Final-Recipient: rfc822; alice@example\.test$/m);
  expect(text).toMatch(/^Action: delivered$/m);
  expect(text).not.toContain('bob@example.test');
  expect(text).toContain('Subject: hello');
  expect(text).not.toContain('\nbody\n');
  expect(sent()).toHaveLength(1);
});

test('expanded where several get it; delivered where a list takes it', async () => {
  const fred = await user('fred', 'v1');
  const success = { notify: ['success'] } as const;
  const remote = (address: string) =>
    ({ kind: 'remote', address, fallback: [fred.account] }) as const;
  const here = { kind: 'mailbox', account: fred.account } as const;
  const expanded = {
    kind: 'expanded',
    destinations: [here, remote('f@one.test')],
    list: undefined,
    moderated: false,
  } as const;
  await letter([placesOf(rcpt(fred, success), expanded)]);
  const notice = (): string => sent().find(({ origin }) => origin === 'notice')?.text ?? '';
  expect(notice()).toMatch(/^Action: expanded$/m);
  front.outbound.letters.length = 0;
  const list = { posting: 'anyone', members: [], moderators: [], filter: undefined } as const;
  const team = { ...list, address: 'team@example.test', owner: undefined };
  await letter([placesOf(rcpt(fred, success), { ...expanded, list: team })]);
  expect(notice()).toMatch(/^Action: delivered$/m);
  front.outbound.letters.length = 0;
  await letter([
    placesOf(rcpt(fred, success), { ...expanded, destinations: [remote('f@x.test')] }),
  ]);
  expect(notice(), 'whoever sends it tells').toBe('');
  expect(front.outbound.letters[0]?.envelope.recipients[0]?.notify).toEqual(['success']);
});

test('nothing is told of a letter that is not everywhere, nor to the null sender', async () => {
  const alice = await user('alice', 'v1');
  const success = { notify: ['success'] } as const;
  await letter([to(alice, success, '')], { sender: '' });
  await away('v1');
  await away('spool1');
  await letter([to(alice, success)]);
  expect(sent()).toEqual([]);
});

test('a letter that came back to its list beside others: the list’s owner hears of it once a day', async () => {
  const [alice, carol] = [await user('alice', 'v1'), await user('carol', 'v2')];
  const list = { address: 'team@example.test', owner: 'carol@example.test' };
  const [mailbox] = to(alice).mailboxes;
  const team: Places = { ...to(alice), mailboxes: [{ ...mailbox!, list }] };
  const head = ['X-Mailfarm-List: team@example.test', ...HEAD];
  await letter([team], { head });
  expect(await bodies(carol), 'alone: who sent it was told').toEqual([]);
  const bob = await user('bob', 'v3');
  for (let count = 0; count < 2; count += 1) await letter([team, to(bob)], { head });
  expect([(await bodies(alice)).length, (await bodies(bob)).length]).toEqual([0, 2]);
  const [told = '', ...more] = await bodies(carol);
  expect(more).toEqual([]);
  expect(told).toMatch(/^Return-Path: <>\n/);
  expect(told).toMatch(/^Subject: Came back to its list: team@example\.test$/m);
  expect(told).toContain('Subject: hello');
  await letter(
    [{ ...team, mailboxes: [{ ...mailbox!, list: { ...list, owner: undefined } }] }, to(bob)],
    {
      head,
    },
  );
  expect(sent()).toEqual([]);
});

describe('a letter that was parked is answered when it lands', () => {
  const parked = async (sender: string, head = HEAD): Promise<Recipient> => {
    const alice = await user('alice', 'v1', { vacation: AWAY });
    await away('v1');
    const incoming = front.delivery.begin({
      id: 'trace',
      ...together([to(alice)]),
      envelope: { sender },
      header: () => Buffer.from(`Return-Path: <${sender}>\nDelivered-To: alice@example.test\n`),
    });
    await incoming.write(Buffer.from(`${head.join('\n')}\nbody\n`));
    const [result] = await incoming.commit();
    expect(result?.parkedOn).toBe('spool1');
    expect([sent(), front.marks]).toEqual([[], []]);
    await back('v1');
    return alice;
  };

  test('once', async () => {
    const alice = await parked('bob@else.test');
    await land(front);
    await front.delivery.close();
    expect(sent().map((one) => [one.to, one.sender, one.origin])).toEqual([
      ['bob@else.test', '', 'vacation'],
    ]);
    expect(await bodies(alice)).toHaveLength(1);
  });

  test.each([
    ['a notice', '', HEAD],
    ['a list’s copy', 'bob@else.test', ['List-Id: <x.example.test>', ...HEAD]],
  ] as const)('not %s', async (_, sender, head) => {
    const alice = await parked(sender, [...head]);
    await land(front);
    await front.delivery.close();
    expect([sent(), front.marks]).toEqual([[], []]);
    expect(await bodies(alice)).toHaveLength(1);
  });

  test('not when it is half a day old', async () => {
    const alice = await parked('bob@else.test');
    const late = await frontEnd({}, 'mx2', { now: () => Date.now() + 13 * 3_600_000 });
    await expect.poll(() => late.volumes.table.get('v1')?.up).toBe(true);
    await expect.poll(() => late.volumes.table.get('spool1')?.up).toBe(true);
    await land(late);
    await late.delivery.close();
    expect([late.outbound.letters, late.marks]).toEqual([[], []]);
    expect(await bodies(alice)).toHaveLength(1);
  });
});
