import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock as clock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { EXIT } from '../../config/exit.ts';
import { HeldDraft, MODERATION_TREE } from '../../delivery/moderation.ts';
import type { VolumeEntry } from '../../directory/types.ts';
import { silentLogger as log } from '../../log/types.ts';
import { Spools } from '../../spool/spools.ts';
import { openVolumes, type Volumes } from '../../volumes/open.ts';
import { startTestCli, type TestCli } from '../testing/cli.ts';

let cli: TestCli;
let volumes: Volumes<never>;
let spools: Spools;

beforeAll(async () => {
  cli = await startTestCli({ server: 'embedded' });
  const path = join(cli.dir, 'spool1');
  mkdirSync(path);
  const add = ['volume', 'add', 'spool1', '--path', path, '--use', 'spool'];
  expect(await cli.run(add)).toMatchObject({ code: 0 });
  const all = await cli.json<VolumeEntry[]>(['volume', 'list']);
  const entries = all.filter(({ name }) => name === 'spool1');
  const directory = {
    volumes: async () => entries,
    assignVolume: () => Promise.reject(new Error('nobody is placed here')),
    volumeByRule: async () => undefined,
    storedVolume: async () => undefined,
  };
  volumes = openVolumes({ directory, clock, random, log, node: 'mx1' });
  await volumes.table.loaded();
  await Promise.all(volumes.table.volumes.map((volume) => volume.ready()));
  spools = new Spools({ table: volumes.table, clock, random, node: 'mx1', tree: MODERATION_TREE });
}, 60_000);
afterAll(async () => {
  volumes?.close();
  await cli?.close();
});

/** A letter to the list as delivery holds it. */
async function hold(text: string): Promise<string> {
  const list = { address: 'news@example.test', owner: undefined };
  const recipient = { address: list.address };
  const by = { origin: 'list', owner: '', login: '' } as const;
  const route = { kind: 'farm' } as const;
  const held = { list, moderators: [] };
  const leaving = { route, recipient, sender: 'bob@else.test', ...by, held };
  const [tree] = spools.withRoom(0);
  const draft = new HeldDraft(tree!, { held: leaving, trace: 't', at: '2026-11-22T10:00:00Z' });
  await draft.write(0, Buffer.from(text), true);
  await draft.seal(text.length, text.length);
  await draft.commit();
  return draft.id;
}
const held = async (...args: string[]): Promise<unknown[]> =>
  (await cli.json<{ id: string; sender: string }[]>(['list', 'held', ...args])).map(
    ({ id, sender }) => [id, sender],
  );

test('letters that are held are listed, shown, approved and rejected', async () => {
  const ids = [await hold('Subject: one\n'), await hold('Subject: two\n')];
  const all = await held();
  expect(all).toHaveLength(2);
  expect(all).toEqual(expect.arrayContaining(ids.map((id) => [id, 'bob@else.test'])));
  expect(await held('News@Example.test')).toEqual(all);
  expect(await held('other@example.test')).toEqual([]);
  const [one = '', two = ''] = ids;
  expect((await cli.run(['list', 'held', one, '--message'])).out).toBe('Subject: one\n');
  expect(await cli.run(['list', 'approve', one])).toMatchObject({ code: 0 });
  expect(await held()).toEqual([[two, 'bob@else.test']]);
  expect(await cli.run(['list', 'reject', two])).toMatchObject({ code: 0 });
  expect(await held()).toEqual([]);
  const [tree] = spools.up;
  expect((await tree!.lanes('failed')).length, 'somebody delivers it').toBe(1);
  for (const way of ['approve', 'reject']) {
    const again = await cli.run(['list', way, one]);
    expect(again.code).not.toBe(EXIT.ok.code);
    expect(again.err).toContain(`No letter ${one} waits for a moderator`);
  }
});

test("who may not see other people's mail may not decide over it", async () => {
  const add = ['user', 'add', 'plain@example.test', '--password-stdin'];
  await cli.run(['domain', 'add', 'example.test']);
  await cli.run(add, { input: 'secret\n' });
  const env = { MAILFARM_ADMIN: 'plain@example.test', MAILFARM_ADMIN_PASSWORD: 'secret' };
  for (const args of [['held'], ['approve', 'x'], ['reject', 'x']]) {
    expect((await cli.run(['list', ...args], { env })).code).toBe(EXIT.permission.code);
  }
});
