/** The farm on one screen, while a node is dead and another hangs. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFarm, type Farm } from '../harness/farm.ts';
import { addNode, give, until, type SendingNode } from './leaving-farm.ts';

let directory: string;
let farm: Farm;
let nodes: SendingNode[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mailfarm-status-'));
  farm = await startFarm({ dir: join(directory, 'farm') });
  nodes = [
    await addNode(farm, 'front1', ['mx', 'health'], { nid: 10 }),
    await addNode(farm, 'front2', ['mx', 'health'], { nid: 11 }),
  ];
}, 400_000);
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.stop()));
  await farm?.stop();
  rmSync(directory, { recursive: true, force: true });
}, 200_000);

interface Shown {
  readonly nodes: readonly {
    name: string;
    health: string;
    sessions?: number;
    days: Record<string, { received: number; accepted: number; delivered: number; sent: number }>;
  }[];
  readonly volumes: readonly {
    name: string;
    seenBy: string[];
    downAt: string[];
    freeBytes?: number;
  }[];
  readonly errors: readonly string[];
}
async function status(...words: readonly string[]): Promise<{ code: number | null; shown: Shown }> {
  const { code, stdout, stderr } = await farm.command(['status', '--json', ...words]);
  if (stdout.length === 0) throw new Error(stderr);
  return { code, shown: JSON.parse(stdout.toString()) as Shown };
}

async function withoutFront1(): Promise<object> {
  const { code, shown } = await status('--week');
  const { seenBy, downAt, freeBytes } = shown.volumes.find(({ name }) => name === 'mail1') ?? {};
  return {
    code,
    errors: shown.errors,
    nodes: shown.nodes.map(({ name, health }) => `${name} ${health}`).toSorted(),
    seenBy: seenBy?.toSorted(),
    downAt,
    freeBytes,
  };
}

test('[S3-30] nodes, volumes and what each node counted today; a dead node and a hung one are lines', async () => {
  const [port = 0] = nodes[0]?.ports ?? [];
  for (const to of ['bob@example.test', 'alice@example.test']) {
    expect((await give({ port }, 'z@stranger.example', to)).code).toBe(250);
  }
  expect((await give({ port }, 'z@stranger.example', 'nobody@example.test')).code).toBe(550);
  // The node counts once a minute, and when it ends.
  await nodes[0]?.process.stop(90_000);
  // A busy machine's node may call a volume slow for a moment: true, and not our subject.
  await expect.poll(withoutFront1, { timeout: 120_000 }).toEqual({
    code: 2,
    errors: [expect.stringMatching(/^node front1 does not answer: .*ECONNREFUSED/)],
    nodes: ['demo ok', 'front1 dead', 'front2 ok'],
    seenBy: ['demo', 'front2'],
    downAt: [],
    freeBytes: expect.toSatisfy((bytes: number) => bytes > 0),
  });

  // It starts again, and what it had counted is still there.
  await nodes[0]?.startAgain();
  await until('front1 is back', async () => (await status()).code === 0);
  const { shown } = await status('--week');
  const days = Object.entries(shown.nodes.find(({ name }) => name === 'front1')?.days ?? {});
  expect(days).toHaveLength(8);
  const sum = (name: 'received' | 'accepted' | 'delivered'): number =>
    days.reduce((all, [, row]) => all + row[name], 0);
  expect([sum('received'), sum('accepted'), sum('delivered')]).toEqual([3, 2, 2]);

  // One that hangs costs its own time and no more.
  const pid = nodes[1]?.process.pid ?? 0;
  process.kill(pid, 'SIGSTOP');
  try {
    const hung = await status();
    expect(hung.code).toBe(2);
    expect(hung.shown.errors).toEqual(['node front2 does not answer: no answer in 3000 ms']);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  const people = (await farm.command(['status', '--week'])).stdout.toString();
  expect(people).toMatch(/^node +health +status +beat/m);
  expect(people).toMatch(/^front1 +ok +\S+ .* 3 +2 +2 +0$/m);
  expect(people).toMatch(/^mail1 +mail +active/m);
  expect(people).toMatch(/^\d{4}-\d\d-\d\d +front1 +3 +2 +2 +0$/m);
}, 600_000);
