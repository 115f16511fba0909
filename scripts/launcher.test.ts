import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

import { plant } from './planted.ts';
import { read, ROOT } from './tree.ts';

const TREE = {
  'src/cli/mailfarm': read(ROOT, 'src/cli/mailfarm'),
  [`node_modules/node-linux-${process.arch}/bin/node`]:
    '#!/bin/sh\necho "$(basename "$1") $2 [$3] $NODE_COMPILE_CACHE"\nexit 75\n',
};

function launch(command: string, env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
  const options = { encoding: 'utf8', env: { PATH: '/usr/bin:/bin', ...env } } as const;
  return spawnSync(command, ['user', 'two words'], options);
}

test('the command runs with the pinned Node, its arguments and its exit code', () => {
  const root = plant(TREE);
  const { stdout, stderr, status } = launch(path.join(root, 'src/cli/mailfarm'));
  expect([stdout, stderr, status]).toEqual(['main.ts user [two words] \n', '', 75]);
});

test('it finds its tree through links, as npx and /usr/bin have them', () => {
  const root = plant(TREE);
  mkdirSync(path.join(root, 'bin'));
  symlinkSync('../src/cli/mailfarm', path.join(root, 'bin/first'));
  symlinkSync('first', path.join(root, 'bin/mailfarm'));
  expect(launch(path.join(root, 'bin/mailfarm')).status).toBe(75);
});

test('compiled code is kept where only this user writes, or nowhere', () => {
  const command = path.join(plant(TREE), 'src/cli/mailfarm');
  const kept = (env: NodeJS.ProcessEnv): string => launch(command, env).stdout.trim();
  expect(kept({ HOME: '/h' })).toMatch(/ \/h\/\.cache\/mailfarm-compiled$/);
  expect(kept({ HOME: '/h', CACHE_DIRECTORY: '/c' })).toMatch(/ \/c\/mailfarm-compiled$/);
  expect(kept({ HOME: '/h', NODE_COMPILE_CACHE: '/n' })).toMatch(/ \/n$/);
});

test('without the pinned Node it says what to do', () => {
  const root = plant({ 'src/cli/mailfarm': TREE['src/cli/mailfarm'] });
  const { stderr, status } = launch(path.join(root, 'src/cli/mailfarm'));
  expect(stderr).toBe(`mailfarm: the pinned Node is missing; run npm ci in ${root}\n`);
  expect(status).toBe(69);
});
