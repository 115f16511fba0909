import { expect, test } from 'vitest';
import type { Verdict } from '../auth/types.ts';
import { capabilities } from './capabilities.ts';
import { COMMANDS } from './commands.ts';
import { StrictClient, type Reply } from './testing/client.ts';
import { withServer } from './testing/server.ts';
import { FaultyStore } from './testing/store.ts';
import { parseNumber } from './wire/args.ts';

const THREE = (): FaultyStore =>
  new FaultyStore([
    'Subject: one\r\n\r\nHello\r\n',
    'Subject: two\r\n\r\n.\r\n..\r\nline\r\n',
    'Subject: three\r\n\r\n1\r\n2\r\n3\r\n',
  ]);

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const LOGIN = ['USER tevie', 'PASS secret word'] as const;
const PLAIN = base64('\0tevie\0secret word');

/** A reply in short: `+` or `-`, the response code, or the text where a row names one. */
const short = (reply: Reply): string =>
  reply.code === '' ? (reply.ok ? '+' : '-') : `${reply.ok ? '+' : '-'}${reply.code}`;

type Case = readonly [name: string, send: readonly string[], expected: readonly string[]];

const AUTHORIZATION: readonly Case[] = [
  ['USER and PASS log in (RFC 1939 §7)', [...LOGIN, 'NOOP'], ['+', '+', '+']],
  [
    'commands in any case (RFC 1939 §3)',
    ['user tevie', 'pAsS secret word', 'nOOp'],
    ['+', '+', '+'],
  ],
  ['PASS before USER (RFC 1939 §7)', ['PASS secret word'], ['-']],
  ['a second USER replaces the first', ['USER x', ...LOGIN], ['+', '+', '+']],
  ['a wrong password (RFC 3206 §4)', ['USER tevie', 'PASS wrong'], ['+', '-AUTH']],
  ['an unknown user is told the same', ['USER nobody', 'PASS wrong'], ['+', '-AUTH']],
  ['after a refusal USER again', ['USER tevie', 'PASS x', 'PASS secret word'], ['+', '-AUTH', '-']],
  ['PASS keeps its spaces', ['USER tevie', 'PASS  secret word'], ['+', '-AUTH']],
  ['an empty password is no password', ['USER tevie', 'PASS ', 'PASS'], ['+', '-', '-']],
  ['an empty name is no name', ['USER', 'USER '], ['-', '-']],
  ['TRANSACTION commands before login', ['STAT', 'RETR 1', 'DELE 1', 'NOOP'], ['-', '-', '-', '-']],
  [
    'login commands after login',
    [...LOGIN, 'USER x', 'PASS x', 'AUTH PLAIN', 'UTF8', 'STLS'],
    ['+', '+', '-', '-', '-', '-', '-'],
  ],
  [
    'unknown commands',
    ['HELO', '', ' ', 'toString', '__proto__', 'XTND X'],
    ['-', '-', '-', '-', '-', '-'],
  ],
  [
    'arguments where none may be',
    ['QUIT now', 'CAPA x', ...LOGIN, 'STAT 1', 'RSET 1', 'NOOP '],
    ['-', '-', '+', '+', '-', '-', '-'],
  ],
  [
    'AUTH PLAIN with an initial response (RFC 5034 §4)',
    [`AUTH PLAIN ${PLAIN}`, 'STAT'],
    ['+', '+'],
  ],
  ['AUTH in any case (RFC 5034 §4)', [`auth plain ${PLAIN}`], ['+']],
  [
    'AUTH PLAIN as its own user (RFC 4616 §2)',
    [`AUTH PLAIN ${base64('tevie\0tevie\0secret word')}`],
    ['+'],
  ],
  [
    'AUTH PLAIN for somebody else (RFC 4616 §2)',
    [`AUTH PLAIN ${base64('boss\0tevie\0secret word')}`, 'STAT'],
    ['-', '-'],
  ],
  ['AUTH PLAIN with a wrong password', [`AUTH PLAIN ${base64('\0tevie\0x')}`], ['-AUTH']],
  [
    'AUTH PLAIN that is not base64',
    ['AUTH PLAIN $$$$', 'AUTH PLAIN abc', 'AUTH PLAIN AA=A'],
    ['-', '-', '-'],
  ],
  [
    'AUTH PLAIN that is not PLAIN',
    ['AUTH PLAIN =', `AUTH PLAIN ${base64('a\0b')}`, `AUTH PLAIN ${base64('\0a\0b\0c')}`],
    ['-', '-', '-'],
  ],
  ['AUTH with an unknown mechanism (RFC 5034 §4)', ['AUTH CRAM-MD5', 'AUTH X-Y z'], ['-', '-']],
  ['AUTH alone lists mechanisms', ['AUTH'], ['+']],
  ['UTF8 before login (RFC 6856 §2.1)', ['UTF8', ...LOGIN], ['+', '+', '+']],
  ['STLS where there is no TLS (RFC 2595 §4)', ['STLS'], ['-']],
  ['QUIT before login (RFC 1939 §4)', ['QUIT'], ['+']],
];

