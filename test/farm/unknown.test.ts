/**
 * A directory that knows more than this release: a node serves, and everybody who looks is told.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEMO_PASSWORD, startFarm, type Farm } from '../harness/farm.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { addNode, withAdmin, type SendingNode } from './leaving-farm.ts';

const SETTING = 'pop3.future';

let directory: string;
let farm: Farm;
let node: SendingNode;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mailfarm-unknown-'));
  farm = await startFarm({ dir: join(directory, 'farm') });
  await withAdmin(farm, (admin) => admin.settings.set(SETTING, '1'));
  node = await addNode(farm, 'older', ['pop3', 'health', 'future'], { nid: 10 });
});
afterAll(async () => {
  await node?.stop();
  await farm?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const said = async (...words: string[]): Promise<string> => {
  const { stdout, stderr } = await farm.command(words);
  return `${stdout.toString()}${stderr}`;
};

test('[P-13] a node starts and serves beside a setting and a service that it does not know', async () => {
  const [pop3 = 0, health = 0, future = 0] = node.ports;
  const chat = await Pop3Chat.login({ port: pop3 }, 'alice@example.test', DEMO_PASSWORD);
  await chat.quit();
  const metrics = await (await fetch(`http://127.0.0.1:${health}/metrics`)).text();
  expect(metrics).toContain(`mailfarm_node_unknown{name="${SETTING}"} 1`);
  expect(metrics).toContain(`mailfarm_node_unknown{name="future 127.0.0.1:${future}"} 1`);
  const log = node.process.output();
  expect(log).toContain('MF-NODE-009');
  expect(log).toContain(`"name":"${SETTING}"`);
});

test('status, doctor and check name it; nobody may set it by command', async () => {
  const [, , future = 0] = node.ports;
  expect(await said('status')).toMatch(
    new RegExp(`warning +node older does not know ${SETTING}, future 127.0.0.1:${future}`),
  );
  expect(await said('doctor')).toContain(`cn=farm: "${SETTING}" is not an option`);
  expect(await said('check')).toContain(`cn=farm: "${SETTING}" is not an option`);
  expect(await farm.command(['config', 'set', SETTING, '2'])).toMatchObject({ code: 64 });
  const words = ['node', 'set', 'older', '--listen', 'future *:4', '--listen', 'pop3 *:5'];
  expect(await farm.command(words)).toMatchObject({ code: 64 });
});

test('what is taken away is named no more, without a restart', async () => {
  expect((await farm.command(['config', 'set', SETTING])).code).toBe(0);
  process.kill(node.process.pid, 'SIGHUP');
  const [, health = 0] = node.ports;
  const metrics = async (): Promise<string> =>
    await (await fetch(`http://127.0.0.1:${health}/metrics`)).text();
  await expect.poll(metrics).not.toContain(SETTING);
  expect(await metrics()).toContain('mailfarm_node_unknown{name="future');
});
