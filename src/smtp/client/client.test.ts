import { once } from 'node:events';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, test, type TestContext } from 'vitest';
import {
  startStrangePeer,
  type PeerBehaviour,
  type StrangePeer,
} from '../../../test/harness/strange-peer.ts';
import { defaults } from '../../config/options.ts';
import { SmtpClient } from './client.ts';
import { SMTP_CLIENT_OPTIONS } from './options.ts';
import { ClientFault, type ClientTransaction } from './types.ts';

const timeouts = (ms: number) => ({
  ...defaults(SMTP_CLIENT_OPTIONS),
  'smtp.client.greeting.timeout': ms,
  'smtp.client.command.timeout': ms,
  'smtp.client.data.timeout': ms,
  'smtp.client.block.timeout': ms,
  'smtp.client.end.timeout': ms,
});
/** For a peer that answers, however busy the machine is. */
const OPTIONS = timeouts(20_000);

/** Short where the peer leaves its client waiting. */
const optionsFor = ({ answers = {} }: PeerBehaviour) =>
  Object.values(answers).some((one) => one === 'silence' || one === 'endless')
    ? timeouts(500)
    : OPTIONS;

async function talk(
  ctx: TestContext,
  behaviour: PeerBehaviour = {},
): Promise<{ client: SmtpClient; peer: StrangePeer; ready: () => Promise<void> }> {
  const peer = await startStrangePeer(behaviour);
  ctx.onTestFinished(() => peer.stop());
  const stream = connect(peer.port, peer.host);
  await once(stream, 'connect');
  const protocol = behaviour.protocol ?? 'smtp';
  const options = optionsFor(behaviour);
  const client = new SmtpClient({ stream, protocol, helo: 'me.test', options });
  const ready = async () => {
    await client.greeted();
    await client.hello();
  };
  return { client, peer, ready };
}

const letter = (more: Partial<ClientTransaction> = {}): ClientTransaction => ({
  sender: 'a@me.test',
  recipients: [{ address: 'x@you.test' }, { address: 'y@you.test' }],
  wireOctets: 20,
  smtpUtf8: false,
  eightBit: true,
  content: async function* () {
    yield Buffer.from('Subject: x\n\n');
    yield Buffer.from('.hello\n');
  },
  ...more,
});

const faultOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (!(error instanceof ClientFault)) return String(error);
  return `${error.kind} ${error.phase}`;
};

test.each([
  ['drop', 'closed greeting'],
  ['reset', 'closed greeting'],
  ['silence', 'timeout greeting'],
  ['half', 'closed greeting'],
  ['endless', /^(protocol|timeout) greeting$/],
  ['garbage', 'protocol greeting'],
  ['554 no service', 'refused greeting'],
  ['421 4.3.2 later', 'refused greeting'],
] as const)('a peer that greets with %s: %s', async (answer, expected) => {
  expect(await faultOf(withPeer({ answers: { connect: answer } }))).toMatch(expected);
});

/** A conversation up to EHLO. */
async function withPeer(behaviour: PeerBehaviour): Promise<void> {
  const peer = await startStrangePeer(behaviour);
  try {
    const stream = connect(peer.port, peer.host);
    const options = optionsFor(behaviour);
    const client = new SmtpClient({ stream, protocol: 'smtp', helo: 'me.test', options });
    await client.greeted();
    await client.hello();
    await client.startTls(async () => {
      throw new Error('no handshake');
    });
  } finally {
    await peer.stop();
  }
}

test('what comes before it was asked for ends the conversation', async () => {
  const early = withPeer({ answers: { connect: '220 hi\n250-me\n250 STARTTLS' } });
  expect(await faultOf(early)).toMatch(/^protocol/);
});

test('replies behind that to STARTTLS are not taken for those of the TLS session', async () => {
  const answers = { starttls: '220 go\n250-inside\n250 AUTH PLAIN' } as const;
  expect(await faultOf(withPeer({ answers, announce: ['STARTTLS'] }))).toBe('protocol tls');
  const half = { starttls: '220 go\n250-ins' } as const;
  expect(await faultOf(withPeer({ answers: half, announce: ['STARTTLS'] }))).toMatch(/tls$/);
});

