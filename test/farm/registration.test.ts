/** Nodes in the directory: their entries, numbers and keys, on slapd with its rights and overlays. */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Attribute, Change, Client, type Entry } from 'ldapts';
import { expect, test, type TestContext } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom as random } from '../../src/base/random.ts';
import { openRegistration, type Registration } from '../../src/directory/registration.ts';
import { testDirectory } from '../harness/directory.ts';
import { needs } from '../harness/needs.ts';
import { startSlapd, startSlapdPair, type Slapd } from '../harness/slapd.ts';

async function slapd(ctx: TestContext): Promise<{ server: Slapd; dir: string }> {
  needs(ctx, 'root', 'slapd');
  const dir = testDirectory(ctx);
  const server = await startSlapd({ directory: dir });
  ctx.onTestFinished(() => server.stop());
  return { server, dir };
}

const node = (
  of: { server: Slapd; dir: string },
  name: string,
  more: { data?: string; urls?: string[]; now?: number } = {},
): Registration =>
  openRegistration({
    directory: {
      urls: more.urls ?? [of.server.url],
      suffix: of.server.suffix,
      bindDn: of.server.frontend.dn,
      bindPassword: of.server.frontend.password,
      ...(more.now !== undefined && { clock: { ...systemClock, now: () => more.now ?? 0 } }),
    },
    name,
    server: `${name}.example.test`,
    version: '1.2.3',
    data: join(of.dir, more.data ?? name),
    random,
  });

async function asAdmin<T>(server: Slapd, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ url: server.url });
  await client.bind(server.admin.dn, server.admin.password);
  try {
    return await work(client);
  } finally {
    await client.unbind();
  }
}

const nodesOf = (server: Slapd): Promise<Entry[]> =>
  asAdmin(server, async (client) => {
    const options = { scope: 'one', filter: '(objectClass=mwNode)' } as const;
    return (await client.search(`ou=nodes,${server.suffix}`, options)).searchEntries;
  });

const dropKey = (server: Slapd, name: string): Promise<void> =>
  asAdmin(server, (client) => {
    const modification = new Attribute({ type: 'userPassword', values: [] });
    const change = new Change({ operation: 'delete', modification });
    return client.modify(`cn=${name},ou=nodes,${server.suffix}`, [change]);
  });

test('[S0-16] [S0-33] a node adds its entry, gives itself a key and tells how it is as itself', async (ctx) => {
  const of = await slapd(ctx);
  const front = node(of, 'front1', { now: Date.UTC(2026, 10, 22, 3, 4, 5) });
  await front.join('spm');
  expect(await nodesOf(of.server)).toMatchObject([
    { cn: 'front1', nid: '1', server: 'front1.example.test', status: 'spm', mwVersion: '1.2.3' },
  ]);
  expect(await front.tell('SPM')).toEqual({ kind: 'told', nodes: 1 });
  const [entry] = await nodesOf(of.server);
  expect(entry).toMatchObject({ status: 'SPM', mwBeat: '20261122030405Z' });
  expect(String(entry?.['userPassword'])).toMatch(/^\{SSHA\}/);
  const key = join(of.dir, 'front1', 'node.key');
  expect(statSync(key).mode & 0o777).toBe(0o600);
  expect(readFileSync(key, 'utf8')).toMatch(/^[\w-]{43}\n$/);
  await front.join('spm'); // A second start: what is there stays.
  expect((await nodesOf(of.server))[0]).toMatchObject({ nid: '1', status: 'SPM' });
});

test('[S0-33] [S0-38] twelve new nodes at one moment: each has a number of its own', async (ctx) => {
  const of = await slapd(ctx);
  const names = Array.from({ length: 12 }, (_, i) => `front${i}`);
  await Promise.all(names.map((name) => node(of, name).join('m')));
  const numbers = (await nodesOf(of.server)).map((entry) => Number(entry['nid']));
  expect(numbers.toSorted((a, b) => a - b)).toEqual(names.map((_, i) => i + 1));
});