const TRANSACTION: readonly Case[] = [
  [
    'numbers that are none',
    ['RETR 0', 'RETR 4', 'RETR -1', 'RETR x', 'RETR 1 2', 'RETR 99999999999'],
    ['-', '-', '-', '-', '-', '-'],
  ],
  [
    'DELE hides a message (RFC 1939 §5)',
    ['DELE 2', 'RETR 2', 'LIST 2', 'UIDL 2', 'TOP 2 0', 'DELE 2'],
    ['+', '-', '-', '-', '-', '-'],
  ],
  [
    'RSET brings it back (RFC 1939 §5)',
    ['DELE 2', 'RSET', 'RETR 2', 'DELE 2'],
    ['+', '+', '+', '+'],
  ],
  [
    'TOP with bad arguments (RFC 1939 §7)',
    ['TOP 1', 'TOP', 'TOP 1 x', 'TOP 1  1', 'TOP 9 1'],
    ['-', '-', '-', '-', '-'],
  ],
  ['missing arguments', ['RETR', 'DELE', 'RETR ', 'DELE '], ['-', '-', '-', '-']],
];

const play = async (store: FaultyStore, lines: readonly string[]): Promise<Reply[]> =>
  withServer({ store }, async ({ port }) => {
    const client = await StrictClient.open(port);
    const replies: Reply[] = [];
    for (const line of lines) replies.push(await client.command(line));
    client.close();
    return replies;
  });

for (const [name, send, expected] of AUTHORIZATION) {
  test(`[P-02] ${name}`, async () => {
    expect((await play(THREE(), send)).map(short)).toEqual(expected);
  });
}

for (const [name, send, expected] of TRANSACTION) {
  test(`[P-02] ${name}`, async () => {
    const replies = await play(THREE(), [...LOGIN, ...send]);
    expect(replies.slice(2).map(short)).toEqual(expected);
  });
}

test('[S0-21] a whole session: every answer of RFC 1939 §5 and §7', async () => {
  const store = THREE();
  const replies = await play(store, [
    ...LOGIN,
    'STAT',
    'LIST',
    'LIST 2',
    'UIDL',
    'UIDL 3',
    'DELE 1',
    'STAT',
    'LIST',
    'UIDL',
    'QUIT',
  ]);
  expect(replies.map(({ text, body }) => body.toString() || text).slice(2)).toEqual([
    '3 79',
    '1 23\r\n2 29\r\n3 27\r\n',
    '2 29',
    '1 u1\r\n2 u2\r\n3 u3\r\n',
    '3 u3',
    'Marked as deleted',
    '2 56',
    '2 29\r\n3 27\r\n',
    '2 u2\r\n3 u3\r\n',
    'Marked messages are deleted, goodbye',
  ]);
  expect(store.messages.map(({ uidl }) => uidl)).toEqual(['u2', 'u3']);
});

test('[P-02] STAT follows DELE and RSET (RFC 1939 §5)', async () => {
  const lines = ['STAT', 'DELE 1', 'DELE 2', 'STAT', 'RSET', 'STAT'];
  const replies = await play(THREE(), [...LOGIN, ...lines]);
  const texts = replies.slice(2).map(({ text }) => text);
  expect([texts[0], texts[3], texts[5]]).toEqual(['3 79', '1 27', '3 79']);
});

test('message numbers are decimal digits, at most ten', () => {
  const numbers = ['0', '7', '0012', '9999999999'].map(parseNumber);
  expect(numbers).toEqual([0, 7, 12, 9_999_999_999]);
  for (const text of ['', ' 1', '1 ', '+1', '1e3', '0x1', '\u0661', '99999999999', '1.0']) {
    expect(parseNumber(text)).toBeUndefined();
  }
});

test('[S0-21] a connection lost without QUIT deletes nothing (RFC 1939 §6)', async () => {
  const store = THREE();
  await play(store, [...LOGIN, 'DELE 1', 'DELE 2']);
  expect(store.messages).toHaveLength(3);
});