test('EHLO is not known: HELO, and nothing is announced (RFC 5321 §3.2)', async (ctx) => {
  const { client, peer, ready } = await talk(ctx, { answers: { ehlo: '500 what?' } });
  await ready();
  const { replies } = await client.send(letter());
  expect(replies.map((reply) => reply?.code)).toEqual([250, 250]);
  expect(peer.sessions[0]?.commands).toEqual([
    'EHLO me.test',
    'HELO me.test',
    'MAIL FROM:<a@me.test>',
    'RCPT TO:<x@you.test>',
    'RCPT TO:<y@you.test>',
    'DATA',
  ]);
  expect(peer.letters[0]?.content.toString()).toBe('Subject: x\r\n\r\n.hello\r\n');
});

for (const announce of [undefined, [] as string[]]) {
  const how = announce ? 'step by step' : 'pipelined';
  test(`${how}: each recipient's own reply, then the next letter after RSET`, async (ctx) => {
    const { client, peer, ready } = await talk(ctx, {
      ...(announce ? { announce } : {}),
      answers: {
        rcpt: (who, { commands }) =>
          who.startsWith('x') || commands.length > 20 ? '550 5.1.1 nobody' : undefined,
        end: (_, { commands }) => (commands.length < 8 ? '451 4.3.0 later' : undefined),
      },
    });
    await ready();
    const codes = async () => (await client.send(letter())).replies.map((reply) => reply?.code);
    expect(await codes()).toEqual([550, 451]);
    expect(await codes()).toEqual([550, 250]);
    expect(client.usable).toBe(true);
    expect(peer.sessions).toHaveLength(1);
    expect(peer.sessions[0]?.commands).not.toContain('RSET');
    const none = letter({ recipients: [{ address: 'x@you.test' }] });
    expect((await client.send(none)).replies.map((reply) => reply?.code)).toEqual([550]);
    expect(await codes()).toEqual([550, 250]);
    expect(peer.sessions[0]?.commands.filter((line) => line === 'RSET')).toHaveLength(1);
  });

  test(`${how}: a peer that goes away says for whom it is unknown`, async (ctx) => {
    const { client, ready, peer } = await talk(ctx, {
      ...(announce ? { announce } : {}),
      answers: { rcpt: (who) => (who.startsWith('x') ? '550 nobody' : undefined), end: 'drop' },
    });
    await ready();
    const result = await client.send(letter());
    expect(result.replies.map((reply) => reply?.code)).toEqual([550, undefined]);
    expect(result.fault).toMatchObject({ kind: 'closed', phase: 'end' });
    expect(client.usable).toBe(false);
    expect(peer.letters).toHaveLength(1);
  });

  test(`${how}: silence anywhere has an end`, async (ctx) => {
    for (const stage of ['mail', 'rcpt', 'data', 'end'] as const) {
      const { client, ready } = await talk(ctx, {
        ...(announce ? { announce } : {}),
        answers: { [stage]: 'silence' },
      });
      await ready();
      expect((await client.send(letter())).fault?.kind).toBe('timeout');
    }
  });
}

test.each(['garbage', 'endless', 'half', 'reset', '250 yes?', '354 go'] as const)(
  'a peer that answers DATA with %s: no recipient counts as sent',
  async (answer) => {
    const behaviour = { answers: { data: answer, end: 'drop' } } as const;
    const peer = await startStrangePeer(behaviour);
    const stream = connect(peer.port, peer.host);
    const options = optionsFor(behaviour);
    const client = new SmtpClient({ stream, protocol: 'smtp', helo: 'me.test', options });
    await client.greeted();
    await client.hello();
    const { replies, fault } = await client.send(letter());
    expect(replies).toEqual([undefined, undefined]);
    expect(fault).toBeInstanceOf(ClientFault);
    await peer.stop();
  },
);

for (const announce of [undefined, [] as string[]]) {
  test(`a yes with noise right behind it is a yes (${announce ? 'step by step' : 'pipelined'})`, async (ctx) => {
    const { client, ready } = await talk(ctx, {
      ...(announce ? { announce } : {}),
      answers: { end: '250 queued\n' },
    });
    await ready();
    const { replies, fault } = await client.send(letter());
    expect(replies.map((reply) => reply?.code)).toEqual([250, 250]);
    expect(fault?.kind).toBe('protocol');
    expect(client.usable).toBe(false);
  });
}

