/** One letter over three nodes, told from their logs: in by MX at one, sent on by another. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Farm } from '../harness/farm.ts';
import { needs } from '../harness/needs.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { SmtpChat } from '../harness/smtp-chat.ts';
import {
  addNode,
  startSendingFarm,
  startWorld,
  until,
  withAdmin,
  type SendingNode,
  type World,
} from './leaving-farm.ts';

const isRoot = process.getuid?.() === 0;
const BOB = 'bob@example.test';
const MESSAGE_ID = '<of-three-nodes@stranger.example>';
let directory: string;
let world: World;
let farm: Farm;
let nodes: SendingNode[] = [];

beforeAll(async () => {
  if (!isRoot) return;
  directory = mkdtempSync(join(tmpdir(), 'mailfarm-trace-'));
  world = await startWorld();
  // Of the three only the demo's node listens as relay, so only it sends.
  farm = await startSendingFarm(join(directory, 'farm'), world, { 'relay.send': 'relays' });
  nodes = [
    await addNode(farm, 'front1', ['mx'], { nid: 10 }),
    await addNode(farm, 'front2', ['pop3'], { nid: 11 }),
  ];
}, 400_000);
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.stop()));
  await farm?.stop();
  await world?.stop();
  if (isRoot) rmSync(directory, { recursive: true, force: true });
}, 120_000);

interface Told {
  readonly traces: readonly string[];
  readonly messageIds: readonly string[];
  readonly steps: readonly { node: string; what: string; detail: string }[];
}

test('[N-13] mailfarm trace tells a letter over all nodes: in at one, kept, sent on by another', async (ctx) => {
  needs(ctx, 'root');
  const host = await world.host('far.example');
  await withAdmin(farm, ({ users }) =>
    users.set(BOB, { forwards: ['eve@far.example'], keepsForwarded: true }),
  );
  const [port = 0] = nodes[0]?.ports ?? [];
  const { chat } = await SmtpChat.open({ port });
  await chat.hello();
  const text = `From: z@stranger.example\r\nTo: ${BOB}\r\nMessage-ID: ${MESSAGE_ID}\r\n\r\nbody\r\n`;
  expect((await chat.send('z@stranger.example', [BOB], Buffer.from(text))).code).toBe(250);
  chat.stream.destroy();
  await until('the letter', () => host.letters.length > 0);
  const [pop3 = 0] = nodes[1]?.ports ?? [];
  const reader = await Pop3Chat.login({ port: pop3 }, BOB, 'demo');
  await reader.retrieve(1);
  await reader.quit();

  // What a playbook fetches from each node.
  const logs = join(directory, 'logs');
  mkdirSync(logs);
  const written = (): void => {
    writeFileSync(join(logs, 'demo.log'), farm.output());
    for (const { name, process } of nodes)
      writeFileSync(join(logs, `${name}.log`), process.output());
  };
  const told = async (...words: readonly string[]): Promise<readonly Told[]> => {
    const { code, stdout } = await farm.command(['trace', ...words, '--log', logs, '--json']);
    return code === 0 ? (JSON.parse(stdout.toString()) as Told[]) : [];
  };
  let story: Told | undefined;
  await until('the whole story', async () => {
    written();
    [story] = await told(MESSAGE_ID);
    const seen = story?.steps.map(({ what }) => what) ?? [];
    return seen.includes('sent') && seen.includes('POP3 session');
  });
  expect(story?.messageIds).toEqual([MESSAGE_ID]);
  const said = story?.steps.map(({ node, what }) => `${node}: ${what}`) ?? [];
  expect(said.slice(0, 2).toSorted()).toEqual([
    'front1: accepted, leaves for',
    'front1: delivered',
  ]);
  expect(said.slice(2).toSorted()).toEqual(['demo: sent', 'front2: POP3 session']);
  const sent = story?.steps.find(({ what }) => what === 'sent')?.detail ?? '';
  expect(sent).toContain('to eve@far.example');
  // Whatever a person has in hand leads to the same story.
  const [trace = ''] = story?.traces ?? [];
  const id = /queue id ([^;]+)/.exec(sent)?.[1] ?? '';
  for (const words of [
    [trace],
    [id],
    ['--to', 'eve@far.example'],
    ['--from', 'z@stranger', '--since', '1h'],
  ]) {
    expect(await told(...words), words.join(' ')).toEqual([story]);
  }
  const people = (await farm.command(['trace', trace, '--log', logs])).stdout.toString();
  expect(people).toMatch(new RegExp(`^from z@stranger\\.example to .*${BOB}`, 'm'));
  expect(people).toMatch(/^\d{4}-\d\d-\d\d [\d:.]+Z {2}front1 {2}delivered$/m);
  expect((await farm.command(['trace', 'nothing-like-it', '--log', logs])).code).toBe(66);
});
