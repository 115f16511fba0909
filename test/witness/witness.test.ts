import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { testDirectory } from '../harness/directory.ts';
import { Book } from './book.ts';
import { compareDisk } from './disk.ts';
import { Ledger, readLedger } from './ledger.ts';
import { dotted, hashOctets, identify, makeLetter } from './letter.ts';
import { Measure } from './measure.ts';
import { settle } from './options.ts';
import type { Report } from './report.ts';
import { attempt } from './smtp.ts';
import { Lost, Wire } from './wire.ts';
import { Witness } from './witness.ts';

const KIND = { seed: 7, large: 0.02, octetsMax: 2_000_000, octets: 'any' } as const;

test('letters: the same number is the same octets, and octets of all kinds occur', () => {
  const found = new Set<number>();
  const sizes: number[] = [];
  let dots = 0;
  for (let n = 0; n < 300; n++) {
    const { payload, hash, id } = makeLetter(KIND, `s.1.0s0.${n}`);
    expect(makeLetter(KIND, id).hash).toBe(hash);
    expect(/(^|[^\r])\n/.test(payload.toString('latin1')), 'a bare LF').toBe(false);
    for (const octet of payload.subarray(0, 20_000)) found.add(octet);
    if (payload.includes('\r\n.')) dots++;
    sizes.push(payload.length);
  }
  expect(found.size).toBe(256);
  expect(dots).toBeGreaterThan(50);
  expect(Math.min(...sizes)).toBeLessThan(150);
  expect(Math.max(...sizes)).toBeGreaterThan(100_000);
});

test('letters: trace fields on top are not part of it, anything else is', () => {
  const { id, payload, hash } = makeLetter(KIND, 's.1.0s0.1');
  const trace = 'Return-Path: <a@b.example>\r\nReceived: from x\r\n\tby y; now\r\n';
  const found = identify(Buffer.concat([Buffer.from(trace), payload]));
  expect(found.id).toBe(id);
  expect(hashOctets(found.payload)).toBe(hash);
  for (const more of ['X-Virus: no\r\n', ' folded\r\n', '\r\n']) {
    const spoiled = identify(Buffer.concat([Buffer.from(more), payload]));
    expect(hashOctets(spoiled.payload)).not.toBe(hash);
  }
});

