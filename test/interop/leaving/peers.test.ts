import { expect, test } from 'vitest';
import { ownAddress } from '../../harness/addresses.ts';
import { openYard, TEXT } from './yard.ts';

const WIRE = TEXT.replaceAll('\n', '\r\n');
const hold = (pattern: string | RegExp) => expect.stringMatching(pattern) as unknown;

test('[S4-04] [S4-11] a letter goes by MX, from our address, with our name, once', async (ctx) => {
  const source = ownAddress();
  const yard = await openYard(ctx, {
    parts: { source: { helo: 'out7.farm.test', v4: source } },
    table: { 'example.net': { MX: [[10, 'mx.example.net']] } },
  });
  const peer = await yard.peer('mx.example.net');
  const letter = await yard.put({ to: ['bob@example.net', 'eve@example.net'] });
  await yard.settled();
  expect(letter.state).toBe('done');
  expect(peer.letters).toHaveLength(1);
  expect(peer.letters[0]?.content.toString()).toBe(WIRE);
  expect(peer.letters[0]?.sender).toBe('ann@farm.test');
  expect(peer.letters[0]?.recipients.map(({ address }) => address)).toEqual([
    'bob@example.net',
    'eve@example.net',
  ]);
  expect(peer.sessions[0]?.from).toBe(source);
  expect(peer.sessions[0]?.helo).toBe('out7.farm.test');
  expect(yard.notices).toEqual([]);
  expect(yard.log.filter(({ message }) => message === 'sent')).toMatchObject([
    { to: 'bob@example.net', host: 'mx.example.net', address: peer.host, reply: hold(/^250 /) },
    { to: 'eve@example.net', trace: 'trace0', tls: undefined },
  ]);
});

test('each recipient has its own result: sent, failed, later; only the last stays', async (ctx) => {
  const yard = await openYard(ctx);
  await yard.peer('example.net', {
    answers: {
      rcpt: (who) =>
        who.startsWith('nobody')
          ? '550 5.1.1 no such user'
          : who.startsWith('grey')
            ? '451 4.7.1 greylisted'
            : undefined,
    },
  });
  const letter = await yard.put({
    to: ['ok@example.net', 'nobody@example.net', 'grey@example.net'],
  });
  await yard.settled();
  expect(letter.state).toBe('waiting');
  expect(letter.envelope.recipients.map(({ address }) => address)).toEqual(['grey@example.net']);
  expect(letter.envelope.troubles).toMatchObject([{ status: '4.7.1', text: hold('greylisted') }]);
  expect(letter.dueAt - Date.now()).toBeGreaterThan(5 * 60_000);
  expect(letter.dueAt - Date.now()).toBeLessThan(8 * 60_000);
  expect(yard.notices).toMatchObject([
    {
      kind: 'failed',
      recipients: [
        {
          recipient: { address: 'nobody@example.net' },
          action: 'failed',
          status: '5.1.1',
          reply: '550 5.1.1 no such user',
          remote: { host: 'example.net' },
        },
      ],
    },
  ]);
  const words = yard.log.map(({ message, to }) => `${message} ${String(to)}`);
  expect(words).toEqual([
    'sent ok@example.net',
    'failed nobody@example.net',
    'deferred grey@example.net',
  ]);
});

test('a connection carries many letters, and the destination gets only so many', async (ctx) => {
  const yard = await openYard(ctx, { options: { 'relay.connection.messages': 40 } });
  const peer = await yard.peer('example.net');
  await Promise.all(
    Array.from({ length: 100 }, (_, at) => yard.put({ to: [`u${at}@example.net`] })),
  );
  await yard.settled();
  expect(peer.letters).toHaveLength(100);
  expect(new Set(peer.letters.map((each) => each.recipients[0]?.address)).size).toBe(100);
  expect(peer.sessions.length).toBeLessThan(20);
});

test('one that drops after DATA: nobody knows, so it is tried again later and never lost', async (ctx) => {
  const yard = await openYard(ctx);
  const peer = await yard.peer('example.net', { answers: { end: 'drop' } });
  const letter = await yard.put({ to: ['bob@example.net'] });
  await yard.settled();
  expect(peer.letters).toHaveLength(1);
  expect(letter.state).toBe('waiting');
  expect(letter.envelope.tries).toBe(1);
  expect(letter.envelope.troubles).toMatchObject([{ status: '4.4.2' }]);
  peer.behave({});
  await yard.spool.wake('example.net');
  await expect.poll(() => letter.state).toBe('done');
  expect(peer.letters).toHaveLength(2);
  expect(yard.notices).toEqual([]);
});

