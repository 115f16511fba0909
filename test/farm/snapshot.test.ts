/**
 * The periodic way (S2-17): nodes run on a file made from the directory, which is then gone. The
 * hours are seconds here, by the settings of a snapshot's ages; hours themselves are tested with an
 * injected clock (src/directory/snapshot/open.test.ts).
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, type TestContext } from 'vitest';
import { stringify } from 'yaml';
import { openAdmin } from '../../src/directory/admin/admin.ts';
import { serveEmbeddedDirectory } from '../../src/directory/embedded/server.ts';
import { DEFAULT_SUFFIX, layout } from '../../src/directory/schema.ts';
import { TEST_SERVERS, type TestServerKind } from '../../src/directory/testing.ts';
import { testDirectory } from '../harness/directory.ts';
import { administer, farmSeed, listenOf, userSeed } from '../harness/nodes.ts';
import { start, type Running } from '../harness/process.ts';
import { startSlapd } from '../harness/slapd.ts';
import { fetch, send } from './letters.ts';

const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'src/cli/main.ts');
const PLACED = 'tevie@example.test';
const LATER = 'later@example.test';
const STALE_MS = 60_000;
const NEGATIVE_MS = 30_000;

const reply = async (port: number, to: string): Promise<number> => (await send(port, [to])).code;
const login = async (port: number, user: string, password = 'demo'): Promise<string> =>
  await fetch(port, user, password).then(
    (messages) => `${messages.length} messages`,
    (error: Error) => /-ERR ([A-Z/]+)/.exec(error.message)?.[1] ?? error.message,
  );

/** A mailbox that is there: only a node with a live directory places new users. */
function maildir(dir: string, name: string): string {
  const path = join(dir, 'mail1/12', name);
  for (const part of ['tmp', 'new', 'cur']) {
    mkdirSync(join(path, part), { recursive: true, mode: 0o700 });
  }
  return path;
}

async function farm(ctx: TestContext, server: TestServerKind, settings: Record<string, string>) {
  const dir = testDirectory(ctx);
  const seed = await farmSeed(dir, {
    entries: [userSeed(PLACED, 20_001, { mwPath: maildir(dir, 'tevie') })],
    settings,
  });
  const passwords = { adminPassword: 'admin-secret', frontendPassword: 'frontend-secret' };
  const firstStart = { ...seed, ...passwords };
  const directory =
    server === 'slapd'
      ? await startSlapd({ directory: dir, ...firstStart })
      : await serveEmbeddedDirectory({
          data: join(dir, 'directory'),
          host: '127.0.0.1',
          port: 0,
          firstStart,
        });
  let running = true;
  const stop = async (): Promise<void> => {
    if (running) await ('close' in directory ? directory.close() : directory.stop());
    running = false;
  };
  ctx.onTestFinished(stop);
  const names = layout(DEFAULT_SUFFIX);
  const mailfarm = administer(dir, {
    urls: [directory.url],
    suffix: DEFAULT_SUFFIX,
    admin: { dn: names.admin, password: passwords.adminPassword },
    frontend: { dn: names.frontend, password: passwords.frontendPassword },
  });
  const admin = {
    urls: [directory.url],
    suffix: DEFAULT_SUFFIX,
    bindDn: names.admin,
    bindPassword: passwords.adminPassword,
  };
  const snapshot = join(dir, 'directory.snapshot');
  return { dir, base: seed.base, snapshot, stop, mailfarm, admin };
}

/** A node whose file names a snapshot and no server. */
function serve(ctx: TestContext, at: { readonly dir: string; readonly snapshot: string }): Running {
  const data = join(at.dir, 'state');
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const file = join(at.dir, 'node1.snapshot.yaml');
  const directory = { snapshot: at.snapshot };
  writeFileSync(file, stringify({ name: 'node1', data, workers: 1, directory }));
  const running = start([process.execPath, MAIN, 'serve', '--config', file], {
    cwd: ROOT,
    withParent: 'TERM',
  });
  ctx.onTestFinished(() => running.stop(20_000));
  return running;
}

describe.each(TEST_SERVERS)('%s', (server) => {
  test('[S2-17] [S3-09] [N-10] a farm on files: mail, logins, then caution', async (ctx) => {
    const at = await farm(ctx, server, {
      'directory.snapshot.negative': `${NEGATIVE_MS}ms`,
      'directory.snapshot.stale': `${STALE_MS}ms`,
    });
    const exported = ['directory', 'export', '--output', at.snapshot, '--with-passwords'];
    const first = await at.mailfarm(exported);
    expect([first.code, first.stderr.toString()]).toEqual([0, '']);
    const node = serve(ctx, at);
    await node.waitFor(/^mailfarm is ready/m, 30_000);
    const [mx, pop3] = [at.base, at.base + 2];
    expect(listenOf(at.base)[2]).toBe(`pop3 127.0.0.1:${pop3}`);

    // A user who is added reaches the nodes with the next file, without a restart.
    expect(await reply(mx, LATER)).toBe(550);
    const admin = await openAdmin(at.admin);
    await admin.users.add({ login: LATER, password: 'demo', path: maildir(at.dir, 'later') });
    await admin.close();
    expect(await reply(mx, LATER)).toBe(550);
    const next = `${at.snapshot}.copied`;
    const second = await at.mailfarm([...exported.slice(0, 3), next, '--with-passwords']);
    expect([second.code, second.stderr.toString()]).toEqual([0, '']);
    renameSync(next, at.snapshot);
    const madeAt = Date.now();
    await at.stop(); // From here on there is no directory.
    await expect.poll(() => reply(mx, LATER), { timeout: 10_000 }).toBe(250);

    expect(await reply(mx, PLACED)).toBe(250);
    expect(await login(pop3, PLACED)).toBe('1 messages');
    expect(await login(pop3, PLACED, 'wrong')).toBe('AUTH');
    expect(await reply(mx, 'nobody@example.test')).toBe(550);
    // Nobody can be placed: the first letter waits.
    expect(Math.floor((await reply(mx, 'alice@example.test')) / 100)).toBe(4);

    await sleep(Math.max(0, madeAt + NEGATIVE_MS + 500 - Date.now()));
    expect(await reply(mx, PLACED)).toBe(250);
    expect(await login(pop3, PLACED)).toMatch(/^[23] messages$/);
    expect(Math.floor((await reply(mx, 'nobody@example.test')) / 100)).toBe(4);
    expect(await login(pop3, PLACED, 'wrong')).toBe('SYS/TEMP');
    await sleep(Math.max(0, madeAt + STALE_MS + 500 - Date.now()));
    expect(Math.floor((await reply(mx, PLACED)) / 100)).toBe(4);
    expect(await login(pop3, PLACED)).toBe('SYS/TEMP');
  }, 180_000);
});

test('[S2-17] a node without logins does not start with a snapshot with hashes', async (ctx) => {
  const at = await farm(ctx, 'embedded', {});
  const { dir, snapshot, mailfarm } = at;
  const listen = ['--listen', `mx 127.0.0.1:${at.base}`];
  expect((await mailfarm(['node', 'set', 'node1', ...listen])).code).toBe(0);
  const exported = ['directory', 'export', '--output', snapshot];
  expect((await mailfarm([...exported, '--with-passwords'])).code).toBe(0);
  const node = serve(ctx, { dir, snapshot });
  await node.exited;
  expect(node.output()).toMatch(/MF-DIR-016/);
  expect((await mailfarm(exported)).code).toBe(0);
  await serve(ctx, { dir, snapshot }).waitFor(/^mailfarm is ready/m, 30_000);
}, 60_000);
