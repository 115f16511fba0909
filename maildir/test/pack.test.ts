import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { withTree } from './tree.ts';

// What a stranger gets: the packed tarball, installed in an empty project, runs the example of
// the package's README as it stands there.

const run = promisify(execFile);
const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url));

/** npm of this installation, under the Node that runs the test. */
const env = {
  ...process.env,
  PATH: `${dirname(process.execPath)}:${MODULES}/.bin:${process.env['PATH'] ?? ''}`,
  npm_config_offline: 'true',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
};

async function pack(destination: string): Promise<string> {
  const args = ['pack', '--json', '--pack-destination', destination];
  await run('npm', args, { cwd: PACKAGE, env });
  const { version } = JSON.parse(await readFile(`${PACKAGE}/package.json`, 'utf8')) as {
    version: string;
  };
  return `${destination}/mailfarm-maildir-${version}.tgz`;
}

async function example(): Promise<string> {
  const readme = await readFile(`${PACKAGE}/README.md`, 'utf8');
  const [, code] = /```js\n([^]*?)```/.exec(readme) ?? [];
  if (code === undefined) throw new Error('README.md has no example');
  return code;
}

/** Uses the types as a strict project would, without any setting that hides their errors. */
const TYPED = `
import { openMaildirs, isErrno, type Entry, type Maildirs, type Lie } from '@mailfarm/maildir';
export const open: typeof openMaildirs = openMaildirs;
export const names = (entries: readonly Entry[]): string[] => entries.map((entry) => entry.name);
export const list = (maildirs: Maildirs): Promise<readonly Entry[]> => maildirs.list('/m');
export const stale = (error: unknown): boolean => isErrno(error, 'ESTALE');
export const lie: Lie = 'rename';
// @ts-expect-error: the set of lies is closed.
export const other: Lie = 'mood';
`;

test(
  'the packed package, installed in an empty project, runs the README example',
  () =>
    withTree(async (root) => {
      const tarball = await pack(root);
      const { stdout: listed } = await run('tar', ['-tzf', tarball]);
      const files = listed.trim().split('\n');
      for (const file of [
        'README.md',
        'LICENSE',
        'package.json',
        'dist/index.js',
        'dist/index.d.ts',
      ]) {
        expect(files).toContain(`package/${file}`);
      }
      expect(files.filter((file) => /test|tsconfig|(?<!\.d)\.ts$/.test(file))).toEqual([]);

      const project = `${root}/project`;
      await mkdir(project);
      await writeFile(`${project}/package.json`, '{ "type": "module", "private": true }\n');
      await run('npm', ['install', tarball], { cwd: project, env });
      await writeFile(`${project}/example.mjs`, await example());
      const { stdout, stderr } = await run(process.execPath, ['example.mjs'], { cwd: project });
      expect(stdout).toBe('cur Subject: Hello\n\nHow are you?\n');
      expect(stderr).toBe('');

      await writeFile(`${project}/typed.ts`, TYPED);
      await symlink(`${MODULES}/@types`, `${project}/node_modules/@types`);
      const strict = ['--strict', '--noEmit', '--module', 'nodenext', '--types', 'node'];
      await run('tsc', [...strict, '--target', 'es2024', 'typed.ts'], { cwd: project, env });
    }),
  120_000,
);
