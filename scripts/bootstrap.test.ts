import { spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

import { add, plant } from './planted.ts';
import { read, ROOT } from './tree.ts';

const NODE = `node_modules/node-linux-${process.arch}`;
/** A pinned Node that says what it is asked to run. */
const PINNED = '#!/bin/sh\necho "pinned: $(basename "$1") $2 $3"\nexit 7\n';

const lock = (version: string): string =>
  JSON.stringify({
    packages: {
      '': {},
      'node_modules/a': { version },
      'node_modules/other-platform': { version: '1', optional: true },
    },
  });

const BARE = {
  'package.json': '{}\n',
  'package-lock.json': lock('2'),
  'scripts/bootstrap.mjs': read(ROOT, 'scripts/bootstrap.mjs'),
  'scripts/test.ts': '',
  // npm, as far as it is asked: `npm ci` makes what the lock file says.
  'bin/npm': '#!/bin/sh\necho "$1" >>npm.log\ncp -r installed node_modules\n',
  'installed/.package-lock.json': lock('2'),
  'installed/a/package.json': '{}',
  [`installed/node-linux-${process.arch}/bin/node`]: PINNED,
};

const INSTALLED = {
  ...BARE,
  'node_modules/.package-lock.json': lock('2'),
  'node_modules/a/package.json': '{}',
  [`${NODE}/bin/node`]: PINNED,
};

function bootstrap(root: string, ...args: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [path.join(root, 'scripts/bootstrap.mjs'), ...args], {
    encoding: 'utf8',
    env: { PATH: `${path.join(root, 'bin')}:/usr/bin:/bin`, HOME: root },
  });
}

describe('with everything installed', () => {
  test('the target runs with the pinned Node, its options and its exit code', () => {
    const { stdout, stderr, status } = bootstrap(plant(INSTALLED), 'test', 'src/pop3', '-x');
    expect([stdout, stderr, status]).toEqual(['pinned: test.ts src/pop3 -x\n', '', 7]);
  });

  test('start is the demo', () => {
    const root = plant({ ...INSTALLED, 'src/cli/main.ts': '' });
    expect(bootstrap(root, 'start', '--port-base').stdout).toBe(
      'pinned: main.ts demo --port-base\n',
    );
  });

  test('a target that does not exist is a usage error', () => {
    const root = plant(INSTALLED);
    expect(bootstrap(root, 'toString')).toMatchObject({ status: 64, stdout: '' });
    expect(bootstrap(root, 'bench').stderr).toContain(
      'test/bench/main.ts is not part of this tree',
    );
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`${signal} reaches the target, and its way to end is kept`, async () => {
      // Node sets its own handler even where the signal is ignored from above; a shell does not.
      const code = `process.on('${signal}', () => { console.log('caught'); process.exit(5); });`;
      const script = `${code} console.log('ready'); setInterval(() => {}, 1000);`;
      const node = `#!/bin/sh\nexec "${process.execPath}" -e "${script}"\n`;
      const root = plant({ ...INSTALLED, [`${NODE}/bin/node`]: node });
      const child = spawn(process.execPath, [path.join(root, 'scripts/bootstrap.mjs'), 'test']);
      let out = '';
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      await once(child.stdout, 'data');
      child.kill(signal);
      expect(await once(child, 'close')).toEqual([5, null]);
      expect(out).toBe('ready\ncaught\n');
    });
  }

  test('SIGTERM to npm reaches the target: no shell stands between them', () => {
    const { scripts } = JSON.parse(read(ROOT, 'package.json')) as { scripts: object };
    for (const command of Object.values(scripts)) expect(command).toMatch(/^exec node scripts\//);
  });

  test('a target that a signal ended gives 128 and its number', () => {
    const root = plant({ ...INSTALLED, [`${NODE}/bin/node`]: '#!/bin/sh\nkill -9 $$\n' });
    expect(bootstrap(root, 'test').status).toBe(137);
  });
});

describe('with something missing', () => {
  test('a bare tree is installed first, with a line that says so', () => {
    const root = plant(BARE);
    const { stdout, stderr } = bootstrap(root, 'test');
    expect(stderr).toBe('mailfarm: installing npm packages (missing: everything)\n');
    expect(stdout).toContain('pinned: test.ts');
    expect(read(root, 'npm.log')).toBe('ci\n');
  });

  test('a package in another version, one whose folder is gone, and the Node are noticed', () => {
    const old = plant({ ...INSTALLED, 'node_modules/.package-lock.json': lock('1') });
    expect(bootstrap(old, 'test').stderr).toContain('(missing: a)');
    const { 'node_modules/a/package.json': _folder, ...withoutFolder } = INSTALLED;
    expect(bootstrap(plant(withoutFolder), 'test').stderr).toContain('(missing: a)');
    const { [`${NODE}/bin/node`]: _node, ...withoutNode } = INSTALLED;
    expect(bootstrap(plant(withoutNode), 'test').stderr).toContain('(missing: the pinned Node)');
  });

  test('a lock file that disagrees with package.json is installed by package.json', () => {
    const root = plant(BARE);
    const npm =
      '#!/bin/sh\necho "$1" >>npm.log\n[ "$1" = ci ] && { echo npm error code EUSAGE; exit 1; }\n';
    add(root, { 'bin/npm': `${npm}cp -r installed node_modules\n` });
    expect(bootstrap(root, 'test').stdout).toContain('pinned');
    expect(read(root, 'npm.log')).toBe('ci\ninstall\n');
  });

  const troubles: readonly [says: string, means: string][] = [
    ['npm error code ENOTFOUND', 'npm cannot reach its registry: the first run needs a network'],
    ['npm error code ENOSPC', 'the disk is full'],
    ['npm error code EACCES', 'no permission to write to'],
    ['npm error code EINTEGRITY', 'a package is not the one that package-lock.json pins'],
    ['npm error something else', 'npm could not install the packages'],
  ];
  for (const [says, means] of troubles) {
    test(`'${says}' is explained, with npm's own words`, () => {
      const root = plant({ ...BARE, 'bin/npm': `#!/bin/sh\necho ${says} >&2\nexit 1\n` });
      const { stderr, stdout, status } = bootstrap(root, 'test');
      expect(stderr).toContain(`mailfarm: ${means}`);
      expect(stderr).toContain(says);
      expect([stdout, status]).toEqual(['', 69]);
    });
  }

  test('npm itself missing, and the Node left out by npm, are explained', () => {
    const noNpm = plant(BARE);
    const child = spawnSync(process.execPath, [path.join(noNpm, 'scripts/bootstrap.mjs'), 'test'], {
      encoding: 'utf8',
      env: { PATH: '/nowhere' },
    });
    expect([child.stderr, child.status]).toEqual([
      expect.stringContaining('npm is not in PATH'),
      69,
    ]);
    const { [`installed/node-linux-${process.arch}/bin/node`]: _node, ...withoutNode } = BARE;
    expect(bootstrap(plant(withoutNode), 'test').stderr).toContain(
      'npm left out the optional package',
    );
  });
});