async function serve(
  talk: (line: string, session: { inData: boolean }) => string | Buffer,
  greeting: string,
): Promise<string> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    socket.write(greeting);
    let text = '';
    const session = { inData: false };
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (let at = text.indexOf('\r\n'); at >= 0; at = text.indexOf('\r\n')) {
        socket.write(talk(text.slice(0, at), session));
        text = text.slice(at + 2);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

test('wire: what is dotted comes out as it went in, however it is cut', async () => {
  for (const text of ['', '.\r\n', '..\r\n.\r\n', 'a\r\n.b\r\n..\r\n', '\r\n']) {
    const place = await serve(() => dotted(Buffer.from(text)), '');
    const wire = await Wire.open(place, 1_000);
    wire.write('GO\r\n');
    expect((await wire.block(1_000)).toString()).toBe(text);
    await expect(wire.line(50)).rejects.toThrow(Lost);
    wire.close();
  }
});

/** Against a farm that says one thing wrongly. */
async function against(
  pop3: Record<string, string>,
  smtp: Record<string, string> = {},
): Promise<Report> {
  const good: Record<string, string> = {
    STAT: '+OK 0 0\r\n',
    LIST: '+OK\r\n.\r\n',
    UIDL: '+OK\r\n.\r\n',
  };
  let told = 0;
  let mails = 0;
  const popPlace = await serve((line) => {
    const word = line.split(' ')[0] ?? '';
    if (word === 'PASS' && told++ === 0) return '+OK\r\n'; // Before the first letter.
    return (told > 1 ? pop3[word] : undefined) ?? good[word] ?? '+OK\r\n';
  }, '+OK\r\n');
  const smtpPlace = await serve((line, session) => {
    const word = line.slice(0, 4);
    if (word === 'MAIL') mails++;
    if (session.inData && line !== '.') return '';
    session.inData = line === 'DATA';
    if (line === '.') return smtp['.'] ?? '451 4.3.0 later\r\n';
    return smtp[word] ?? (session.inData ? '354 go\r\n' : '250 ok\r\n');
  }, '220 hi\r\n');
  const witness = await Witness.start({
    ledger: join(testDirectory({ onTestFinished } as never), 'ledger'),
    smtp: [smtpPlace],
    pop3: [popPlace],
    users: [{ login: 'u', password: 'p' }],
    cut: 0,
    octets: 'text',
    large: 0,
    retryMs: 50,
    drainMs: 0,
    landMs: 0,
    dotMs: 5_000,
    readPauseMs: 20,
  });
  await sleep(400);
  // A busy machine gets more time for what tests count.
  for (let turn = 0; (told < 12 || mails < 4) && turn < 100; turn++) await sleep(50);
  return witness.finish();
}

const kindsOf = (report: Report): string[] => [
  ...new Set(report.violations.map(({ kind }) => kind)),
];

test('front ends that say the wrong thing are found out', async () => {
  expect(kindsOf(await against({ PASS: '-ERR [AUTH] Wrong\r\n' }))).toContain('wrong-login');
  expect(kindsOf(await against({ PASS: '-ERR [SYS/PERM] no\r\n' }))).toContain('wrong-login');
  expect(kindsOf(await against({ UIDL: '-ERR no\r\n' }))).toContain('wrong-answer');
  expect(kindsOf(await against({ STAT: '+OK 1 100\r\n' }))).toContain('listing');
  const rows = '+OK\r\n1 a\r\n2 a\r\n.\r\n';
  const list = '+OK\r\n1 5\r\n2 5\r\n.\r\n';
  const twice = { STAT: '+OK 2 10\r\n', UIDL: rows, LIST: list };
  expect(kindsOf(await against(twice))).toContain('uidl-reused');
  const one = { STAT: '+OK 1 5\r\n', UIDL: '+OK\r\n1 a\r\n.\r\n', LIST: '+OK\r\n1 5\r\n.\r\n' };
  expect(kindsOf(await against({ ...one, RETR: '-ERR what?\r\n' }))).toContain('wrong-answer');
  expect(kindsOf(await against({}, { RCPT: '550 5.1.1 no such user\r\n' }))).toContain('wrong-5xx');
  expect(kindsOf(await against({}, { '.': '554 5.6.0 bad\r\n' }))).toContain('wrong-5xx');
  expect(kindsOf(await against({}, { '.': '250 2.6.0 thanks\r\n' }))).toContain('empty');
});

test('a farm that only ever says "later" breaks nothing and proves nothing', async () => {
  const report = await against({ PASS: '-ERR [SYS/TEMP] later\r\n' });
  expect(kindsOf(report)).toEqual(['unreadable']);
  const idle = await against({});
  expect(idle.violations).toEqual([]);
  expect(idle.ok).toBe(false);
  expect(idle.tooLittle.join()).toContain('acknowledged: 0');
  expect(idle.counts.temporary).toBeGreaterThan(1);
  expect(idle.counts.retried).toBeGreaterThan(0);
});

test('sessions in which something was never fetched are counted, and too many prove nothing', async () => {
  const one = { STAT: '+OK 1 5\r\n', UIDL: '+OK\r\n1 a\r\n.\r\n', LIST: '+OK\r\n1 5\r\n.\r\n' };
  const report = await against({ ...one, RETR: '-ERR [SYS/TEMP] later\r\n' });
  expect(kindsOf(report)).toEqual(['unreadable']);
  expect(report.counts.undecided).toBeGreaterThan(5);
  expect(report.tooLittle.join()).toContain(`undecided: ${report.counts.undecided} of`);
});

test('LMTP: each recipient has an end of its own; what was not told is unclear', async () => {
  const frontEnd = await serve((line, session) => {
    if (session.inData && line !== '.') return '';
    session.inData = line === 'DATA';
    if (line === '.') return '250 2.0.0 one\r\n451-4.3.0 two\r\n451 4.3.0 two\r\n';
    if (line === 'EHLO witness.example') return '500 5.5.1 LHLO\r\n';
    if (line === 'RCPT TO:<b>') return '450 4.2.1 not now\r\n';
    return session.inData ? '354 go\r\n' : '250 ok\r\n';
  }, '220 hi\r\n');
  const tried: string[] = [];
  const options = {
    frontEnd,
    sender: 's',
    cut: undefined,
    connectMs: 5_000,
    answerMs: 5_000,
    dotMs: 300,
    to: ['a', 'b', 'c', 'd'].map((login) => ({ login, address: login })),
    content: dotted(makeLetter(KIND, 'l').payload),
    beforeDot: (to: readonly { login: string }[]) =>
      Promise.resolve(void tried.push(...to.map(({ login }) => login))),
  };
  const ends = async (lmtp: boolean): Promise<unknown[]> =>
    [...(await attempt({ ...options, lmtp }))].map(([login, { end, dot }]) => [login, end, dot]);
  expect(await ends(true)).toEqual([
    ['b', 'temporary', false],
    ['a', 'acked', true],
    ['c', 'temporary', true],
    ['d', 'unclear', true],
  ]);
  expect(tried).toEqual(['a', 'c', 'd']);
  expect((await ends(false)).flat()).toContain('permanent');
});

test('the Maildir on disk: what is not shown, not whole, twice there or not there is told', (ctx) => {
  const path = join(testDirectory(ctx), 'maildir');
  const book = new Book();
  for (const id of ['a', 'b']) {
    const { payload, hash, body } = makeLetter(KIND, id);
    book.apply({ kind: 'letter', id, to: ['u'], octets: payload.length, hash, body });
    book.apply({ kind: 'seen', box: 'u', uidl: `key-${id}`, id, octets: 1, at: 1 });
  }
  const rows = new Map([['key-a', 1]]).set('key-b', 1);
  const found = (): (string | undefined)[] =>
    compareDisk(book, { login: 'u', path, rows }).map(({ text }) => /[^/]*$/.exec(text)?.[0]);
  expect(compareDisk(book, { login: 'u', path, rows })[0]?.text).toContain('cannot be read');
  for (const directory of ['new', 'cur']) mkdirSync(join(path, directory), { recursive: true });
  const stored = (id: string): string =>
    makeLetter(KIND, id).payload.toString('latin1').replaceAll('\r\n', '\n');
  const put = (name: string, text: string): void =>
    writeFileSync(join(path, name), `Return-Path: <x>\n${text}`, 'latin1');
  put('new/key-a,S=1', stored('a'));
  put('cur/key-b,S=1:2,S', stored('b'));
  expect(found()).toEqual([]);
  put('new/key-b,S=1', stored('b'));
  put('new/key-c', stored('b'));
  put('new/key-a,S=1', stored('a').slice(0, -1));
  expect(new Set(found())).toEqual(
    new Set([
      'key-a,S=1 is not letter a as it was sent',
      'key-b,S=1:2,S is there under another name too',
      'key-c is shown by no front end',
    ]),
  );
  rmSync(join(path, 'new/key-a,S=1'));
  expect(found()).toContain('maildir has no file of key-a');
});

test('mailboxes with letters and without a user, and Maildirs of nobody, are refused', async (ctx) => {
  const path = join(testDirectory(ctx), 'ledger');
  const { ledger } = Ledger.open(path);
  const users = [{ login: 'left-out', password: 'p' }];
  const options = { smtp: ['h:1'], pop3: ['h:2'], users };
  const begin = { kind: 'begin', at: 1, series: 's', start: 1 } as const;
  ledger.append({ ...begin, settings: settle(options) });
  await ledger.close();
  const start = Witness.start({ ...options, users: [{ login: 'u', password: 'p' }], ledger: path });
  await expect(start).rejects.toThrow('left-out');
  expect(() => settle({ ...options, maildirs: { u: '/x' } })).toThrow('maildirs has u');
});

test('ledger: a torn line counts as not written; a damaged one and other files are refused', async (ctx) => {
  const path = join(testDirectory(ctx), 'ledger');
  const first = Ledger.open(path).ledger;
  first.append({ kind: 'phase', at: 1, name: 'x' });
  await first.close();
  expect(() => readLedger(path)).toThrow('not a ledger');
  writeFileSync(path, '');
  const begin = { kind: 'begin', at: 1, series: 's', start: 1, settings: { users: [] } };
  appendFileSync(path, `${JSON.stringify(begin)}\n{"kind":"pha`);
  const again = Ledger.open(path);
  expect(again.entries).toHaveLength(1);
  again.ledger.append({ kind: 'phase', at: 2, name: 'y' });
  await again.ledger.durable();
  expect(readLedger(path).entries.map(({ kind }) => kind)).toEqual(['begin', 'phase']);
  await again.ledger.close();
  appendFileSync(path, 'nonsense\n');
  expect(() => Ledger.open(path)).toThrow('line 3');
});

test('measure: a gap lasts from trying to success, over failures and phases', async () => {
  const measure = new Measure();
  const begun = performance.now();
  measure.begin('g', 'send')('success');
  await sleep(150); // Nobody tries: no gap.
  measure.begin('g', 'send')('temporary');
  await sleep(100);
  measure.phase('two');
  await sleep(50);
  measure.begin('g', 'send')('success');
  measure.begin('g', 'send')('success');
  measure.end();
  const [one, two] = measure.figures();
  expect(measure.longest('g', 'send')).toBeGreaterThanOrEqual(145);
  expect(measure.longest('g', 'send')).toBeLessThan(performance.now() - begun - 145);
  expect(one?.interruptionMs).toBeGreaterThanOrEqual(95);
  expect(two?.interruptionMs).toBeGreaterThanOrEqual(145);
  expect(one).toMatchObject({ phase: 'start', successes: 1, temporary: 1 });
  expect(two?.firstSuccessMs).toBeGreaterThanOrEqual(45);
  expect(two?.successes).toBe(2);
});
