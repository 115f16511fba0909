import { execFileSync, spawnSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAdmin } from '../../directory/admin/admin.ts';
import { startTestCli, type TestCli } from '../testing/cli.ts';

let cli: TestCli;
beforeAll(async () => {
  cli = await startTestCli({ server: 'embedded' });
});
afterAll(() => cli.close());

const modeOf = (path: string): string => (lstatSync(path).mode & 0o777).toString(8);
const MAIN = join(import.meta.dirname, '../main.ts');

test('what may have hashes in it is its owner’s alone, whatever was there before', async () => {
  const made = ['directory', 'export', '--with-passwords', '--output'];
  for (const form of [[], ['--ldif']]) {
    const before = cli.file(`before${form.length}`, 'of somebody else');
    execFileSync('chmod', ['644', before]);
    const link = join(cli.dir, `link${form.length}`);
    symlinkSync(before, link);
    const done = await cli.run([...made, link, ...form]);
    expect(done).toMatchObject({ code: 0, err: '' });
    expect(modeOf(link)).toBe('600');
    expect(lstatSync(link).isSymbolicLink(), 'a link is replaced, not followed').toBe(false);
    expect(readFileSync(before, 'utf8')).toBe('of somebody else');
    await cli.run([...made, before, ...form]);
    expect(modeOf(before)).toBe('600');
  }
  expect(readdirSync(cli.dir).filter((name) => name.endsWith('.new'))).toEqual([]);
});

test('hashes are not shown on a terminal, nor when nobody asked', async () => {
  const ldif = ['directory', 'export', '--ldif'];
  expect(await cli.run([...ldif, '--with-passwords'], { columns: 80 })).toMatchObject({
    code: 64,
    out: '',
    err: expect.stringContaining('not printed to a terminal') as string,
  });
  expect((await cli.run([...ldif, '--with-passwords'])).out).toMatch(/userPassword/);
  expect((await cli.run(ldif, { columns: 80 })).out).not.toMatch(/userPassword/i);
  expect((await cli.run([...ldif, '--every', '1h'])).code).toBe(64);
  expect((await cli.run(['directory', 'export'])).code).toBe(64);
  expect((await cli.run(['directory', 'export', '--every', 'x', '--output', 'y'])).code).toBe(64);
});

test('[S1-08] compile tells every fault with its line, and inspect what came out', async () => {
  const output = join(cli.dir, 'compiled');
  const compile = (text: string, ...more: readonly string[]) =>
    cli.run(['directory', 'compile', cli.file('text', text), '--output', output, ...more]);
  const bad = await compile('a@b.test:host\nnonsense\na@b.test:other\n');
  expect(bad.code).toBe(65);
  expect(bad.out.replaceAll(cli.dir, '')).toBe(
    '/text:2: this is not user@domain:server[:port]\n' +
      '/text:3: a@b.test stands at line 1 already\n',
  );
  const told = await compile('nonsense\n', '--json');
  expect(JSON.parse(told.out)).toEqual({
    problems: [{ line: 1, message: 'this is not user@domain:server[:port]' }],
  });
  expect((await cli.run(['directory', 'compile', '/none', '--output', output])).code).toBe(66);
  expect((await compile('a@b.test:host\n', '--suffix', 'dc=x')).code).toBe(0);
  const inspected = await cli.run(['directory', 'inspect', output, '--json']);
  expect(JSON.parse(inspected.out)).toMatchObject({
    file: output,
    withPasswords: false,
    suffix: 'dc=x',
    counts: { domains: 1, rules: 1, users: 0 },
  });
  const foreign = await cli.run(['directory', 'inspect', cli.config]);
  expect(foreign).toMatchObject({ code: 69, out: '' });
  expect(foreign.err).toMatch(/admin.yaml is no snapshot of a directory$/m);
});

test('a full disk, or a folder in its place, leaves what was there', async () => {
  const output = join(cli.dir, 'full');
  const text = Array.from({ length: 400 }, (_, n) => `user${n}@b${n}.test:host\n`).join('');
  const source = cli.file('many', text);
  await cli.run(['directory', 'compile', cli.file('one', 'a@b.test:host\n'), '--output', output]);
  const before = readFileSync(output);
  const words = `exec "$0" "$1" directory compile "$2" --output "$3"`;
  const argv = ['-c', `ulimit -f 8; ${words}`, process.execPath, MAIN, source, output];
  const full = spawnSync('/bin/bash', argv, { encoding: 'utf8' });
  expect([full.status, full.stderr]).toEqual([69, expect.stringContaining('cannot be written')]);
  expect(readFileSync(output)).toEqual(before);
  const folder = await cli.run(['directory', 'compile', source, '--output', cli.dir]);
  expect(folder.code).toBe(69);
  expect(statSync(cli.dir).isDirectory()).toBe(true);
  expect(readdirSync(cli.dir).filter((name) => name.endsWith('.new'))).toEqual([]);
});

test('[S2-17] an older directory, or one with fewer users, replaces nothing unasked', async () => {
  const output = join(cli.dir, 'guarded');
  const { urls, suffix, bindDn, bindPassword } = cli.directory.admin;
  const admin = await openAdmin({ urls, suffix, bindDn, bindPassword });
  const logins = Array.from({ length: 30 }, (_, n) => `g${n}@example.test`);
  for (const login of logins) await admin.users.add({ login, password: 'demo' });
  const made = ['directory', 'export', '--output', output];
  expect((await cli.run(made)).code).toBe(0);
  for (const login of logins.slice(18)) await admin.users.remove(login);
  await admin.close();
  const fewer = await cli.run(made);
  expect(fewer).toMatchObject({ code: 69, out: '' });
  expect(fewer.err).toMatch(/is left as it is; --force replaces it/);
  expect((await cli.run([...made, '--force'])).code).toBe(0);
});
