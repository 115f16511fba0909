/**
 * `npm test`: installs the peers that tests need, runs the check, then every test, and says which
 * statements were proven. `npm test -- src/pop3 -t 'stat'` gives everything to vitest and runs the
 * tests only. Nothing here reads standard input.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';

import { inCi } from './statements.ts';
import { ROOT } from './tree.ts';

const INSTALLER = 'test/harness/install.ts';
const VITEST = 'node_modules/vitest/vitest.mjs';
const REPORTERS = ['--reporter=default', '--reporter=./scripts/statements.ts'];

/** Runs a script of the tree with the pinned Node; its exit code. */
function run(
  script: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(ROOT, script), ...args], {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
    });
    const pass = (signal: NodeJS.Signals): unknown => child.kill(signal);
    process.on('SIGINT', pass).on('SIGTERM', pass);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('SIGINT', pass).off('SIGTERM', pass);
      resolve(signal ? 128 + constants.signals[signal] : (code ?? 1));
    });
  });
}

async function main(args: readonly string[]): Promise<number> {
  const all = args.length === 0;
  // Names of folders and files: the peers are for what lies in test/.
  const paths = args.filter((arg) => !arg.startsWith('-') && existsSync(path.join(ROOT, arg)));
  const peers = paths.length === 0 || paths.some((name) => path.normalize(name).startsWith('test'));
  const steps: [script: string, args: readonly string[]][] = [];
  if (peers) steps.push([INSTALLER, []]);
  if (peers) steps.push(['scripts/webmail.ts', []]);
  if (all) steps.push(['scripts/check.ts', []]);
  const failed: string[] = [];
  for (const [script, options] of steps) {
    const code = await run(script, options);
    if (code >= 128) return code; // Stopped by a signal.
    if (code !== 0) failed.push(script);
  }
  // The tests' count is the last line of a run, so that it must know of what failed before.
  const env = {
    // Decision 19: a whole run tries once more what fails, and names it; who works on a test sees
    // the first failure.
    ...((all || inCi()) && { MAILFARM_TEST_RETRY: process.env['MAILFARM_TEST_RETRY'] ?? '1' }),
    ...(all && { MAILFARM_TEST_ALL: '1' }),
    ...(failed.length > 0 && { MAILFARM_TEST_FAILED_BEFORE: failed.join(', ') }),
  };
  const code = await run(VITEST, ['run', ...REPORTERS, ...args], env);
  return code !== 0 ? code : failed.length > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
