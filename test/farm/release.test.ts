/**
 * The release as a host gets it: two clones give the same octets, and one of these archives runs
 * where nothing else is: no network, no Node, no checkout.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { needs } from '../harness/needs.ts';
import { run, runOrThrow, saidBy } from '../harness/process.ts';

const ROOT = join(import.meta.dirname, '../..');
const PRODUCT = /^mailfarm-(\d+\.\d+\.\d+(?:-[\w.-]+)?)-linux-(?:x64|arm64)\.tar\.gz$/;
/** Clones, archives and what is unpacked of them. */
let place: string;
let archive: string;

beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'mailfarm-release-test-'));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

/** What people have in their environment, and should not be in a release. */
const FOREIGN = {
  TAR_OPTIONS: '--exclude=README.md',
  GIT_CONFIG_COUNT: '1',
  GIT_CONFIG_KEY_0: 'core.autocrlf',
  GIT_CONFIG_VALUE_0: 'true',
};

/** A clone of what is committed, with the packages of this tree, and the release made in it. */
async function madeIn(of: string, name: string, umask: string, zone: string): Promise<string> {
  const clone = join(place, name);
  await runOrThrow(['git', 'clone', '-q', '--depth', '1', `file://${of}`, clone]);
  symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
  const out = join(place, `out ${name}`);
  const script = `umask ${umask}; exec "$0" scripts/release.ts --out "$1"`;
  const temporary = join(place, `temporary ${name}`);
  mkdirSync(temporary);
  const foreign = zone === 'UTC' ? {} : { ...FOREIGN, TMPDIR: temporary };
  if (zone !== 'UTC') chmodSync(temporary, 0o2777);
  const { code, ...said } = await run(['sh', '-c', script, process.execPath, out], {
    cwd: clone,
    env: { TZ: zone, LC_ALL: zone === 'UTC' ? 'C' : 'C.UTF-8', ...foreign },
    ms: 500_000,
  });
  expect(code, saidBy({ code, ...said })).toBe(0);
  return out;
}

/** Which files of two archives are not the same. */
async function difference(...archives: readonly string[]): Promise<string> {
  const folders = archives.map((_, i) => join(place, `difference ${i}`));
  for (const [i, folder] of folders.entries()) {
    mkdirSync(folder);
    await runOrThrow(['tar', '-xzf', archives[i] ?? '', '-C', folder]);
  }
  const { stdout } = await run(['diff', '-rq', ...folders]);
  return stdout.toString().slice(0, 5_000) || 'only names, modes or times';
}

test('[S0-15] [S0-18] two clones in two folders give one archive, octet for octet, with its sum', async () => {
  const one = await madeIn(ROOT, 'one', '022', 'UTC');
  // Of the first clone: somebody may be committing.
  const two = await madeIn(join(place, 'one'), 'another place', '077', 'Asia/Tokyo');
  const names = readdirSync(one).toSorted();
  expect(names).toEqual(['SHA256SUMS', expect.stringMatching(PRODUCT)]);
  expect(readdirSync(two).toSorted()).toEqual(names);
  archive = join(one, names[1] ?? '');
  const sum = (file: string): string =>
    createHash('sha256').update(readFileSync(file)).digest('hex');
  const other = join(two, names[1] ?? '');
  const differing = sum(other) === sum(archive) ? '' : await difference(archive, other);
  expect(differing).toBe('');
  await runOrThrow(['sha256sum', '--check', '--strict', 'SHA256SUMS'], { cwd: one });

  const listed = (await runOrThrow(['tar', '-tvzf', archive])).toString().trim().split('\n');
  expect(listed.filter((line) => !/^\S+ 0\/0 /.test(line))).toEqual([]);
  expect(listed.filter((line) => /^-..(?:.-|..x.*\.ts$)/.test(line))).toEqual([]);
  const paths = listed.map((line) => line.replace(/ -> .*/, '').replace(/^.* [\d:]+ /, ''));
  const top = `${names[1]?.replace(/-linux-\w+\.tar\.gz$/, '')}/`;
  expect(paths.filter((name) => !name.startsWith(top))).toEqual([]);
  expect(paths).toContain(`${top}LICENCES.md`);
  // No tests, no tools of development, nothing that was there by chance.
  const foreign = /\.test\.tsx?$|\/testing\/|node_modules\/(?:vitest|typescript|vite|preact)\//;
  expect(paths.filter((name) => foreign.test(name) || name.startsWith(`${top}test/`))).toEqual([]);
}, 1_200_000);

/** All that the host has besides the archive: no Node, no npm, no git. */
const PROGRAMS = ['sh', 'dirname', 'readlink', 'uname', 'tar', 'gzip', 'curl', 'sleep', 'grep'];

/** Runs as root in namespaces of its own: `$1` the archive, `$2` a folder, `$3` the checkout. */
const HOST = `
set -eu
mount -t tmpfs none "$3"
ip link set lo up
PATH=$2/bin
export PATH HOME="$2/home"
cd "$2"
if command -v node || command -v npm; then echo 'there is a Node'; exit 9; fi
tar -xzf "$1" -C "$2/opt"
ln -s "$2"/opt/mailfarm-*/bin/mailfarm "$2/bin/mailfarm"
cd /
mailfarm version
mailfarm demo --data "$2/data" --port-base 14000 >"$2/demo.log" 2>&1 &
demo=$!
trap 'kill $demo; wait $demo || true' EXIT
until grep -q '^mailfarm is ready' "$2/demo.log"; do
  kill -0 $demo || { sed -n 1,99p "$2/demo.log"; exit 8; }
  sleep 0.2
done
mailfarm check --config "$2/data/node.yaml"
printf 'From: a@example.test\\r\\nSubject: from the archive\\r\\n\\r\\nhello\\r\\n' >"$2/letter"
curl -sS smtp://127.0.0.1:14025 --mail-from '' --mail-rcpt bob@example.test -T "$2/letter"
curl -sS pop3://127.0.0.1:14110/1 -u bob@example.test:demo
curl -sS -H 'Accept: text/html' http://127.0.0.1:14080/ | grep -o '<title>[^<]*'
`;

test('[S0-15] it runs on a host without network, Node and checkout: a letter goes in and out', async (ctx) => {
  needs(ctx, 'root', '/usr/bin/curl');
  expect(archive, 'the archive of the test before').toBeDefined();
  const host = join(place, 'host');
  for (const name of ['bin', 'home', 'opt']) mkdirSync(join(host, name), { recursive: true });
  for (const name of [...PROGRAMS, 'ip', 'mount', 'sed', 'ln']) {
    const found = (await runOrThrow(['sh', '-c', `command -v ${name}`])).toString().trim();
    symlinkSync(found, join(host, 'bin', name));
  }
  const inside = ['unshare', '--net', '--mount', '--pid', '--fork', '--mount-proc'];
  const argv = [...inside, '/bin/sh', '-c', HOST, 'host', archive, host, ROOT];
  const result = await run(argv, { ms: 400_000 });
  expect(result.code, saidBy(result)).toBe(0);
  const said = result.stdout.toString();
  expect(said).toMatch(/^mailfarm \d+\.\d+\.\d+\S* on Node v24\./m);
  expect(said).toMatch(/^Subject: from the archive\r?$/m);
  expect(said).toMatch(/<title>\w/);
}, 600_000);
