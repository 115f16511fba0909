import { readFileSync } from 'node:fs';
import { createTransport } from 'nodemailer';
import { type TestContext, expect, test } from 'vitest';
import { makeAuthority } from './certificate.ts';
import { testDirectory } from './directory.ts';
import { SmtpChat } from './smtp-chat.ts';
import { type PeerBehaviour, type StrangePeer, startStrangePeer } from './strange-peer.ts';

const WIRE = Buffer.from('Subject: x\r\n\r\n.dot\r\nlast\r\n');

async function peer(ctx: TestContext, behaviour?: PeerBehaviour): Promise<StrangePeer> {
  const one = await startStrangePeer(behaviour);
  ctx.onTestFinished(() => one.stop());
  return one;
}

async function chatWith(to: StrangePeer): Promise<SmtpChat> {
  const { chat } = await SmtpChat.open({ host: to.host, port: to.port });
  await chat.hello();
  return chat;
}

test('as it should be: a letter, its parameters, pipelined, and TLS with a login', async (ctx) => {
  const directory = testDirectory(ctx);
  const tls = await (await makeAuthority(directory)).issue(['mx.example.net']);
  const one = await peer(ctx, { tls, login: { user: 'farm', password: 'secret' } });
  const options = { host: one.host, port: one.port, tls: { rejectUnauthorized: false } };
  const transport = createTransport({ ...options, auth: { user: 'farm', pass: 'secret' } });
  const envelope = { from: 'a@b.example', to: ['c@d.example', 'e@f.example'] };
  await transport.sendMail({ envelope, raw: WIRE });
  transport.close();
  expect(one.letters).toMatchObject([
    {
      sender: 'a@b.example',
      recipients: [{ address: 'c@d.example' }, { address: 'e@f.example' }],
      content: WIRE,
      answers: ['250 2.0.0 kept'],
      session: { tls: true, user: 'farm' },
    },
  ]);
  const locked = await chatWith(one);
  expect((await locked.command('MAIL FROM:<a@b.example>')).code).toBe(530);
  one.behave({});
  const plain = await chatWith(one);
  const lines = ['MAIL FROM:<> SIZE=9 RET=HDRS', 'RCPT TO:<c@d.example> NOTIFY=NEVER', 'DATA'];
  expect((await plain.pipeline(lines)).map((reply) => reply.code)).toEqual([250, 250, 354]);
  plain.stream.write('..x\r\n.\r\n');
  expect((await plain.reply()).code).toBe(250);
  expect(one.letters[1]).toMatchObject({ sender: '', parameters: 'SIZE=9 RET=HDRS' });
  expect(one.letters[1]?.recipients[0]?.parameters).toBe('NOTIFY=NEVER');
  expect(String(one.letters[1]?.content)).toBe('.x\r\n');
});

test('replies at each stage, by recipient, LMTP for each of them', async (ctx) => {
  const one = await peer(ctx, { answers: { connect: '554 5.3.2 no' } });
  expect((await SmtpChat.open({ host: one.host, port: one.port })).greeting.code).toBe(554);
  for (const stage of ['mail', 'data', 'end'] as const) {
    one.behave({ answers: { [stage]: '451 4.3.0 later' } });
    const reply = await (await chatWith(one)).send('a@b.example', ['c@d.example'], WIRE);
    expect(reply).toMatchObject({ code: 451, enhanced: '4.3.0' });
  }
  const choose = (who: string) => (who.startsWith('full') ? '452 4.2.2 full' : undefined);
  one.behave({
    protocol: 'lmtp',
    answers: { end: choose, rcpt: (who) => (who === 'no@x' ? '550 5.1.1 nobody' : undefined) },
  });
  const chat = await chatWith(one);
  expect((await chat.command('MAIL FROM:<a@b.example>')).code).toBe(250);
  const codes = [];
  for (const who of ['ok@x', 'no@x', 'full@x']) {
    codes.push((await chat.command(`RCPT TO:<${who}>`)).code);
  }
  expect(codes).toEqual([250, 550, 250]);
  expect((await chat.data(WIRE)).code).toBe(250);
  expect((await chat.reply()).code).toBe(452);
  expect(one.letters.at(-1)?.answers).toEqual(['250 2.0.0 kept', '452 4.2.2 full']);
});

test('it hangs up, resets, is silent, is slow, never ends', async (ctx) => {
  const one = await peer(ctx);
  for (const [stage, answer, kept] of [
    ['content', 'drop', 0],
    ['end', 'drop', 1],
    ['end', 'reset', 2],
    ['data', 'drop', 2],
    ['end', '421 4.3.2 off', 3],
  ] as const) {
    one.behave({ answers: { [stage]: answer } });
    const chat = await chatWith(one);
    const result = chat.send('a@b.example', ['c@d.example'], WIRE);
    if (answer.startsWith('421')) expect((await result).code).toBe(421);
    else await expect(result).rejects.toThrow(/closed|ended|reset/i);
    await expect.poll(() => one.sessions.at(-1)?.closed).toBe(true);
    expect(one.letters).toHaveLength(kept);
  }
  one.behave({ answers: { ehlo: 'endless' } });
  const { chat } = await SmtpChat.open({ host: one.host, port: one.port });
  chat.stream.write('EHLO x\r\n');
  for (let lines = 0; lines < 500; lines += 1) {
    expect(String(await chat.stream.line())).toBe('250-and another line of this reply');
  }
  one.behave({ octetMs: 20 });
  const began = performance.now();
  await SmtpChat.open({ host: one.host, port: one.port });
  expect(performance.now() - began).toBeGreaterThan(500);
});

test('STARTTLS that fails, certificates that are no good', async (ctx) => {
  const authority = await makeAuthority(testDirectory(ctx));
  const one = await peer(ctx, { tls: 'fails' });
  const ca = readFileSync(authority.authority);
  const send = (host = one.host) => {
    const tls = { ca, servername: 'mx.example.net' };
    const transport = createTransport({ host, port: one.port, requireTLS: true, tls });
    const envelope = { from: 'a@b.example', to: 'c@d.example' };
    return transport.sendMail({ envelope, raw: WIRE }).then(
      () => 'sent',
      (error: Error) => error.message,
    );
  };
  expect(await send()).toMatch(/wrong version|packet|ssl/i);
  one.behave({ tls: await authority.issue(['mx.example.net'], { expired: true }) });
  expect(await send()).toMatch(/expired/);
  one.behave({ tls: await authority.issue(['other.example.net']) });
  expect(await send()).toMatch(/altnames/);
  one.behave({ tls: await authority.issue(['mx.example.net']) });
  expect(await send()).toBe('sent');
  expect(one.letters[0]?.session).toMatchObject({ tls: true, servername: 'mx.example.net' });
});