test('two nodes of one name: the second serves and tells nothing', async (ctx) => {
  const of = await slapd(ctx);
  const first = node(of, 'front1');
  await first.join('m');
  await first.tell('M');
  const second = node(of, 'front1', { data: 'another' });
  await second.join('m');
  expect(await second.tell('SM')).toEqual({ kind: 'other-key' });
  expect(await nodesOf(of.server)).toMatchObject([{ status: 'M' }]);
});

test('a lost key: nothing is told until the key is taken away, then the node has a new one', async (ctx) => {
  const of = await slapd(ctx);
  const front = node(of, 'front1');
  await front.join('m');
  rmSync(join(of.dir, 'front1', 'node.key'));
  expect(await front.tell('M')).toEqual({ kind: 'other-key' });
  await dropKey(of.server, 'front1');
  expect(await front.tell('M')).toMatchObject({ kind: 'told' });
  expect(await nodesOf(of.server)).toMatchObject([{ status: 'M' }]);
});

test('a damaged key counts as lost, and an entry that an administrator made gets one', async (ctx) => {
  const of = await slapd(ctx);
  const front = node(of, 'front1');
  await front.join('m');
  await dropKey(of.server, 'front1');
  writeFileSync(join(of.dir, 'front1', 'node.key'), 'torn');
  expect(await front.tell('M')).toMatchObject({ kind: 'told' });
  expect(readFileSync(join(of.dir, 'front1', 'node.key'), 'utf8')).toMatch(/^[\w-]{43}\n$/);
});

test('an entry that was taken away is not made again by a beat', async (ctx) => {
  const of = await slapd(ctx);
  const front = node(of, 'front1');
  await front.join('m');
  await asAdmin(of.server, (client) => client.del(`cn=front1,ou=nodes,${of.server.suffix}`));
  expect(await front.tell('M')).toEqual({ kind: 'no-entry' });
  expect(await nodesOf(of.server)).toEqual([]);
});

test('a node whose file has its own identity needs no key', async (ctx) => {
  const of = await slapd(ctx);
  await node(of, 'front1').join('m');
  const password = readFileSync(join(of.dir, 'front1', 'node.key'), 'utf8').trim();
  const itself = openRegistration({
    directory: {
      urls: [of.server.url],
      suffix: of.server.suffix,
      bindDn: `CN=Front1, ou=nodes, ${of.server.suffix}`,
      bindPassword: password,
    },
    name: 'front1',
    server: 'x',
    version: '1.2.3',
    data: join(of.dir, 'nothing'),
    random,
  });
  expect(await itself.tell('SM')).toMatchObject({ kind: 'told' });
  expect(() => statSync(join(of.dir, 'nothing'))).toThrow('ENOENT');
});

test('[S0-26] with the first of two servers away the other is told', async (ctx) => {
  needs(ctx, 'root', 'slapd');
  const dir = testDirectory(ctx);
  const pair = await startSlapdPair({ directory: dir });
  ctx.onTestFinished(async () => {
    await Promise.all(pair.map((server) => server.stop()));
  });
  const of = { server: pair[1], dir };
  const front = node(of, 'front1', { urls: pair.map(({ url }) => url) });
  await front.join('m');
  await expect.poll(() => nodesOf(pair[1]), { timeout: 10_000 }).toHaveLength(1);
  await pair[0].kill();
  expect(await front.tell('SM')).toMatchObject({ kind: 'told' });
  await pair[0].start();
  await expect
    .poll(() => nodesOf(pair[0]), { timeout: 20_000 })
    .toMatchObject([{ status: 'SM', nid: '1' }]);
});

test('nobody answers, or refuses: an error that is no answer', async (ctx) => {
  const of = await slapd(ctx);
  const nowhere = node(of, 'front1', { urls: ['ldap://127.0.0.1:1'] });
  await expect(nowhere.tell('M')).rejects.toThrow('No directory server takes the entry');
  await expect(nowhere.join('m')).rejects.toThrow('No directory server takes the entry');
});
