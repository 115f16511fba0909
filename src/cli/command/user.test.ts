import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { startTestDirectory, type TestDirectory } from '../../directory/testing.ts';
import { UsageError } from '../command.ts';
import { USER_COMMANDS } from './user.ts';

let server: TestDirectory;
let dir: string;
let config: string;

beforeAll(async () => {
  server = await startTestDirectory();
  dir = mkdtempSync(join(tmpdir(), 'mailfarm-cli-'));
  config = join(dir, 'admin.yaml');
  const { urls, suffix, bindDn, bindPassword } = server.admin;
  const secret = join(dir, 'secret');
  writeFileSync(secret, bindPassword, { mode: 0o600 });
  const directory = { urls, base: suffix, 'bind-dn': bindDn, 'password-file': secret };
  writeFileSync(config, stringify({ name: 'n', data: dir, directory }));
});
afterAll(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

async function run(name: string, args: readonly string[], flags: object): Promise<unknown> {
  let said: unknown;
  await USER_COMMANDS[name]?.run({
    args,
    flags: { config, ...flags },
    json: true,
    env: {},
    out: { line: () => {}, note: () => {}, json: (value) => (said = value), table: () => {} },
    readInput: async () => 'secret',
  });
  return said;
}

test('a path on no volume is refused before anything is written; a slash at its end is not', async () => {
  const add = (login: string, path: string): Promise<unknown> =>
    run('user add', [login], { 'password-stdin': true, path });
  await expect(add('new@example.test', '/elsewhere/new')).rejects.toThrow(UsageError);
  await expect(run('user show', ['new@example.test'], {})).rejects.toThrow(/no user/);
  expect(await add('new@example.test', '/mail1/12/34/new/')).toMatchObject({
    path: '/mail1/12/34/new',
  });
  const moved = run('user set', ['new@example.test'], { path: '/mail1' });
  await expect(moved).rejects.toThrow(/lies on no volume/);
});
