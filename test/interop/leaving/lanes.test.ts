import { expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import type { OutboundSpools } from '../../../src/spool/outbound.ts';
import { MemoryOutbound } from '../../../src/spool/testing/memory-outbound.ts';
import { ownAddress } from '../../harness/addresses.ts';
import { openYard } from './yard.ts';

test('a dead destination is tried by one letter for all, and all go when it is back', async (ctx) => {
  const yard = await openYard(ctx, { options: { 'relay.retry.min': 3000 } });
  const peer = await yard.peer('example.net', { answers: { connect: 'drop' } });
  for (let at = 0; at < 200; at++) await yard.put({ to: [`u${at}@example.net`] });
  await expect.poll(() => peer.sessions.length).toBeGreaterThan(3);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  // Three at first, then one after each rest of half a second, one, two, …
  expect(peer.sessions.length).toBeLessThan(10);
  // The last one may be under way.
  const tried = () => yard.spool.letters.filter(({ envelope }) => envelope.tries > 0).length;
  await expect.poll(() => peer.sessions.length - tried()).toBe(0);
  peer.behave({});
  await expect
    .poll(() => yard.spool.letters.filter(({ state }) => state === 'done').length, {
      timeout: 120_000,
    })
    .toBe(200);
  expect(yard.notices).toEqual([]);
});

test('letters of a destination that stays away are put off, grow old, and are told', async (ctx) => {
  const started = systemClock.now();
  const yard = await openYard(ctx, {
    options: {
      'relay.retry.min': 1200,
      'relay.retry.max': 1000,
      'relay.delay-notice': 4000,
      'relay.expire': 9000,
    },
    table: { 'example.net': { A: [ownAddress()] } },
  });
  for (let at = 0; at < 20; at++) await yard.put({ to: [`u${at}@example.net`] });
  await expect
    .poll(() => yard.spool.letters.every(({ state }) => state === 'done'), { timeout: 120_000 })
    .toBe(true);
  expect(systemClock.now() - started).toBeGreaterThan(8900);
  const kinds = (kind: string) => yard.notices.filter((notice) => notice.kind === kind);
  expect(kinds('delayed')).toHaveLength(20);
  expect(kinds('failed')).toHaveLength(20);
  expect(kinds('failed')[0]?.recipients).toMatchObject([
    { action: 'failed', status: '4.4.7', text: expect.stringContaining('refused') as unknown },
  ]);
  // Not one connection a letter and try.
  expect(yard.log.filter(({ message }) => message === 'deferred').length).toBeGreaterThan(20);
});

test('421 makes fewer connections, no rest; what a peer refuses for all is no rest either', async (ctx) => {
  const yard = await openYard(ctx);
  const peer = await yard.peer('example.net', {
    answers: { mail: (_, { number }) => (number === 0 ? '421 4.7.0 slow down' : undefined) },
  });
  for (let at = 0; at < 30; at++) await yard.put({ to: [`u${at}@example.net`] });
  await yard.settled();
  const done = yard.spool.letters.filter(({ state }) => state === 'done');
  expect(done.length).toBeGreaterThanOrEqual(29);
  expect(peer.letters.length).toBe(done.length);
});

test('more recipients than a peer takes at a time: the rest follow at once', async (ctx) => {
  const yard = await openYard(ctx);
  const peer = await yard.peer('example.net', {
    answers: {
      rcpt: (_, { commands }) => {
        const since = commands.slice(commands.findLastIndex((line) => line.startsWith('MAIL')));
        const count = since.filter((line) => line.startsWith('RCPT')).length;
        return count > 10 ? '452 4.5.3 too many' : undefined;
      },
    },
  });
  const letter = await yard.put({
    to: Array.from({ length: 35 }, (_, at) => `u${at}@example.net`),
  });
  await yard.settled();
  expect(letter.state).toBe('done');
  expect(peer.letters.map(({ recipients }) => recipients.length)).toEqual([10, 10, 10, 5]);
  expect(peer.sessions).toHaveLength(1);
});

test('drain gives back what is under way, and nothing is lost or left open', async (ctx) => {
  const yard = await openYard(ctx);
  const peer = await yard.peer('example.net', { answers: { mail: 'silence' } });
  const letter = await yard.put({ to: ['bob@example.net'] });
  await expect.poll(() => peer.sessions[0]?.commands.length).toBeGreaterThan(1);
  await yard.sender.drain(100);
  expect(yard.sender.held).toBe(0);
  expect(letter.state).toBe('waiting');
  expect(letter.envelope.tries).toBe(0);
  await expect.poll(() => peer.sessions.every(({ closed }) => closed)).toBe(true);
});

test('a notice that cannot be put anywhere keeps the letter', async (ctx) => {
  let fails = true;
  const told: string[] = [];
  const yard = await openYard(ctx, {
    options: { 'relay.retry.min': 1000 },
    parts: {
      report: async ({ kind }) => {
        if (fails) throw new Error('no volume');
        told.push(kind);
      },
    },
  });
  await yard.peer('example.net', { answers: { rcpt: '550 5.1.1 nobody' } });
  const letter = await yard.put({ to: ['bob@example.net'] });
  await yard.settled();
  expect(letter.state).toBe('waiting');
  fails = false;
  await expect.poll(() => letter.state).toBe('done');
  expect(told).toEqual(['failed']);
});

test('DSN: what a peer passes on is not told here; never means never', async (ctx) => {
  const yard = await openYard(ctx);
  const modern = await yard.peer('modern.test');
  await yard.peer('old.test', { announce: [] });
  await yard.peer('no.test', { answers: { rcpt: '550 5.1.1 nobody' } });
  const asks = (address: string) =>
    ({ address, original: `rfc822;x+y@${address}`, notify: ['success', 'failure'] }) as const;
  const more = { ret: 'hdrs', envid: 'id=1 + 2' } as const;
  await yard.put({ to: [asks('bob@modern.test')], more });
  await yard.put({ to: [asks('bob@old.test')], more });
  await yard.put({ to: [{ address: 'bob@no.test', notify: 'never' }] });
  await yard.put({ to: [{ address: 'eve@no.test', notify: ['success'] }] });
  await yard.settled();
  const [given] = modern.letters;
  expect(given?.parameters).toContain('RET=HDRS ENVID=id+3D1+20+2B+202');
  expect(given?.recipients[0]?.parameters).toBe(
    'NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+2By@bob@modern.test',
  );
  expect(yard.notices).toMatchObject([
    { kind: 'relayed', recipients: [{ recipient: { address: 'bob@old.test' }, status: '2.0.0' }] },
  ]);
  expect(yard.spool.letters.every(({ state }) => state === 'done')).toBe(true);
});

test('SIZE tells the letter as it goes: with CR LF and what the signature adds', async (ctx) => {
  const sign = async () => Buffer.from('DKIM-Signature: v=1;\n b=abc\nX-Second: one\n');
  const yard = await openYard(ctx, { parts: { sign } });
  const peer = await yard.peer('example.net', { announce: ['SIZE 1000'] });
  await yard.put({ to: ['bob@example.net'], more: { sign: true } });
  await yard.settled();
  const [given] = peer.letters;
  expect(given?.content.toString()).toMatch(/^DKIM-Signature: v=1;\r\n b=abc\r\nX-Second/);
  expect(given?.parameters).toBe(`SIZE=${given?.content.length}`);
});

test('LMTP: a reply for each recipient, delivered where asked', async (ctx) => {
  const yard = await openYard(ctx);
  const peer = await yard.peer('lmtp.test', {
    protocol: 'lmtp',
    announce: ['PIPELINING'],
    answers: { end: (who) => (who.startsWith('full') ? '452 4.2.2 full' : undefined) },
  });
  const letter = await yard.put({
    to: [{ address: 'a@x.test', notify: ['success'] }, 'full@x.test', 'b@x.test'],
    route: { kind: 'host', host: 'lmtp.test', port: peer.port, protocol: 'lmtp' },
  });
  await yard.settled();
  expect(letter.envelope.recipients).toEqual([{ address: 'full@x.test' }]);
  expect(peer.letters).toHaveLength(1);
  expect(yard.notices).toMatchObject([
    {
      kind: 'delivered',
      recipients: [{ recipient: { address: 'a@x.test' }, action: 'delivered' }],
    },
  ]);
});

/** Runs fifty times as fast. */
const started = systemClock.now();
const fast: Clock = {
  now: () => started + (systemClock.now() - started) * 50,
  sleep: (ms, signal) => systemClock.sleep(ms / 50, signal),
};

test('a claim that another process has taken: the connection is cut, nothing is settled', async (ctx) => {
  const memory = new MemoryOutbound(fast);
  let settled = 0;
  const spools: OutboundSpools = {
    open: () => memory.open(),
    requireRoom: () => memory.requireRoom(),
    onCommitted: (listener) => memory.onCommitted(listener),
    wake: (lane) => memory.wake(lane),
    take: async (options) =>
      (await memory.take(options)).map((claim) => ({
        ...claim,
        renew: async () => false,
        settle: async (settlement) => {
          settled += 1;
          return claim.settle(settlement);
        },
      })),
  };
  const yard = await openYard(ctx, { spool: memory, parts: { spools, clock: fast } });
  const peer = await yard.peer('example.net', { answers: { data: 'silence' } });
  await yard.put({ to: ['bob@example.net'] });
  await expect.poll(() => peer.sessions[0]?.closed).toBe(true);
  await expect.poll(() => yard.sender.held).toBe(0);
  expect(settled).toBe(0);
  expect(peer.letters).toEqual([]);
});

test('a woken letter ends the rest of its destination, for all that wait there', async (ctx) => {
  const memory = new MemoryOutbound(fast);
  const yard = await openYard(ctx, { spool: memory, parts: { clock: fast } });
  const peer = await yard.peer('example.net', { answers: { connect: 'drop' } });
  for (let at = 0; at < 20; at++) await yard.put({ to: [`u${at}@example.net`] });
  // Rests of 1, 2, 4 and 8 minutes and so on; from the fourth on letters are put off.
  const isOff = () => memory.letters.every(({ dueAt }) => dueAt > fast.now() + 180_000);
  await expect.poll(isOff, { timeout: 60_000 }).toBe(true);
  peer.behave({});
  const tried = peer.sessions.length;
  expect(await memory.wake('example.net')).toBe(20);
  await expect.poll(() => memory.letters.every(({ state }) => state === 'done')).toBe(true);
  expect(peer.letters).toHaveLength(20);
  expect(tried).toBeLessThan(12);
}, 300_000);

test('IPv6, by an address literal', async (ctx) => {
  const yard = await openYard(ctx);
  const peer = await yard.peer('six.test', { host: '::1' });
  const letter = await yard.put({
    to: ['bob@[IPv6:::1]'],
    route: { kind: 'mx', domain: '[IPv6:::1]' },
  });
  await yard.settled();
  expect(letter.state).toBe('done');
  expect(peer.letters[0]?.recipients[0]?.address).toBe('bob@[IPv6:::1]');
  expect(yard.log).toMatchObject([{ host: '[::1]', address: '::1' }]);
});
