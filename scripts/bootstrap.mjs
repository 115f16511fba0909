// The one plain-JavaScript file: every npm script starts here, on whatever Node (20 or newer) the
// machine has and with nothing installed. It installs what is missing, then runs the target with
// the pinned Node from node_modules. Errors are for a newcomer: what is wrong, what to do.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** What each npm script runs; what the user adds after `--` follows. */
const TARGETS = {
  start: ['src/cli/main.ts', 'demo'],
  test: ['scripts/test.ts'],
  check: ['scripts/check.ts'],
  format: ['scripts/format.ts'],
  generate: ['scripts/generate.ts'],
  mutations: ['scripts/mutations.ts'],
  bench: ['test/bench/main.ts'],
  fuzz: ['scripts/fuzz.ts'],
  release: ['scripts/release.ts'],
  chaos: ['test/chaos/main.ts'],
  'lab:nfs': ['test/lab/main.ts'],
  'lab:farm': ['test/lab/farm/main.ts'],
  witness: ['test/witness/main.ts'],
};

// Made before it runs, when its sources changed; a release carries the result and has no scripts.
const MADE_BEFORE = { start: 'scripts/webmail.ts' };

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

main();

function main() {
  const [name, ...args] = process.argv.slice(2);
  const target = Object.hasOwn(TARGETS, name ?? '') ? TARGETS[name] : undefined;
  if (!target)
    fail(`Usage: node scripts/bootstrap.mjs ${Object.keys(TARGETS).join('|')} [options]`, 64);
  const node = path.join(ROOT, 'node_modules', nodePackage(), 'bin', 'node');
  const missing = missingPackages(node);
  if (missing.length > 0) install(missing, node);
  if (!existsSync(path.join(ROOT, target[0]))) fail(`${target[0]} is not part of this tree`, 64);
  make(node, MADE_BEFORE[name]);
  run(node, [path.join(ROOT, target[0]), ...target.slice(1), ...args]);
}

/** The npm package that carries the pinned runtime for this machine. */
function nodePackage() {
  const [major] = process.versions.node.split('.').map(Number);
  if (major < 20)
    fail(`Node ${process.versions.node} is too old to install with: 20 or newer is needed`);
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    fail(`Mailfarm runs on Linux on x64 or arm64; this is ${process.platform} on ${process.arch}`);
  }
  process.report.excludeNetwork = true;
  if (!process.report.getReport().header.glibcVersionRuntime) {
    fail('Mailfarm needs a Linux with glibc (Debian, Ubuntu, Fedora); not another C library');
  }
  return `node-linux-${process.arch}`;
}

/** Packages that package-lock.json wants and node_modules has not, or in another version. */
function missingPackages(node) {
  const wanted = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const record = path.join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return ['everything'];
  const present = JSON.parse(readFileSync(record, 'utf8')).packages;
  const missing = Object.entries(wanted).filter(([where, wants]) => {
    if (!where.startsWith('node_modules/') || wants.link) return false;
    const there = existsSync(path.join(ROOT, where));
    // Packages for other platforms are left out by npm; what is there must have the right version.
    if (wants.optional && !there) return false;
    return present[where]?.version !== wants.version || !there;
  });
  const names = missing.map(([where]) => where.replace(/^.*node_modules\//, ''));
  return existsSync(node) ? names : ['the pinned Node', ...names];
}

function install(missing, node) {
  const more = missing.length > 3 ? ` and ${missing.length - 3} more` : '';
  say(`installing npm packages (missing: ${missing.slice(0, 3).join(', ')}${more})`);
  const options = [
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  let result = npm(['ci', ...options]);
  if (result.status !== 0 && /EUSAGE|can only install packages when/.test(result.output)) {
    say('package-lock.json and package.json disagree; installing by package.json');
    result = npm(['install', ...options]);
  }
  if (result.status !== 0) fail(`${explain(result.output)}\n\n${result.output.trim()}`);
  if (!existsSync(node))
    fail(`npm left out the optional package ${nodePackage()}, which carries the pinned Node`);
}

function npm(args) {
  // Run through `npm start`, npm says where it is; run by hand, it is looked for in PATH.
  const inside = process.env.npm_execpath;
  const command =
    inside?.endsWith('.js') && existsSync(inside) ? [process.execPath, inside] : ['npm'];
  const result = spawnSync(command[0], [...command.slice(1), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.error?.code === 'ENOENT')
    fail('npm is not in PATH: install it (Debian: apt-get install npm)');
  if (result.error) fail(`npm could not be started: ${result.error.message}`);
  return { status: result.status, output: result.stderr + result.stdout };
}

function explain(output) {
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|network/i.test(output)) {
    return 'npm cannot reach its registry: the first run needs a network';
  }
  if (/ENOSPC/.test(output)) return 'the disk is full';
  if (/EACCES|EPERM|EROFS/.test(output)) return `no permission to write to ${ROOT}/node_modules`;
  if (/EINTEGRITY/.test(output)) return 'a package is not the one that package-lock.json pins';
  return 'npm could not install the packages';
}

function make(node, script) {
  if (script === undefined || !existsSync(path.join(ROOT, script))) return;
  const { status } = spawnSync(node, [path.join(ROOT, script)], { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) say(`${script} failed: going on without what it makes`);
}

/** Becomes the target, as far as a parent can: its signals, its exit code. */
function run(node, args) {
  const bin = path.join(ROOT, 'node_modules', '.bin');
  const child = spawn(node, args, {
    stdio: 'inherit',
    env: {
      // Compiled code is kept between runs: halves the time to start.
      NODE_COMPILE_CACHE: path.join(ROOT, 'node_modules', '.cache', 'compile'),
      ...process.env,
      PATH: [bin, process.env.PATH].filter(Boolean).join(path.delimiter),
      npm_node_execpath: node,
    },
  });
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      // Ctrl-C reaches everybody at the terminal; a second one could mean "at once".
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on('error', (error) => fail(`${node} could not be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1));
  });
}

function say(text) {
  process.stderr.write(`mailfarm: ${text}\n`);
}

function fail(text, code = 69) {
  say(text);
  process.exit(code);
}
