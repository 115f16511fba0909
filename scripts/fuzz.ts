/**
 * `npm run fuzz`: the fuzz tests (every `fuzz.test.ts`) with as many hostile inputs as a night may
 * have, and another seed each time: `npm run fuzz -- --runs 200000 --seed 7 pop3`. What it finds
 * becomes a row in a table of conversations.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { ROOT, walk } from './tree.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '200000' },
    seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
  },
});

const tests = ['src', 'maildir', 'test']
  .flatMap((top) => walk(ROOT, top))
  .filter((file) => /(^|\/)fuzz[^/]*\.test\.ts$/.test(file))
  .filter((file) => positionals.length === 0 || positionals.some((word) => file.includes(word)));
if (tests.length === 0) {
  process.stderr.write(`no fuzz test fits ${positionals.join(', ') || 'the tree'}\n`);
  process.exit(64);
}
process.stdout.write(`FUZZ_SEED=${values.seed}, ${values.runs} inputs: ${tests.join(', ')}\n`);
const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs');
const result = spawnSync(process.execPath, [vitest, 'run', '--testTimeout=0', ...tests], {
  cwd: ROOT,
  stdio: 'inherit',
  env: { ...process.env, MAILFARM_FUZZ_RUNS: values.runs, FUZZ_SEED: values.seed },
});
process.exitCode = result.status ?? 1;
