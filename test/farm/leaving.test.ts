/** Mail that leaves a farm, as its users and its neighbours see it. */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ownAddress } from '../harness/addresses.ts';
import type { Farm } from '../harness/farm.ts';
import { needs } from '../harness/needs.ts';
import { startPostfix } from '../harness/peers.ts';
import { SmtpChat } from '../harness/smtp-chat.ts';
import { asked, fetch } from './letters.ts';
import {
  addNode,
  childrenOf,
  give,
  mailOf,
  set,
  startSendingFarm,
  startWorld,
  submit,
  until,
  withAdmin,
  type World,
} from './leaving-farm.ts';

const isRoot = process.getuid?.() === 0;
let directory: string;
let world: World;
let farm: Farm;

beforeAll(async () => {
  if (!isRoot) return;
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-leaving-')));
  chmodSync(directory, 0o755); // Postfix delivers below it.
  world = await startWorld();
  farm = await startSendingFarm(join(directory, 'farm'), world);
}, 300_000);

afterAll(async () => {
  await farm?.stop();
  await world?.stop();
  if (isRoot) rmSync(directory, { recursive: true, force: true });
}, 60_000);

const ALICE = 'alice@example.test';
const BOB = 'bob@example.test';
/** What a process logs of a mail volume that it opens. */
const MAIL_VOLUME = /"volume":"mail\d"/;

test('a user writes to a neighbour and to a Postfix elsewhere, in one letter, over TLS', async (ctx) => {
  needs(ctx, 'root', 'postfix');
  const host = ownAddress();
  const maildir = join(directory, 'boxes/carol');
  const maildirs = { 'carol@outside.example': maildir };
  const postfix = await startPostfix({ directory, host, port: 25, maildirs });
  try {
    world.point('outside.example', host);
    const to = [BOB, 'carol@outside.example'];
    const reply = await submit(farm.ports.submissions, { from: ALICE, to, subject: 'both' });
    expect(reply.code).toBe(250);
    expect(await fetch(farm.ports.pop3, BOB)).toEqual([expect.stringContaining('Subject: both')]);
    const arrived = (): string[] =>
      existsSync(join(maildir, 'new')) ? readdirSync(join(maildir, 'new')) : [];
    await until('the letter in Postfix', () => arrived().length > 0);
    const text = readFileSync(join(maildir, 'new', arrived()[0] ?? ''), 'utf8');
    expect(text).toContain(`Return-Path: <${ALICE}>`);
    expect(text).toMatch(/^Message-ID: /im);
    expect(text).toContain('\n\nbody\n');
    expect(text).not.toContain('(login ');
  } finally {
    await postfix.stop();
  }
});

test('a user who is not known there: the notice is in the mailbox, and reads well', async (ctx) => {
  needs(ctx, 'root');
  await world.host('refusing.example', {
    answers: { rcpt: '550 5.1.1 <nobody@refusing.example>: no such user' },
  });
  const to = ['nobody@refusing.example'];
  const sent = await submit(farm.ports.submissions, { from: ALICE, to, subject: 'unknown' });
  expect(sent.code).toBe(250);
  const [notice = ''] = await mailOf(farm.ports.pop3, ALICE, 'nobody@refusing.example');
  expect(notice).toMatch(/^Return-Path: <>\n/);
  expect(notice).toContain('Auto-Submitted: auto-replied');
  expect(notice).toContain('Content-Type: multipart/report; report-type=delivery-status');
  expect(notice).toContain('no such user');
  expect(notice).toContain('Action: failed');
  expect(notice).toContain('Status: 5.1.1');
  expect(notice).toContain('Subject: unknown');
});

test('a forward leaves, the letter of a stranger with it; nothing of it stays', async (ctx) => {
  needs(ctx, 'root');
  const host = await world.host('away.example');
  await asked(farm, ['forward', 'add', BOB, 'bob@away.example']);
  const before = (await fetch(farm.ports.pop3, BOB)).length;
  const reply = await give({ port: farm.ports.smtp }, 'x@stranger.example', BOB, 'on');
  expect(reply.code).toBe(250);
  await until('the forwarded letter', () => host.letters.length > 0);
  expect(host.letters[0]?.recipients.map(({ address }) => address)).toEqual(['bob@away.example']);
  expect(host.letters[0]?.content.toString()).toContain('Subject: on');
  expect(await fetch(farm.ports.pop3, BOB)).toHaveLength(before);
  await asked(farm, ['forward', 'remove', BOB, 'bob@away.example']);
});

test('[S4-14] an MX that is this farm: returned with 5.4.6, and the log has the code', async (ctx) => {
  needs(ctx, 'root');
  world.point('circle.example', '127.0.0.1');
  const to = ['x@circle.example'];
  await submit(farm.ports.submissions, { from: ALICE, to, subject: 'circle' });
  const [notice = ''] = await mailOf(farm.ports.pop3, ALICE, 'x@circle.example');
  expect(notice).toContain('Status: 5.4.6');
  expect(farm.output()).toContain('MF-REL-001');
});

