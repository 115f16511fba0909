/** Nodes in the directory: their entries, numbers and keys, on either server with its rights. */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Attribute, Change, Client, type Entry } from 'ldapts';
import { describe, expect, test, type TestContext } from 'vitest';
import { testDirectory } from '../../test/harness/directory.ts';
import { needs } from '../../test/harness/needs.ts';
import { startSlapdPair } from '../../test/harness/slapd.ts';
import { systemClock } from '../base/clock.ts';
import { systemRandom as random } from '../base/random.ts';
import { openRegistration, type Registration } from './registration.ts';
import { layout } from './schema.ts';
import { startTestDirectory, TEST_SERVERS, type TestAccess } from './testing.ts';

/** A farm's directory and a place for the nodes' data. */
interface Place {
  readonly dir: string;
  readonly frontend: TestAccess;
  readonly admin: TestAccess;
}

const node = (of: Place, name: string, more: { data?: string; now?: number } = {}): Registration =>
  openRegistration({
    directory: {
      ...of.frontend,
      ...(more.now !== undefined && { clock: { ...systemClock, now: () => more.now ?? 0 } }),
    },
    name,
    server: `${name}.example.test`,
    version: '1.2.3',
    data: join(of.dir, more.data ?? name),
    random,
  });

const nodeDn = (of: Place, name: string): string => `cn=${name},${layout(of.admin.suffix).nodes}`;

async function asAdmin<T>(of: Place, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ url: of.admin.urls[0] ?? '' });
  await client.bind(of.admin.bindDn, of.admin.bindPassword);
  try {
    return await work(client);
  } finally {
    await client.unbind();
  }
}

/** Entries of nodes beside the demo's own, which has the number 1. */
const nodesOf = (of: Place): Promise<Entry[]> =>
  asAdmin(of, async (client) => {
    const options = { scope: 'one', filter: '(&(objectClass=mwNode)(!(nid=1)))' } as const;
    const { searchEntries } = await client.search(layout(of.admin.suffix).nodes, options);
    return searchEntries.toSorted((a, b) => Number(a['nid']) - Number(b['nid']));
  });

const dropKey = (of: Place, name: string): Promise<void> =>
  asAdmin(of, (client) => {
    const modification = new Attribute({ type: 'userPassword', values: [] });
    const change = new Change({ operation: 'delete', modification });
    return client.modify(nodeDn(of, name), [change]);
  });

