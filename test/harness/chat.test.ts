import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, expect, test } from 'vitest';
import { GrammarError, dataBytes } from './chat.ts';
import { needs } from './needs.ts';
import { Pop3Chat } from './pop3-chat.ts';
import { SmtpChat } from './smtp-chat.ts';

/** A port where someone says these bytes to whoever connects, and closes. */
async function says(ctx: TestContext, bytes: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.resume();
    socket.end(Buffer.from(bytes, 'latin1'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ctx.onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const SMTP_FAULTS = {
  'bare LF': '220 hello\n',
  'no code': 'hello\r\n',
  'code out of range': '620 hello\r\n',
  'two codes in one reply': '250-a\r\n251 b\r\n',
  'enhanced code of another class (RFC 3463 §2)': '550 2.1.1 no\r\n',
  'enhanced code that changes (RFC 2034 §4)': '550-5.1.1 no\r\n550 5.1.2 no\r\n',
  'control characters': '220 a\x01b\r\n',
  'line of 513 octets (RFC 5321 §4.5.3.1.5)': `220 ${'x'.repeat(507)}\r\n`,
  'cut inside a line': '220 hel',
};

for (const [name, bytes] of Object.entries(SMTP_FAULTS)) {
  test(`the SMTP client refuses a reply with ${name}`, async (ctx) => {
    const port = await says(ctx, bytes);
    await expect(SmtpChat.open({ port })).rejects.toThrow(GrammarError);
  });
}

test('the SMTP client reads a good reply', async (ctx) => {
  const port = await says(ctx, `250-2.1.0 one\r\n250 2.1.0 ${'x'.repeat(490)}\r\n`);
  const { greeting } = await SmtpChat.open({ port });
  expect(greeting).toMatchObject({ code: 250, enhanced: '2.1.0' });
  expect(greeting.lines[0]).toBe('one');
});

const POP3_FAULTS = {
  'neither +OK nor -ERR': '+MAYBE\r\n',
  'small letters': '+ok\r\n',
  'a broken response code (RFC 2449 §8)': '-ERR [SYS/TEMP later\r\n',
  'bare LF': '+OK\n',
};

for (const [name, bytes] of Object.entries(POP3_FAULTS)) {
  test(`the POP3 client refuses a reply with ${name}`, async (ctx) => {
    const port = await says(ctx, bytes);
    await expect(Pop3Chat.open({ port })).rejects.toThrow(GrammarError);
  });
}

test('the POP3 client undoes dots and refuses one that was not doubled', async (ctx) => {
  const good = await says(ctx, '+OK\r\n+OK\r\n..a\r\n\r\n.\r\n');
  const { chat } = await Pop3Chat.open({ port: good });
  expect((await chat.retrieve(1)).toString()).toBe('.a\r\n\r\n');
  const bad = await says(ctx, '+OK\r\n+OK\r\n.a\r\n.\r\n');
  const { chat: other } = await Pop3Chat.open({ port: bad });
  await expect(other.retrieve(1)).rejects.toThrow(GrammarError);
});

test('the POP3 client refuses a listing that goes back, and a unique id of 71 octets', async (ctx) => {
  const back = await says(ctx, '+OK\r\n+OK\r\n2 10\r\n1 10\r\n.\r\n');
  const { chat } = await Pop3Chat.open({ port: back });
  await expect(chat.listing('LIST')).rejects.toThrow(GrammarError);
  const long = await says(ctx, `+OK\r\n+OK\r\n1 ${'u'.repeat(71)}\r\n.\r\n`);
  const { chat: other } = await Pop3Chat.open({ port: long });
  await expect(other.listing('UIDL')).rejects.toThrow(GrammarError);
});

test('the DATA phase doubles dots after LF only, and ends once', () => {
  const text = (wire: string): string => dataBytes(Buffer.from(wire, 'latin1')).toString('latin1');
  expect(text('')).toBe('.\r\n');
  expect(text('.\r\n..x\r\na\r.b')).toBe('..\r\n...x\r\na\r.b\r\n.\r\n');
});

test('what is missing fails a test in CI and is never passed over there', (ctx) => {
  const before = process.env['CI'];
  process.env['CI'] = '1';
  try {
    expect(() => needs(ctx, '/nowhere/at/all')).toThrow(/nowhere/);
  } finally {
    if (before === undefined) delete process.env['CI'];
    else process.env['CI'] = before;
  }
});