test('[N-12] [S4-03] [S4-08] an MX that is this farm behind a translated address: known by its cookie', async (ctx) => {
  needs(ctx, 'root');
  // Connections to it come out at a node of the farm, as through a router that translates.
  const translated = ownAddress();
  const nat = await translator(translated, farm.ports.smtp);
  try {
    world.point('nat.example', translated);
    const { chat } = await SmtpChat.open({ host: translated, port: 25 });
    await chat.hello();
    expect(chat.keywords.get('XMAILFARM')).toMatch(/^[0-9a-f]{16}$/i);
    chat.stream.destroy();
    const to = ['x@nat.example'];
    await submit(farm.ports.submissions, { from: ALICE, to, subject: 'nat' });
    const [notice = ''] = await mailOf(farm.ports.pop3, ALICE, 'x@nat.example');
    expect(notice).toContain('Status: 5.4.6');
    // The same address takes mail for users of the farm like any other (S4-08).
    const reply = await give({ host: translated, port: 25 }, 'x@stranger.example', BOB, 'in');
    expect(reply.code).toBe(250);
  } finally {
    await nat.stop();
  }
});

test('[S1-13] [S2-12] [S2-14] [S4-04] [S4-11] smarthosts: no mail, own address, nothing kept', async (ctx) => {
  needs(ctx, 'root');
  const host = await world.host('world.example', {
    answers: { rcpt: (what) => (what.includes('bad@') ? '550 5.1.1 no' : undefined) },
  });
  // The demo's node is a relay too; here it shall not be one.
  await withAdmin(farm, async ({ nodes }) => {
    const known = await nodes.get('demo');
    await nodes.set('demo', { listen: known.listen.filter((one) => !one.startsWith('relay ')) });
  });
  await set(farm, { 'relay.send': 'relays' });
  const addresses = [ownAddress(), ownAddress()];
  expect(farm.output()).toMatch(MAIL_VOLUME); // A node with mailboxes says so.
  const nodes = await Promise.all(
    addresses.map((address, i) =>
      addNode(farm, `relay${i}`, ['relay', 'health'], {
        nid: 10 + i,
        more: `sending: { helo: out${i}.example.test, from: [${address}] }\n`,
      }),
    ),
  );
  try {
    for (const [i, node] of nodes.entries()) {
      const [port = 0] = node.ports;
      expect((await give({ port }, ALICE, `u${i}@world.example`, `round ${i}`)).code).toBe(250);
      expect(opened(node.process.pid)).toEqual([]);
      expect(node.process.output()).toContain('"volume":"spool1"');
      expect(node.process.output()).not.toMatch(MAIL_VOLUME);
    }
    await until('both letters', () => host.letters.length === 2);
    for (const { session } of host.letters) {
      const which = addresses.indexOf(session.from);
      expect(session.helo).toBe(`out${which}.example.test`);
    }
    const [port = 0] = nodes[0]?.ports ?? [];
    await give({ port }, ALICE, 'bad@world.example', 'mount');
    // By way of an MX of the farm: the relay has no mailboxes.
    await mailOf(farm.ports.pop3, ALICE, 'bad@world.example');
    await nodes[0]?.setUpAnew();
    expect((await give({ port }, ALICE, 'u2@world.example', 'anew')).code).toBe(250);
    await until('the letter of the new one', () => host.letters.length === 3);
    const stranger = await give({ port, from: '127.0.0.1' }, ALICE, 'nobody@example.test');
    expect(stranger.code).toBe(550);
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await set(farm, { 'relay.send': undefined });
  }
}, 300_000);

/** Files below the mail volumes that a node's processes have open or in their working place. */
function opened(pid: number): string[] {
  return [pid, ...childrenOf(pid)].flatMap((one) =>
    readdirSync(`/proc/${one}/fd`).flatMap((fd) => {
      try {
        const path = realpathSync(`/proc/${one}/fd/${fd}`);
        return path.startsWith(join(farm.dir, 'mail')) ? [path] : [];
      } catch {
        return []; // A pipe, a socket, or closed by now.
      }
    }),
  );
}

async function translator(host: string, port: number): Promise<{ stop(): Promise<void> }> {
  const { createServer, connect } = await import('node:net');
  const server = createServer((socket) => {
    const inner = connect({ host: '127.0.0.1', port });
    socket.pipe(inner).pipe(socket);
    for (const one of [socket, inner]) {
      one.on('error', () => [socket, inner].forEach((each) => each.destroy()));
    }
  });
  await new Promise<void>((resolve) => server.listen(25, host, resolve));
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}
