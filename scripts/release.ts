/**
 * `npm run release [-- --out DIR] [--version V]`: one archive with the product of the commit that
 * is checked out, its packages and its runtime, and SHA256SUMS beside it. A host without internet
 * and without Node unpacks it and runs `bin/mailfarm`. From one commit it comes out the same to the
 * octet, wherever and whenever it is made: names are sorted, times are the commit's, owners 0, and
 * what is not committed is not in it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { createGzip } from 'node:zlib';

import * as contents from './release-contents.ts';
import { ROOT, read, walk } from './tree.ts';
import { buildWebmail } from './webmail.ts';

const SUMS = 'SHA256SUMS';
const DIST = 'src/webmail/dist';

/** No more of it: TAR_OPTIONS, TAPE, POSIXLY_CORRECT would be heeded. */
const TAR_ENV = { PATH: process.env['PATH'], LC_ALL: 'C' };

/** Something the caller can mend: told without a stack. */
class Refusal extends Error {}

function git(...args: readonly string[]): string {
  const env = { ...process.env, TZ: 'UTC' };
  const { status, stdout, stderr } = spawnSync('git', args, { cwd: ROOT, env, encoding: 'utf8' });
  if (status !== 0) throw new Refusal(`a release is made from a git commit: ${stderr.trim()}`);
  return stdout.trim();
}

interface Identity {
  readonly version: string;
  readonly commit: string;
  /** Seconds since 1970 that every file is given. */
  readonly time: number;
}

/**
 * The version is that of package.json where the commit has its tag; else with the time and the name
 * of the commit behind it, so that versions sort, also in a clone that has no history.
 */
function identity(asked: string | undefined): Identity {
  const commit = git('rev-parse', 'HEAD');
  const { version } = JSON.parse(git('show', 'HEAD:package.json')) as { version: string };
  const tagged = git('tag', '--points-at', 'HEAD').split('\n').includes(`v${version}`);
  const at = git('show', '-s', '--date=format-local:%Y%m%d%H%M%S', '--format=%cd', 'HEAD');
  const full = asked ?? (tagged ? version : `${version}-${at}-g${commit.slice(0, 10)}`);
  if (!/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/.test(full)) {
    throw new Refusal(`--version: "${full}" is not as 1.2.3 or 1.2.3-something`);
  }
  const epoch = process.env['SOURCE_DATE_EPOCH'] ?? git('show', '-s', '--format=%ct', 'HEAD');
  if (!/^\d+$/.test(epoch)) throw new Refusal('SOURCE_DATE_EPOCH is not a number of seconds');
  return { version: full, commit, time: Number(epoch) };
}

/** The commit's files in a folder of their own, with our packages, and the webmail built. */
async function checkOut(place: string): Promise<void> {
  mkdirSync(place);
  const archive = `${place}.tar`;
  // What is committed, whatever ends of lines the one who makes the release likes.
  git('-c', 'core.autocrlf=false', '-c', 'core.eol=lf', 'archive', '-o', archive, 'HEAD');
  const options = { env: TAR_ENV, encoding: 'utf8' } as const;
  const unpacked = spawnSync('tar', ['-x', '-C', place, '-f', archive], options);
  if (unpacked.status !== 0) throw new Error(`tar: ${unpacked.stderr}`);
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(place, 'node_modules'));
  await buildWebmail(place);
}

/** Modes are ours, not those of the umask under which git and npm wrote. */
function put(from: string, to: string): void {
  mkdirSync(path.dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, (statSync(from).mode & 0o100) === 0 ? 0o644 : 0o755);
}

/** What npm needs for development is not in the package.json of a release. */
function packageJson(source: string, { version, commit }: Identity): string {
  const whole = JSON.parse(read(source, 'package.json')) as Record<string, unknown>;
  const kept = ['name', 'private', 'type', 'license', 'description', 'bin', 'imports'];
  const rows = kept.filter((key) => key in whole).map((key) => [key, whole[key]] as const);
  const released = { ...Object.fromEntries(rows), version, commit };
  return `${JSON.stringify(released, null, 2)}\n`;
}