describe.each(TEST_SERVERS)('%s', (server) => {
  async function place(ctx: TestContext): Promise<Place> {
    const directory = await startTestDirectory({ server });
    ctx.onTestFinished(() => directory.close());
    return { dir: testDirectory(ctx), frontend: directory.frontend, admin: directory.admin };
  }

  test('[S0-16] [S0-33] a node adds its entry, gives itself a key and tells how it is as itself', async (ctx) => {
    const of = await place(ctx);
    const front = node(of, 'front1', { now: Date.UTC(2026, 10, 22, 3, 4, 5) });
    await front.join('spm');
    expect(await nodesOf(of)).toMatchObject([
      { cn: 'front1', nid: '2', server: 'front1.example.test', status: 'spm', mwVersion: '1.2.3' },
    ]);
    expect(await front.tell('SPM')).toEqual({ kind: 'told', nodes: 2, twin: undefined });
    const [entry] = await nodesOf(of);
    expect(entry).toMatchObject({ status: 'SPM', mwBeat: '20261122030405.000Z' });
    expect(String(entry?.['userPassword'])).toMatch(/^\{SSHA\}/);
    const key = join(of.dir, 'front1', 'node.key');
    expect(statSync(key).mode & 0o777).toBe(0o600);
    expect(readFileSync(key, 'utf8')).toMatch(/^[\w-]{43}\n$/);
    await front.join('spm'); // A second start: what is there stays.
    expect((await nodesOf(of))[0]).toMatchObject({ nid: '2', status: 'SPM' });
  });

  test('[S0-33] [S0-38] twelve new nodes at one moment: each has a number of its own', async (ctx) => {
    const of = await place(ctx);
    const names = Array.from({ length: 12 }, (_, i) => `front${i}`);
    await Promise.all(names.map((name) => node(of, name).join('m')));
    const numbers = (await nodesOf(of)).map((entry) => Number(entry['nid']));
    expect(numbers.toSorted((a, b) => a - b)).toEqual(names.map((_, i) => i + 2));
  });

  test('a node with the greatest number there is keeps nobody out', async (ctx) => {
    const of = await place(ctx);
    await asAdmin(of, (client) =>
      client.add(nodeDn(of, 'greedy'), {
        objectClass: ['top', 'mwNode'],
        cn: 'greedy',
        nid: '999999999999999',
        server: 'greedy.example.test',
        status: 's',
      }),
    );
    await node(of, 'front1').join('m');
    expect((await nodesOf(of)).map((entry) => entry['nid'])).toEqual(['2', '999999999999999']);
  });

  test('two nodes of one name: the second serves and tells nothing', async (ctx) => {
    const of = await place(ctx);
    const first = node(of, 'front1');
    await first.join('m');
    await first.tell('M');
    const second = node(of, 'front1', { data: 'another' });
    await second.join('m');
    expect(await second.tell('SM')).toEqual({ kind: 'other-key' });
    expect(await nodesOf(of)).toMatchObject([{ status: 'M' }]);
  });

  test('a lost key: nothing is told until the key is taken away, then the node has a new one', async (ctx) => {
    const of = await place(ctx);
    const front = node(of, 'front1');
    await front.join('m');
    rmSync(join(of.dir, 'front1', 'node.key'));
    expect(await front.tell('M')).toEqual({ kind: 'other-key' });
    await dropKey(of, 'front1');
    expect(await front.tell('M')).toMatchObject({ kind: 'told' });
    expect(await nodesOf(of)).toMatchObject([{ status: 'M' }]);
  });

  test('a damaged key counts as lost, and an entry that an administrator made gets one', async (ctx) => {
    const of = await place(ctx);
    const front = node(of, 'front1');
    await front.join('m');
    await dropKey(of, 'front1');
    writeFileSync(join(of.dir, 'front1', 'node.key'), 'torn');
    expect(await front.tell('M')).toMatchObject({ kind: 'told' });
    expect(readFileSync(join(of.dir, 'front1', 'node.key'), 'utf8')).toMatch(/^[\w-]{43}\n$/);
  });

  test('an entry that was taken away is not made again by a beat', async (ctx) => {
    const of = await place(ctx);
    const front = node(of, 'front1');
    await front.join('m');
    await asAdmin(of, (client) => client.del(nodeDn(of, 'front1')));
    expect(await front.tell('M')).toEqual({ kind: 'no-entry' });
    expect(await nodesOf(of)).toEqual([]);
  });

  test('a node whose file has its own identity needs no key', async (ctx) => {
    const of = await place(ctx);
    await node(of, 'front1').join('m');
    const password = readFileSync(join(of.dir, 'front1', 'node.key'), 'utf8').trim();
    const itself = openRegistration({
      directory: {
        ...of.frontend,
        bindDn: `CN=Front1, ou=nodes, ${of.frontend.suffix}`,
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

  test('nobody answers, or refuses: an error that is no answer', async (ctx) => {
    const of = await place(ctx);
    const away = { ...of, frontend: { ...of.frontend, urls: ['ldap://127.0.0.1:1'] } };
    const nowhere = node(away, 'front1');
    await expect(nowhere.tell('M')).rejects.toThrow('No directory server takes the entry');
    await expect(nowhere.join('m')).rejects.toThrow('No directory server takes the entry');
  });

  test('an identity that may not add entries: said, not taken for an outage', async (ctx) => {
    const of = await place(ctx);
    const bindDn = `cn=alice@example.test,${layout(of.frontend.suffix).users}`;
    const user = { ...of, frontend: { ...of.frontend, bindDn, bindPassword: 'demo' } };
    await expect(node(user, 'front1').join('m')).rejects.toThrow(
      /does not show|does not take|takes/,
    );
    expect(await nodesOf(of)).toEqual([]);
  });
});

async function pairOf(ctx: TestContext) {
  needs(ctx, 'root', 'slapd');
  const dir = testDirectory(ctx);
  const pair = await startSlapdPair({ directory: dir });
  ctx.onTestFinished(async () => {
    await Promise.all(pair.map((server) => server.stop()));
  });
  const { suffix, admin, frontend } = pair[0];
  const at = (...urls: string[]): Place => {
    const as = (who: typeof admin): TestAccess => ({
      urls,
      suffix,
      bindDn: who.dn,
      bindPassword: who.password,
    });
    return { dir, frontend: as(frontend), admin: as(admin) };
  };
  return { pair, both: at(pair[0].url, pair[1].url), each: pair.map(({ url }) => at(url)) };
}

test('[S0-26] with the first of two servers away the other is told', async (ctx) => {
  const { pair, both, each } = await pairOf(ctx);
  const [first = both, second = both] = each;
  await node(both, 'front0').join('m'); // It has the number 1, which nodesOf leaves out.
  const front = node(both, 'front1');
  await front.join('m');
  await expect.poll(() => nodesOf(second), { timeout: 30_000 }).toMatchObject([{ nid: '2' }]);
  await pair[0].kill();
  expect(await front.tell('SM')).toMatchObject({ kind: 'told' });
  await pair[0].start();
  await expect
    .poll(() => nodesOf(first), { timeout: 20_000 })
    .toMatchObject([{ status: 'SM', nid: '2' }]);
});

test('[S0-33] two servers that gave one number away while apart: the node hears of its twin', async (ctx) => {
  const { pair, both, each } = await pairOf(ctx);
  const [first = both, second = both] = each;
  await pair[0].stop();
  await node(second, 'front1').join('m');
  await pair[1].stop();
  await pair[0].start();
  const front = node(first, 'front2');
  await front.join('m');
  expect(await front.tell('M')).toMatchObject({ nodes: 1, twin: undefined });
  await pair[1].start();
  await expect
    .poll(() => front.tell('M'), { timeout: 20_000 })
    .toMatchObject({ nodes: 2, twin: expect.stringContaining('cn=front1,') });
});