test('[P-02] what could not be removed is said at QUIT (RFC 1939 §6)', async () => {
  for (const removeFails of ['all', 'throws', [0]] as const) {
    const store = THREE();
    store.removeFails = removeFails;
    const replies = await play(store, [...LOGIN, 'DELE 1', 'DELE 3', 'QUIT']);
    expect(short(replies[4]!)).toBe('-SYS/TEMP');
    expect(replies[4]!.text).toBe('Some deleted messages not removed');
    expect(store.messages).toHaveLength(removeFails === 'all' || removeFails === 'throws' ? 3 : 2);
  }
});

test('[P-02] two sessions at once: neither harms the other, no UIDL changes', async () => {
  const store = THREE();
  await withServer({ store }, async ({ port }) => {
    const [a, b] = [await StrictClient.open(port), await StrictClient.open(port)];
    for (const line of LOGIN) {
      await a.command(line);
      await b.command(line);
    }
    await a.command('DELE 1');
    expect(short(await a.command('QUIT'))).toBe('+');
    const gone = await b.command('RETR 1');
    expect(short(gone)).toBe('-SYS/TEMP');
    expect((await b.command('UIDL')).body.toString()).toBe('1 u1\r\n2 u2\r\n3 u3\r\n');
    expect((await b.command('RETR 2')).ok).toBe(true);
    await b.command('DELE 1');
    expect(short(await b.command('QUIT'))).toBe('+');
    expect(store.messages.map(({ uidl }) => uidl)).toEqual(['u2', 'u3']);
  });
});

test('[P-02] CAPA in each state is what is valid there (RFC 2449 §5)', async () => {
  const common = [
    'RESP-CODES',
    'AUTH-RESP-CODE',
    'PIPELINING',
    'EXPIRE NEVER',
    'UTF8 USER',
    'IMPLEMENTATION Mailfarm',
  ];
  const replies = await play(THREE(), ['CAPA', ...LOGIN, 'CAPA']);
  const lines = (reply: Reply | undefined): string[] =>
    (reply?.body.toString() ?? '').split('\r\n').filter((line) => line !== '');
  expect(lines(replies[0])).toEqual(['TOP', 'UIDL', 'USER', 'SASL PLAIN', ...common]);
  expect(lines(replies[3])).toEqual(['TOP', 'UIDL', ...common]);
});

test('a capability without its commands cannot be announced', () => {
  const facts = {
    state: 'authorization',
    password: 'allowed',
    starttls: 'offered',
    loginDelayMs: 0,
  } as const;
  const { TOP: _top, ...withoutTop } = COMMANDS;
  expect(capabilities(COMMANDS, facts)).toContain('TOP');
  expect(capabilities(withoutTop, facts)).not.toContain('TOP');
});

test('[P-02] AUTH PLAIN with a challenge, cancelled and answered (RFC 5034 §4)', async () => {
  await withServer({ store: THREE() }, async ({ port, auth }) => {
    const client = await StrictClient.open(port);
    client.write('AUTH PLAIN\r\n');
    expect(await client.continuation()).toBe('');
    expect((await client.command('*')).ok).toBe(false);
    client.write('AUTH PLAIN\r\n');
    await client.continuation();
    expect((await client.command('STAT')).ok).toBe(false); // A response that is no base64.
    client.write('AUTH PLAIN\r\n');
    await client.continuation();
    expect((await client.command(PLAIN)).ok).toBe(true);
    expect((await client.command('STAT')).text).toBe('3 79');
    expect(auth.attempts).toHaveLength(1);
    client.close();
  });
});

const VERDICTS: readonly (readonly [Verdict, string, RegExp])[] = [
  [{ kind: 'refused' }, '-AUTH', /Wrong/],
  [{ kind: 'suspended' }, '-AUTH', /suspended/],
  [{ kind: 'throttled', retryAfterMs: 1500 }, '-SYS/TEMP', /in 2 seconds/],
  [{ kind: 'unavailable' }, '-SYS/TEMP', /not possible at the moment/],
];
for (const [verdict, expected, text] of VERDICTS) {
  test(`[P-02] a login that is ${verdict.kind} is told ${expected} (RFC 3206 §4)`, async () => {
    await withServer({ store: THREE() }, async ({ port, auth }) => {
      auth.verdict = verdict;
      const client = await StrictClient.open(port);
      await client.command('USER tevie');
      const reply = await client.command('PASS x');
      expect(short(reply)).toBe(expected);
      expect(reply.text).toMatch(text);
      expect((await client.command('STAT')).ok).toBe(false);
      client.close();
    });
  });
}