test('the next MX takes over: refused, silent, mute in the middle, 421 at the greeting', async (ctx) => {
  const yard = await openYard(ctx, {
    options: { 'relay.connect.timeout': 3000, 'smtp.client.greeting.timeout': 3000 },
    table: {
      'refused.test': {
        MX: [
          [1, 'gone.test'],
          [2, 'good.test'],
        ],
      },
      'silent.test': {
        MX: [
          [1, 'mute.test'],
          [2, 'good.test'],
        ],
      },
      'middle.test': {
        MX: [
          [1, 'half.test'],
          [2, 'good.test'],
        ],
      },
      'busy.test': {
        MX: [
          [1, 'full.test'],
          [2, 'good.test'],
        ],
      },
      'gone.test': { A: [ownAddress()] },
    },
  });
  await yard.peer('mute.test', { answers: { connect: 'silence' } });
  await yard.peer('half.test', { answers: { rcpt: 'half' } });
  await yard.peer('full.test', { answers: { connect: '421 4.3.2 too busy' } });
  const good = await yard.peer('good.test');
  for (const name of ['refused', 'silent', 'middle', 'busy']) {
    await yard.put({ to: [`bob@${name}.test`] });
  }
  await yard.settled();
  const got = good.letters.map((each) => String(each.recipients[0]?.address));
  expect(got.toSorted()).toEqual([
    'bob@busy.test',
    'bob@middle.test',
    'bob@refused.test',
    'bob@silent.test',
  ]);
});

test('what DNS says decides: null MX, no domain, no address, SERVFAIL, a private address', async (ctx) => {
  const yard = await openYard(ctx, {
    options: { 'relay.destinations.private': 'refuse' },
    table: {
      'null.test': { MX: [[0, '.']] },
      'empty.test': { TXT: ['x'] },
      'broken.test': 'servfail',
      'private.test': { MX: [[1, 'inside.test']] },
      'inside.test': { A: ['127.0.0.1', '10.0.0.1'], AAAA: ['::1'] },
    },
  });
  for (const name of ['null', 'nothing', 'empty', 'broken', 'private']) {
    await yard.put({ to: [`bob@${name}.test`] });
  }
  await yard.put({ to: ['bob@[127.0.0.1]'] });
  await yard.settled();
  const told = yard.notices.flatMap(({ recipients }) =>
    recipients.map(({ status, recipient }) => `${recipient.address} ${status}`),
  );
  expect(told.toSorted()).toEqual([
    'bob@[127.0.0.1] 5.4.4',
    'bob@empty.test 5.4.4',
    'bob@nothing.test 5.1.2',
    'bob@null.test 5.1.10',
    'bob@private.test 5.4.4',
  ]);
  const [left] = yard.spool.letters.filter(({ state }) => state === 'waiting');
  expect(left?.envelope.troubles).toMatchObject([
    { address: 'bob@broken.test', status: '4.4.3', text: hold('SERVFAIL') },
  ]);
});

test('[N-12] [S4-14] nothing goes to this farm by MX: by address, by preference, by its cookie', async (ctx) => {
  const ours = ownAddress();
  const cookie = '0123456789abcdef';
  const yard = await openYard(ctx, {
    parts: { isOwn: (address) => address === ours, cookie: () => cookie },
    table: {
      'us.test': { MX: [[10, 'node1.farm.test']] },
      'backup.test': {
        MX: [
          [10, 'first.test'],
          [20, 'node1.farm.test'],
          [30, 'third.test'],
        ],
      },
      'node1.farm.test': { A: [ours] },
      'first.test': { A: [ownAddress()] },
    },
  });
  const own = await yard.peer('hidden.test', { announce: [`XMAILFARM ${cookie}`] });
  const third = await yard.peer('third.test');
  for (const name of ['us', 'backup', 'hidden']) await yard.put({ to: [`bob@${name}.test`] });
  await yard.settled();
  expect(own.sessions[0]?.commands.some((line) => line.startsWith('MAIL'))).toBe(false);
  expect(third.sessions).toEqual([]); // Behind us: it would send the letter to us.
  const told = yard.notices.flatMap(({ recipients }) =>
    recipients.map(({ status, recipient }) => `${recipient.address} ${status}`),
  );
  expect(told.toSorted()).toEqual(['bob@hidden.test 5.4.6', 'bob@us.test 5.4.6']);
  expect(yard.log.filter(({ code }) => code === 'MF-REL-001')).toHaveLength(2);
  const [left] = yard.spool.letters.filter(({ state }) => state === 'waiting');
  expect(left?.envelope.troubles[0]?.address).toBe('bob@backup.test');
});