test('a verdict counts that a peer gives before it ends, whatever is still to be written', async () => {
  const stream = new Reluctant();
  const client = new SmtpClient({ stream, protocol: 'smtp', helo: 'me.test', options: OPTIONS });
  stream.push('220 hi\r\n');
  await client.greeted();
  const hello = client.hello();
  stream.push('250 me\r\n');
  await hello;
  const sent = client.send(letter({ recipients: [{ address: 'x@you.test' }] }));
  stream.push('250 mail\r\n');
  await turn();
  stream.push('250 rcpt\r\n');
  await turn();
  stream.push('354 go\r\n');
  await turn();
  stream.push('250 queued\r\n');
  await turn();
  stream.push(null);
  const { replies } = await sent;
  expect(replies.map((reply) => reply?.code)).toEqual([250]);
});

const turn = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 20));

/** A peer whose side of the stream is full as soon as the message comes. */
class Reluctant extends Duplex {
  constructor() {
    super({ writableHighWaterMark: 8 });
  }
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (!chunk.includes('\r\n.\r\n')) done();
  }
}

test('a yes in the middle of a message is none; a no counts', async (ctx) => {
  for (const [answer, code] of [
    ['250 2.0.0 yes', undefined],
    ['552 5.3.4 too big', 552],
  ] as const) {
    const { client, ready } = await talk(ctx, { answers: { content: answer } });
    await ready();
    const slow = letter({
      content: async function* () {
        yield Buffer.from('Subject: x\n\n');
        yield Buffer.from('first\n');
        await new Promise((resolve) => setTimeout(resolve, 200));
        yield Buffer.from('second\n');
        yield Buffer.from('third\n');
      },
    });
    const { replies, fault } = await client.send(slow);
    expect(replies.map((reply) => reply?.code)).toEqual([code, code]);
    expect(fault?.kind).toBe('protocol');
    expect(client.usable).toBe(false);
  }
});

test('a peer that takes nothing more: the write has an end, and memory is not filled', async (ctx) => {
  const { client, ready } = await talk(ctx, { answers: { content: 'silence' } });
  await ready();
  let given = 0;
  const endless = letter({
    content: async function* () {
      for (;;) {
        given += 65_536;
        yield Buffer.alloc(65_536, 'x\n');
      }
    },
  });
  const { fault } = await client.send(endless);
  // The peer of the harness reads on; one that does not is a timeout, one that does a long letter.
  expect(fault).toBeDefined();
  expect(given).toBeGreaterThan(0);
}, 60_000);

test('SIZE and SMTPUTF8: what the peer would refuse is not asked', async (ctx) => {
  const { client, peer, ready } = await talk(ctx, { announce: ['SIZE 10', 'PIPELINING'] });
  await ready();
  const big = await client.send(letter());
  expect(big.replies[0]).toMatchObject({ code: 552, enhanced: '5.3.4', ours: true });
  const recipients = [{ address: 'bøb@you.test' }, { address: 'bob@you.test' }];
  const mixed = await client.send(letter({ recipients, wireOctets: 5, smtpUtf8: true }));
  expect(mixed.replies).toMatchObject([
    { code: 553, enhanced: '5.6.7', ours: true },
    { code: 250 },
  ]);
  expect(peer.letters).toHaveLength(1);
});

test('our own trouble with the message ends without its final dot', async (ctx) => {
  const { client, peer, ready } = await talk(ctx);
  await ready();
  const broken = letter({
    content: async function* () {
      yield Buffer.from('Subject: x\n');
      yield Buffer.from('more\n');
      throw new Error('volume down');
    },
  });
  const { replies, fault } = await client.send(broken);
  expect(replies).toEqual([undefined, undefined]);
  expect(fault?.message).toContain('volume down');
  await expect.poll(() => peer.sessions[0]?.closed).toBe(true);
  expect(peer.letters).toEqual([]);
});

test('LMTP: one reply for each recipient that was accepted (RFC 2033 §4.2)', async (ctx) => {
  const { client, ready } = await talk(ctx, {
    protocol: 'lmtp',
    answers: {
      rcpt: (who) => (who.startsWith('z') ? '550 5.1.1 nobody' : undefined),
      end: (who) => (who.startsWith('x') ? '452 4.2.2 full' : undefined),
    },
  });
  await ready();
  const recipients = ['x@you.test', 'z@you.test', 'y@you.test'].map((address) => ({ address }));
  const { replies } = await client.send(letter({ recipients }));
  expect(replies.map((reply) => reply?.code)).toEqual([452, 550, 250]);
});

test('no password without TLS', async (ctx) => {
  const { client, ready, peer } = await talk(ctx, { login: { user: 'a', password: 'b' } });
  await ready();
  expect(await faultOf(client.login('a', 'b'))).toBe('refused auth');
  expect(peer.sessions[0]?.commands).toEqual(['EHLO me.test']);
});
