/**
 * The periodic way (S2-17): nodes run on a file made from the directory, which is then gone. Nobody
 * waits for hours: the file is replaced by itself as if it had been made hours before.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import { stringify } from 'yaml';
import { openAdmin } from '../../src/directory/admin/admin.ts';
import { serveEmbeddedDirectory } from '../../src/directory/embedded/server.ts';
import { decodeHeader, encodeHeader, HEADER_BYTES } from '../../src/directory/snapshot/format.ts';
import { writeSnapshot } from '../../src/directory/snapshot/write.ts';
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
const HOUR_MS = 3_600_000;

const SUSPENDED = 'broke@example.test';

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

/** The snapshot at `from` comes to `path` as nodes get it, made `ms` ago. */
function putAged(from: string, path: string, ms: number): void {
  const bytes = readFileSync(from);
  const header = decodeHeader(bytes.subarray(0, HEADER_BYTES));
  encodeHeader({ ...header, createdAt: Date.now() - ms }).copy(bytes);
  writeFileSync(`${path}.copied`, bytes, { mode: 0o600 });
  renameSync(`${path}.copied`, path);
}

async function farm(ctx: TestContext, server: TestServerKind) {
  const dir = testDirectory(ctx);
  const seed = await farmSeed(dir, {
    entries: [
      userSeed(PLACED, 20_001, { mwPath: maildir(dir, 'tevie') }),
      userSeed(SUSPENDED, 20_002, { mwPath: maildir(dir, 'broke'), mwSuspended: 'pop3' }),
    ],
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
function serve(
  ctx: TestContext,
  at: { readonly dir: string; readonly snapshot: string },
  ...flags: readonly string[]
): Running {
  const data = join(at.dir, 'state');
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const file = join(at.dir, 'node1.snapshot.yaml');
  const directory = { snapshot: at.snapshot };
  writeFileSync(file, stringify({ name: 'node1', data, workers: 1, directory }));
  const running = start([process.execPath, MAIN, 'serve', '--config', file, ...flags], {
    cwd: ROOT,
    withParent: 'TERM',
  });
  ctx.onTestFinished(() => running.stop(20_000));
  return running;
}

describe.each(TEST_SERVERS)('%s', (server) => {
  test('[S2-17] [S3-09] [N-10] a farm on files: mail, logins, then caution', async (ctx) => {
    const at = await farm(ctx, server);
    const first = await at.mailfarm([
      'directory',
      'export',
      '--output',
      at.snapshot,
      '--with-passwords',
    ]);
    expect([first.code, first.stderr.toString()]).toEqual([0, '']);
    const node = serve(ctx, at);
    await node.waitFor(/^mailfarm is ready/m, 240_000);
    const [mx, pop3] = [at.base, at.base + 2];
    expect(listenOf(at.base)[2]).toBe(`pop3 127.0.0.1:${pop3}`);

    // A user who is added reaches the nodes with the next file, without a restart.
    expect(await reply(mx, LATER)).toBe(550);
    const admin = await openAdmin(at.admin);
    await admin.users.add({ login: LATER, password: 'demo', path: maildir(at.dir, 'later') });
    await admin.close();
    expect(await reply(mx, LATER)).toBe(550);
    const next = `${at.snapshot}.next`;
    await writeSnapshot({ directory: at.admin, output: next, withPasswords: true });
    await at.stop(); // From here on there is no directory.
    putAged(next, at.snapshot, HOUR_MS);
    await expect.poll(() => reply(mx, LATER), { timeout: 120_000 }).toBe(250);

    expect(await reply(mx, PLACED)).toBe(250);
    expect(await login(pop3, PLACED)).toBe('1 messages');
    expect(await login(pop3, PLACED, 'wrong')).toBe('AUTH');
    expect(await login(pop3, SUSPENDED)).toBe('AUTH');
    expect(await reply(mx, 'nobody@example.test')).toBe(550);
    // Nobody can be placed: the first letter waits.
    expect(await reply(mx, 'alice@example.test')).toBe(451);

    putAged(next, at.snapshot, 3 * HOUR_MS);
    await expect.poll(() => reply(mx, 'nobody@example.test'), { timeout: 120_000 }).toBe(451);
    expect(await reply(mx, PLACED)).toBe(250);
    expect(await login(pop3, PLACED)).toBe('2 messages');
    expect(await login(pop3, PLACED, 'wrong')).toBe('SYS/TEMP');
    putAged(next, at.snapshot, 25 * HOUR_MS);
    await expect.poll(() => reply(mx, PLACED), { timeout: 120_000 }).toBe(451);
    expect(await login(pop3, PLACED)).toBe('SYS/TEMP');
  }, 600_000);
});

test('[S2-17] a node without logins does not start with a snapshot with hashes', async (ctx) => {
  const at = await farm(ctx, 'embedded');
  await writeSnapshot({ directory: at.admin, output: at.snapshot, withPasswords: true });
  const node = serve(ctx, at, '--roles', 'mx');
  expect(await node.exited, node.output()).toBe(78);
  expect(node.output()).toMatch(/MF-DIR-016/);
}, 600_000);
