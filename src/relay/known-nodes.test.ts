import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DirectoryUnavailable, type NodeEntry } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { knownNodesIn } from './known-nodes.ts';
import { OwnFarm } from './own-farm.ts';

const NODE: NodeEntry = {
  name: 'front1.example.test',
  nid: 1,
  server: 'host1',
  status: 'SM',
  listen: ['mx 192.0.2.1:25'],
  addresses: ['192.0.2.1'],
  beatAt: 5,
  version: '1',
};

let data: string;
const lines: { readonly code?: string }[] = [];
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'mailfarm-nodes-'));
  lines.length = 0;
});
afterEach(() => rmSync(data, { recursive: true }));

const note = (fields: object): void => void lines.push(fields);
const logger: Logger = {
  debug: note,
  info: note,
  warn: note,
  error: note,
  child: () => logger,
};

function farmOf(nodes: () => Promise<readonly NodeEntry[]>) {
  const state = { pass: (): void => {} };
  const farm = new OwnFarm({
    directory: { nodes },
    clock: {
      now: () => 0,
      sleep: () => new Promise((resolve) => (state.pass = () => resolve(undefined))),
    },
    logger,
    node: 'front1.example.test',
    addresses: [],
    kept: knownNodesIn(data),
    interfaces: () => [],
  });
  return { farm, state };
}

const away = (): Promise<never> => Promise.reject(new DirectoryUnavailable('away'));

test('[N-12] a node that starts while the directory is away knows the farm as it was told last', async () => {
  const first = farmOf(async () => [NODE]);
  await first.farm.known;
  await expect.poll(() => existsSync(join(data, 'last-nodes.json'))).toBe(true);
  expect(statSync(join(data, 'last-nodes.json')).mode & 0o777).toBe(0o600);
  const { farm, state } = farmOf(away);
  await farm.known;
  expect(farm.isOwn('192.0.2.1')).toBe(true);
  expect(farm.isOwn('front1.example.test')).toBe(true);
  expect(farm.listeners('mx')).toEqual([
    { node: 'front1.example.test', host: '192.0.2.1', port: 25 },
  ]);
  expect(lines.map(({ code }) => code)).toEqual(['MF-REL-009']);
  state.pass();
  await turn();
  expect(lines).toHaveLength(1); // Told once, not each time it is asked again.
});

test.each([
  ['no file', undefined],
  ['a torn one', '[{"name":"front1"'],
  ['one with a hole', '[{"name":"x"}]'],
  ['an empty farm', '[]'],
  ['not a list', '{"length":1}'],
])('without it nobody is known, and nothing is sent: %s', async (_, text) => {
  if (text !== undefined) writeFileSync(join(data, 'last-nodes.json'), text);
  let known = false;
  const { farm } = farmOf(away);
  void farm.known.then(() => (known = true));
  await expect.poll(() => lines.length).toBe(1);
  expect(lines.map(({ code }) => code)).toEqual(['MF-REL-010']);
  await turn();
  expect(known).toBe(false);
});

test('it is written when the farm changes, not with every beat; a disk that refuses costs only that', async () => {
  const nodes = [NODE];
  const { farm, state } = farmOf(async () => nodes);
  await farm.known;
  const path = join(data, 'last-nodes.json');
  await expect.poll(() => existsSync(path)).toBe(true);
  await turn();
  rmSync(path);
  nodes[0] = { ...NODE, beatAt: 9, version: '2' };
  state.pass();
  await turn();
  await turn();
  expect(readdirSync(data)).toEqual([]);
  nodes.push({ ...NODE, name: 'front2' });
  state.pass();
  await expect.poll(async () => (await knownNodesIn(data).read())?.length).toBe(2);
  const full = knownNodesIn(join(data, 'missing'));
  await expect(full.write(nodes)).rejects.toThrow('ENOENT');
});
