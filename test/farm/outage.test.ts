/**
 * The directory fails in every way while clients ask: nobody whom the farm serves hears a
 * permanent error, nobody else gets in, and service is back within seconds.
 * MAILFARM_TEST_SECONDS makes each failure that long (600 for the ten minutes of S3-23).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'ldapts';
import { expect, test, type TestContext } from 'vitest';
import { hashPassword } from '../../src/directory/embedded/password.ts';
import type { SeedEntry } from '../../src/directory/frame.ts';
import { testDirectory } from '../harness/directory.ts';
import { needs } from '../harness/needs.ts';
import { farmSeed, startNode, userSeed, type FarmNode } from '../harness/nodes.ts';
import { startSlapd, startSlapdPair, type Slapd } from '../harness/slapd.ts';
import { startLoad, type DirectoryLoad } from './directory-load.ts';
import { send } from './letters.ts';
import { startRelay, type Relay } from './relay.ts';

/** How long one failure lasts. */
const FAILURE_MS = Number(process.env['MAILFARM_TEST_SECONDS'] ?? 6) * 1_000;
const USERS = 20;
/** So many that a replica takes seconds to have them all: cn=farm comes long before the last. */
const OTHERS = 1_500;

const logins = Array.from({ length: USERS }, (_, i) => `user${i}@example.test`);
/** Those who ask stand behind the `others`: a replica that is being filled has them last. */
async function entries(others: number): Promise<readonly SeedEntry[]> {
  const userPassword = await hashPassword('demo', 'SSHA512');
  const names = Array.from({ length: others }, (_, i) => `other${i}@example.test`);
  return [...names, ...logins].map((login, i) => userSeed(login, 3000 + i, { userPassword }));
}

/** Seconds shortened, so that what a test asks is asked of the directory and not of the cache. */
const SHORT = {
  'directory.cache.fresh': '500ms',
  'directory.password.fresh': '500ms',
  'directory.connect.deadline': '2s',
  'directory.operation.deadline': '2s',
} as const;

interface Scene {
  readonly servers: readonly Slapd[];
  /** Between the node and the first server. */
  readonly relay: Relay;
  readonly node: FarmNode;
  readonly load: DirectoryLoad;
  /** Starts the node once more, after it was stopped. */
  again(): Promise<FarmNode>;
}

/** One node on one slapd or on a pair, with clients that ask. */
async function scene(ctx: TestContext, servers: 1 | 2, others = 0): Promise<Scene> {
  needs(ctx, 'root', 'slapd');
  const dir = testDirectory(ctx);
  const seed = await farmSeed(dir, { entries: await entries(others), settings: SHORT });
  const options = { directory: dir, ...seed };
  const all = servers === 1 ? [await startSlapd(options)] : await startSlapdPair(options);
  ctx.onTestFinished(async () => {
    await Promise.all(all.map((server) => server.stop()));
  });
  const [first] = all;
  if (!first) throw new Error('no server');
  const relay = await startRelay(first.url);
  ctx.onTestFinished(() => relay.close());
  const at = { ...first, urls: [relay.url, ...all.slice(1).map(({ url }) => url)] };
  const again = async (): Promise<FarmNode> => {
    const started = await startNode({ dir, name: 'node1', at, base: seed.base });
    ctx.onTestFinished(() => started.stop());
    return started;
  };
  const node = await again();
  const load = startLoad({ ports: [node.ports], users: logins });
  ctx.onTestFinished(() => load.stop());
  // Every user has been asked for, of each worker: there is a last known good answer.
  const asked = (): number => Math.min(load.tallies.mail.accepted, load.tallies.login.accepted);
  await expect.poll(asked, { timeout: 120_000 }).toBeGreaterThan(5 * USERS);
  const warm = load.since();
  expect(load.violations).toEqual([]);
  const late = warm.mail.temporary + warm.login.temporary; // On a busy machine.
  expect(late).toBeLessThanOrEqual((warm.mail.accepted + warm.login.accepted) / 50);
  const refused = [warm['mail-to-nobody'].permanent, warm['login-wrong'].permanent];
  expect(Math.min(...refused)).toBeGreaterThan(0);
  return { servers: all, relay, node, load, again };
}

/** Everything as in a sound farm: nothing temporary for two seconds, within `ms`. */
async function backToFresh(load: DirectoryLoad, ms = 90_000): Promise<void> {
  const sound = async (): Promise<readonly string[]> => {
    load.since();
    await sleep(2_000);
    return Object.entries(load.since()).flatMap(([kind, { temporary, broken }]) =>
      temporary + broken > 0 ? [`${kind}: ${temporary} temporary, ${broken} broken`] : [],
    );
  };
  await expect.poll(sound, { timeout: ms, interval: 1 }).toEqual([]);
}

test('[N-10] [S0-26] [S2-19] two slapd: each in turn is killed and started again under load', async (ctx) => {
  const { servers, load } = await scene(ctx, 2);
  for (const server of servers) {
    await server.kill();
    await sleep(FAILURE_MS / 2);
    await server.start();
    await backToFresh(load);
  }
  await load.stop();
  expect(load.violations).toEqual([]);
  const { mail, login } = load.tallies;
  // Whoever asked the one that died may have to come again; the other answers all the time.
  expect(mail.temporary + login.temporary).toBeLessThan((mail.accepted + login.accepted) / 20);
});