/** The top folder of the archive. @throws Refusal where something it needs would be missing */
function compose(source: string, top: string, which: Identity): void {
  const files: string[] = contents.CARRIED.flatMap((name) => {
    if (!existsSync(path.join(source, name))) return [];
    if (!statSync(path.join(source, name)).isDirectory()) return [name];
    return walk(source, name);
  }).filter(contents.isCarried);
  const built = walk(path.join(source, DIST)).map((file) => `${DIST}/${file}`);
  for (const file of [...files, ...built]) put(path.join(source, file), path.join(top, file));
  const packages = contents.productionPackages(source, process.arch);
  for (const row of packages) {
    if (!existsSync(path.join(source, row.folder))) {
      throw new Refusal(`${row.folder} is not installed: run npm ci`);
    }
    for (const file of contents.packageFiles(source, row)) {
      put(path.join(source, row.folder, file), path.join(top, row.folder, file));
    }
  }
  writeFileSync(path.join(top, 'package.json'), packageJson(source, which));
  writeFileSync(path.join(top, 'LICENCES.md'), contents.licences(source, packages));
  mkdirSync(path.join(top, 'bin'));
  symlinkSync('../src/cli/mailfarm', path.join(top, 'bin/mailfarm'));
  const missing = contents.missingImports(top, files, packages);
  if (missing.length > 0) {
    throw new Refusal(`the release would lack what its code imports:\n${missing.join('\n')}`);
  }
}

const TAR_OPTIONS = [
  '--create',
  '--format=gnu',
  '--sort=name',
  '--owner=0',
  '--group=0',
  '--numeric-owner',
  // A folder that was made in one of a group has its mark, which `=` leaves.
  '--mode=u=rwX,go=rX,a-st',
];

/** Reproducible: the same tree gives the same octets. */
async function pack(folder: string, name: string, time: number, archive: string): Promise<void> {
  const tar = spawn('tar', [...TAR_OPTIONS, `--mtime=@${time}`, '-C', folder, name], {
    env: TAR_ENV,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(tar, 'close');
  const aside = `${archive}.${process.pid}`;
  try {
    // Our zlib, not the machine's gzip: pinned with the runtime, and it writes no name and no time.
    await pipeline(tar.stdout, createGzip({ level: 6 }), createWriteStream(aside));
    const [code] = (await ended) as [number | null];
    if (code !== 0) throw new Error(`tar ended with ${code}`);
    renameSync(aside, archive);
  } finally {
    rmSync(aside, { force: true });
  }
}

/** In the form of sha256sum; lines of other archives that are still there stay. */
async function sum(out: string, archive: string): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path.join(out, archive)), hash);
  const file = path.join(out, SUMS);
  const others = (existsSync(file) ? readFileSync(file, 'utf8') : '').split('\n').filter((line) => {
    const name = line.slice(66);
    return name !== '' && name !== archive && existsSync(path.join(out, name));
  });
  const lines = [...others, `${hash.digest('hex')}  ${archive}`];
  lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1));
  writeFileSync(file, `${lines.join('\n')}\n`);
}

/** @returns path of the archive */
async function release(out: string, asked: string | undefined): Promise<string> {
  const which = identity(asked);
  const changed = git('status', '--porcelain', '--untracked-files=no');
  if (changed !== '') say(`what is not committed is not in it:\n${changed}`);
  mkdirSync(out, { recursive: true });
  const name = `mailfarm-${which.version}`;
  const archive = `${name}-linux-${process.arch}.tar.gz`;
  const work = mkdtempSync(path.join(tmpdir(), 'mailfarm-release-'));
  try {
    const source = path.join(work, 'source');
    await checkOut(source);
    compose(source, path.join(work, name), which);
    await pack(work, name, which.time, path.join(out, archive));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  await sum(out, archive);
  return path.join(out, archive);
}

function say(text: string): void {
  process.stderr.write(`mailfarm: ${text}\n`);
}

const USAGE = 'npm run release [-- --out DIR] [--version V]';

try {
  const { out, version } = parseArgs({
    options: { out: { type: 'string', default: 'dist' }, version: { type: 'string' } },
  }).values;
  const archive = await release(path.resolve(out), version);
  const megabytes = (statSync(archive).size / 1e6).toFixed(1);
  process.stdout.write(`${archive}\n`);
  say(`${megabytes} MB; ${SUMS} beside it`);
} catch (error) {
  const isUsage = String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');
  if (!isUsage && !(error instanceof Refusal)) throw error;
  say(`${(error as Error).message}${isUsage ? `\nusage: ${USAGE}` : ''}`);
  process.exitCode = isUsage ? 64 : 1;
}
