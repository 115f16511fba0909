/** Several nodes send from one spool: one dies, one is asked, one learns what another saw. */
import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Farm } from '../harness/farm.ts';
import { needs } from '../harness/needs.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { SmtpChat } from '../harness/smtp-chat.ts';
import {
  addNode,
  childrenOf,
  give,
  startSendingFarm,
  startWorld,
  submit,
  until,
  withAdmin,
  type SendingNode,
  type World,
} from './leaving-farm.ts';

const isRoot = process.getuid?.() === 0;
let directory: string;
let world: World;
let farm: Farm;
let nodes: SendingNode[] = [];

beforeAll(async () => {
  if (!isRoot) return;
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-leaving-')));
  world = await startWorld();
  farm = await startSendingFarm(join(directory, 'farm'), world, {
    'relay.pop.minutes': '10',
    'relay.etrn.from': '192.0.2.1',
  });
  const services = ['mx', 'pop3', 'submissions'];
  nodes = [await addNode(farm, 'front1', services, { nid: 10 })];
}, 300_000);

afterAll(async () => {
  await Promise.all(nodes.map((node) => node.stop()));
  await farm?.stop();
  await world?.stop();
  if (isRoot) rmSync(directory, { recursive: true, force: true });
}, 120_000);

const ALICE = 'alice@example.test';

const inSpool = (): string[] =>
  readdirSync(join(farm.dir, 'spool1/spool/outbound'), { recursive: true, encoding: 'utf8' });

test('[S4-13] [S4-15] a domain that is held goes at once when it is asked for at any node', async (ctx) => {
  needs(ctx, 'root');
  const host = await world.host('customer.example', { answers: { mail: '451 4.3.0 later' } });
  await withAdmin(farm, ({ domains }) =>
    domains.add('customer.example', { transport: 'mx', etrnFrom: ['127.5.5.5'] }),
  );
  const port = nodes[0]?.ports[0] ?? 0;
  await until('the new domain', async () => {
    const { code } = await give({ port }, 'x@stranger.example', 'a@customer.example', 'held');
    return code === 250;
  });
  await until('a try', () => host.sessions.some(({ commands }) => commands.length > 1));
  // Many tries later the next one is far away.
  host.behave({ answers: {} });
  const etrn = async (from: string): Promise<number> => {
    const { chat } = await SmtpChat.open({ port, from });
    await chat.hello();
    const reply = await chat.command('ETRN customer.example');
    chat.stream.destroy();
    return reply.code;
  };
  expect(await etrn('127.5.5.6')).toBe(459);
  expect([250, 251, 253]).toContain(await etrn('127.5.5.5'));
  await until('the letter', () => host.letters.length > 0);
});

test('[S0-24] a login by POP3 at one node opens relaying at another, for its address only', async (ctx) => {
  needs(ctx, 'root');
  const host = await world.host('pop.example');
  const [mx = 0] = nodes[0]?.ports ?? [];
  const [me, other] = ['127.7.7.7', '127.7.7.8'];
  const send = async (from: string): Promise<number> =>
    (await give({ port: mx, from }, ALICE, 'x@pop.example', 'pop')).code;
  expect(await send(me)).toBe(550);
  const chat = await Pop3Chat.login({ port: farm.ports.pop3, from: me }, ALICE, 'demo');
  await chat.expect('QUIT');
  await until('relaying is open', async () => (await send(me)) === 250);
  expect(await send(other)).toBe(550);
  // As himself: from there nobody sends as somebody else, and nothing is signed.
  for (const from of ['bob@example.test', 'x@stranger.example']) {
    expect((await give({ port: mx, from: me }, from, 'x@pop.example')).code).toBe(550);
  }
  await until('the letter', () => host.letters.length > 0);
});

test('[N-15] [S4-16] the sender that holds letters is killed: another sends them, none is lost', async (ctx) => {
  needs(ctx, 'root');
  // So slow that letters are under way when it happens; each that is acknowledged counts.
  const host = await world.host('slow.example', { octetMs: 40 });
  const [, , port = 0] = nodes[0]?.ports ?? [];
  const count = 8;
  for (let i = 0; i < count; i++) {
    const to = [`u${i}@slow.example`];
    expect((await submit(port, { from: ALICE, to, subject: `n${i}` })).code).toBe(250);
  }
  await until('letters on their way', () => host.sessions.length > 0);
  const victim = nodes.shift();
  const pids = [victim?.process.pid ?? 0, ...childrenOf(victim?.process.pid ?? 0)];
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  host.behave({});
  const arrived = (): Set<string> =>
    new Set(
      host.letters
        .filter(({ answers }) => answers.some((one) => one.startsWith('250')))
        .flatMap(({ recipients }) => recipients.map(({ address }) => address)),
    );
  // A claim is another's when its lease is over: two minutes.
  await until('all letters', () => arrived().size === count, 240_000);
  // Nothing is held by a dead one, nothing waits. What it had sent may have gone twice.
  const rest = (): string[] => inSpool().filter((path) => /\bslow\.example\/.*,/.test(path));
  await until('an empty spool', () => rest().length === 0, 150_000).catch((error: unknown) => {
    throw new Error(`left: ${rest().join(' ')}`, { cause: error });
  });
}, 500_000);