test('[N-10] [S2-19] one replica emptied and refilled under load: no 550, no refused login', async (ctx) => {
  const { servers, load } = await scene(ctx, 2, OTHERS);
  for (const server of servers) {
    await server.stop();
    server.empty();
    await server.start(); // It answers at once, with success and nothing in it.
    await expect.poll(() => isRefilled(server), { timeout: 180_000, interval: 500 }).toBe(true);
    await backToFresh(load);
  }
  await load.stop();
  expect(load.violations).toEqual([]);
  // The other one was whole all the time.
  const { mail, login } = load.tallies;
  const temporary = mail.temporary + login.temporary;
  expect(temporary).toBeLessThan(10 + (mail.accepted + login.accepted) / 50);
});

/** It shows a contextCSN when everything has arrived. */
const isRefilled = (server: Slapd): Promise<boolean> =>
  asAdmin(server, async (client) => {
    const attributes = ['contextCSN'];
    const { searchEntries } = await client.search(server.suffix, { scope: 'base', attributes });
    return String(searchEntries[0]?.['contextCSN'] ?? '') !== '';
  }).catch(() => false);

async function asAdmin<T>(server: Slapd, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ url: server.url });
  try {
    await client.bind(server.admin.dn, server.admin.password);
    return await work(client);
  } finally {
    await client.unbind();
  }
}

/** What was said while nobody can know anything new. */
async function whileAway(load: DirectoryLoad): Promise<void> {
  await sleep(4_000); // What was asked before is answered.
  load.since();
  await sleep(FAILURE_MS);
  const away = load.since();
  // Users known from before go on: mail by the last good answer, logins as they were verified.
  expect(away.mail.accepted).toBeGreaterThan(0);
  expect(away.login.accepted).toBeGreaterThan(0);
  const { 'mail-to-nobody': nobody, 'login-wrong': wrong } = away;
  expect([nobody.accepted, nobody.permanent, wrong.accepted]).toEqual([0, 0, 0]);
}

test('[N-10] [S3-23] the directory is dead under load: no permanent error, fresh within seconds', async (ctx) => {
  const { servers, load } = await scene(ctx, 1);
  await servers[0]?.kill();
  await whileAway(load);
  await servers[0]?.start();
  await backToFresh(load);
  await load.stop();
  expect(load.violations).toEqual([]);
});

test('[N-10] a directory that takes connections and answers nothing: the same', async (ctx) => {
  const { relay, node, load } = await scene(ctx, 1);
  relay.hold();
  await whileAway(load);
  relay.release();
  await backToFresh(load);
  await load.stop();
  expect(load.violations).toEqual([]);
  expect(node.process.running()).toBe(true);
});

test('[N-10] [S2-08] a node ends and starts again while the directory hangs: nothing waits for it', async (ctx) => {
  const { relay, node, load, again } = await scene(ctx, 1);
  await load.stop();
  relay.hold();
  const began = performance.now();
  await node.stop();
  expect(performance.now() - began).toBeLessThan(20_000); // Its goodbye is not waited for.
  const second = await again(); // With the settings of its last good start.
  expect(second.process.output()).toContain('MF-NODE-004');
  const [first = ''] = logins;
  expect((await send(second.ports.mx, [first])).code).toBe(451);
  relay.release();
  const rcpt = async (): Promise<number> => (await send(second.ports.mx, [first])).code;
  await expect.poll(rcpt, { timeout: 120_000 }).toBe(250);
});

test('[N-10] [S2-19] a replica that lags behind says "no such user" and is not believed', async (ctx) => {
  const { servers, node, load } = await scene(ctx, 2);
  await load.stop();
  const [first, second] = servers;
  if (!first || !second) throw new Error('no pair');
  await second.stop();
  const rcpt = async (to: string): Promise<number> => (await send(node.ports.mx, [to])).code;
  await addUsers(first, ['late@example.test', 'later@example.test']);
  expect(await rcpt('late@example.test')).toBe(250);
  await sleep(1_500);
  // The node looks at the newest state.
  await expect.poll(() => rcpt('nobody@example.test')).toBe(550);
  await first.kill();
  await second.start(); // It has never heard of either user.
  await sleep(2_500);
  const said = new Set<number>();
  for (let i = 0; i < 10; i++) {
    for (const to of ['late@example.test', 'later@example.test']) said.add(await rcpt(to));
    said.add(await rcpt(logins[i] ?? ''));
    await sleep(100);
  }
  expect([...said].filter((code) => code >= 500)).toEqual([]);
  expect(said).toContain(250);
  await first.start();
  const both = async (): Promise<number[]> => [
    await rcpt('late@example.test'),
    await rcpt('later@example.test'),
    await rcpt('nobody@example.test'),
  ];
  await expect.poll(both, { timeout: 120_000 }).toEqual([250, 250, 550]);
});

const addUsers = (server: Slapd, names: readonly string[]): Promise<void> =>
  asAdmin(server, async (client) => {
    for (const [i, name] of names.entries()) {
      const { dn, attributes } = userSeed(name, 7000 + i);
      await client.add(dn, attributes as Record<string, string | string[]>);
    }
  });
