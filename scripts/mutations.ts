/**
 * `npm run mutations`: a test proves a promise only if it fails without the code. Each row of
 * mutants.ts switches a line off in a copy of the tree; the named test must pass before and fail
 * after. `npm run mutations -- N-05 pop3` runs the rows whose statement or file fits a word.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { MUTANTS, type Mutant } from './mutants.ts';
import { read, ROOT, type Finding } from './tree.ts';

const COPIED = ['src', 'maildir', 'scripts', 'test', 'package.json', 'vitest.config.ts'];
const TEST_MS_MAX = 300_000;

interface Result {
  readonly passed: number;
  readonly failed: number;
  /** What vitest said, for the message when it ran no test at all. */
  readonly output: string;
}

/** A copy of the tree at `root` in a new folder, with its packages. */
export function copyTree(root: string): string {
  const copy = mkdtempSync(path.join(tmpdir(), 'mailfarm-mutations-'));
  for (const name of COPIED)
    cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(copy, 'node_modules'));
  return copy;
}

/** Runs the tests of `file` whose title holds `title`, in the tree at `root`. */
function runTest(root: string, file: string, title: string): Result {
  const pattern = title.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs');
  const json = path.join(root, 'mutation-result.json');
  rmSync(json, { force: true });
  const options = ['--reporter=json', `--outputFile=${json}`, '-t', pattern];
  const child = spawnSync(process.execPath, [vitest, 'run', file, ...options], {
    cwd: root,
    encoding: 'utf8',
    timeout: TEST_MS_MAX,
    // Where it skips elsewhere it fails here: a test that does not run proves nothing.
    env: { ...process.env, CI: 'true' },
  });
  const output = child.stderr + child.stdout;
  try {
    const result = JSON.parse(readFileSync(json, 'utf8')) as {
      numPassedTests: number;
      numFailedTests: number;
    };
    return { passed: result.numPassedTests, failed: result.numFailedTests, output };
  } catch {
    return { passed: 0, failed: 0, output };
  }
}

/** Why this row proves nothing; undefined where the test fails without the code, as it must. */
function judge(copy: string, mutant: Mutant): string | undefined {
  const file = path.join(copy, mutant.file);
  const text = readFileSync(file, 'utf8');
  const places = text.split(mutant.find).length - 1;
  if (places !== 1) return `the text to replace stands ${places} times in ${mutant.file}`;
  const [before, after] = text.split(mutant.find) as [string, string];
  writeFileSync(file, before + mutant.replace + after);
  try {
    const { passed, failed, output } = runTest(copy, mutant.test, mutant.title);
    if (failed > 0) return undefined;
    if (passed > 0) return 'the test passes without the code';
    return `no test ran: the mutation breaks more than the promise\n${output}`;
  } finally {
    writeFileSync(file, text);
  }
}

/** Rows that no longer fit the tree: the code moved on and the row did not. */
export function checkMutants(root: string, mutants: readonly Mutant[] = MUTANTS): Finding[] {
  return mutants.flatMap(({ file, find, test }) => {
    const gone = [file, test].find((name) => !existsSync(path.join(root, name)));
    const places = gone === undefined ? read(root, file).split(find).length - 1 : 0;
    if (places === 1) return [];
    const short = find.trim().split('\n')[0] ?? '';
    const text =
      gone === undefined
        ? `'${short}', which scripts/mutants.ts switches off, stands here ${places} times`
        : `scripts/mutants.ts names it and it does not exist`;
    return [{ file: gone ?? file, line: 1, text }];
  });
}

/** Runs every mutant against a copy of the tree at `root`; what is wrong, by row. */
export function runMutants(
  root: string,
  mutants: readonly Mutant[],
  say: (line: string) => void,
): string[] {
  const copy = copyTree(root);
  const wrong: string[] = [];
  const healthy = new Map<string, string | undefined>();
  const isHealthy = ({ test, title }: Mutant): string | undefined => {
    const { passed, failed, output } = runTest(copy, test, title);
    if (passed > 0 && failed === 0) return undefined;
    return passed + failed === 0
      ? `no test of ${test} is called '${title}'\n${output}`
      : `the test fails in the tree as it is\n${output}`;
  };
  try {
    for (const mutant of mutants) {
      const key = `${mutant.test}\n${mutant.title}`;
      if (!healthy.has(key)) healthy.set(key, isHealthy(mutant));
      const problem = healthy.get(key) ?? judge(copy, mutant);
      const name = `${mutant.statement} ${mutant.file}: ${mutant.why}`;
      say(`${problem === undefined ? 'killed  ' : 'SURVIVED'} ${name}`);
      if (problem !== undefined) wrong.push(`${name}: ${problem}`);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  return wrong;
}

function main(words: readonly string[]): number {
  const chosen = MUTANTS.filter(
    ({ statement, file }) =>
      words.length === 0 || words.some((word) => statement === word || file.includes(word)),
  );
  const say = (line: string): unknown => process.stdout.write(`${line}\n`);
  const wrong = runMutants(ROOT, chosen, say);
  if (wrong.length > 0) say(`\n${wrong.join('\n')}`);
  say(`${chosen.length - wrong.length} of ${chosen.length} mutations were noticed by their test`);
  return wrong.length > 0 || chosen.length === 0 ? 1 : 0;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
