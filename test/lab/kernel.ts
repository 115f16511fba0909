/**
 * The laboratory's kernel: Debian's user-mode Linux with the C library that it wants, fetched by
 * apt (which checks signatures) into a folder below the cache and made to run from there. Kernels
 * of different releases fail on different processors, so each candidate is booted once; the first
 * that runs programs is remembered in a small file named by a hash of the recipe.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { mirror } from '../harness/peers-root.ts';
import { run, runOrThrow } from '../harness/process.ts';
import { KEYRING } from './needs.ts';

/** Debian's releases in the order of preference. */
const SUITES = ['trixie', 'sid'];
const TRIAL_MS = 30_000;

/** $1 a new folder, $2 the suite, $3 the mirror: apt with lists and settings of its own. */
const FETCH = `
set -e
cd "$1"
keys=${KEYRING}
mkdir -p lists/partial archives/partial none system
echo "deb [signed-by=$keys] $3 $2 main" > sources.list
cat > apt.conf <<EOF
Dir::State "$1"; Dir::State::status "/dev/null"; Dir::Cache "$1";
Dir::Etc::sourcelist "$1/sources.list"; Dir::Etc::sourceparts "$1/none";
Dir::Etc::preferences "$1/none/x"; Dir::Etc::preferencesparts "$1/none";
Acquire::Languages "none"; APT::Sandbox::User "";
EOF
export APT_CONFIG="$1/apt.conf"
apt-get -q update
apt-get -q download user-mode-linux libc6
for package in *.deb; do dpkg -x "$package" system; done
libraries=$(dirname "$1"/system/usr/lib/*-linux-gnu/ld-linux-*.so.2)
cp system/usr/bin/linux.uml linux
patchelf --set-interpreter "$libraries"/ld-linux-*.so.2 --set-rpath "$libraries" linux
mkdir -p lib
mv system/usr/lib/uml/modules lib/modules
rm -rf lists archives none ./*.deb ./*.bin sources.list apt.conf
`;

/** The first program of the trial's kernel: processes, memory, floating point. */
const TRIAL = `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
i=0
while [ $i -lt 20 ]; do i=$((i + 1)); awk 'BEGIN { x = sqrt(2) }'; done
echo "mailfarm-trial $(uname -r)"
echo o > /proc/sysrq-trigger
sleep 5
`;

export interface Kernel {
  /** The folder with `linux` and `lib/modules`. */
  readonly folder: string;
  readonly release: string;
  readonly suite: string;
  /** What was tried before it and why it was not taken. */
  readonly refused: readonly string[];
}

const recipe = createHash('sha256')
  .update(JSON.stringify([SUITES, FETCH, TRIAL]))
  .digest('hex')
  .slice(0, 12);
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mailfarm');
const record = join(cache, `uml-${recipe}.json`);

/** The kernel in the cache, if it was made before. */
export function findKernel(): Kernel | undefined {
  if (!existsSync(record)) return undefined;
  const kernel = JSON.parse(readFileSync(record, 'utf8')) as Kernel;
  return existsSync(join(kernel.folder, 'linux')) ? kernel : undefined;
}

/** Finds or makes it. @throws Error that says why no candidate will do */
export async function obtainKernel(say: (line: string) => void): Promise<Kernel> {
  const found = findKernel();
  if (found !== undefined) return found;
  if (process.arch !== 'x64') throw new Error('user-mode Linux exists for x64 only');
  const from = await mirror();
  const refused: string[] = [];
  for (const suite of SUITES) {
    say(`fetching user-mode Linux of Debian ${suite}`);
    const folder = join(cache, `uml-${recipe}-${suite}-${process.pid}`);
    mkdirSync(folder, { recursive: true });
    try {
      await runOrThrow(['bash', '-c', FETCH, 'fetch', folder, suite, from], { ms: 300_000 });
      const release = await tryKernel(folder);
      const kernel = { folder, release, suite, refused };
      writeFileSync(`${record}.${process.pid}`, JSON.stringify(kernel, undefined, 2));
      renameSync(`${record}.${process.pid}`, record);
      return kernel;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      refused.push(`${suite}: ${why.slice(-400)}`);
      say(`  not taken: ${why.split('\n').at(-1) ?? ''}`);
      rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new Error(`no user-mode Linux starts here\n${refused.join('\n')}`);
}

/** @returns its release. @throws Error with the end of what it printed */
async function tryKernel(folder: string): Promise<string> {
  const init = join(folder, 'trial');
  writeFileSync(init, TRIAL, { mode: 0o755 });
  const result = await run(
    kernelCommand({ folder }, ['mem=256M', `uml_dir=${folder}`, `init=${init}`]),
    {
      ms: TRIAL_MS,
      withParent: 'KILL',
    },
  );
  const said = result.stdout.toString('utf8') + result.stderr;
  const release = /mailfarm-trial (\S+)/.exec(said)?.[1];
  const broken = said.split('\n').find((line) => /panic|BUG:|Oops/.test(line));
  if (release === undefined || broken !== undefined) {
    throw new Error(`it does not run here: ${broken?.trim() ?? said.slice(-300)}`);
  }
  return release;
}

/** The command that boots it: this machine's own file system, read-only, is its root. */
export const kernelCommand = (
  kernel: Pick<Kernel, 'folder'>,
  more: readonly string[],
): readonly string[] => [
  join(kernel.folder, 'linux'),
  'root=/dev/root',
  'rootfstype=hostfs',
  'rootflags=/',
  'ro',
  'con=null',
  'con0=null,fd:1',
  ...more,
];
