import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

import { linkPackages, plant, texts } from './planted.ts';
import { checkStatements, idsOf, report, summarize, type Outcome } from './statements.ts';
import { ROOT } from './tree.ts';

// In pieces, so that these tests do not claim to prove anything themselves.
const id = (...names: readonly string[]): string => `[${names.join(', ')}]`;

const outcome = (title: string, state: Outcome['state']): Outcome => ({ title, state, why: 'why' });

test('ids are read from titles', () => {
  expect(idsOf(`${id('P-02')} a ${id('S0-20', 'N-05')}`)).toEqual(['P-02', 'S0-20', 'N-05']);
  expect(idsOf('[a P-02] [SYS/TEMP] P-02')).toEqual([]);
});

test('a statement is proven when all of its tests passed', () => {
  const summary = summarize([
    outcome(`${id('P-01')} a`, 'passed'),
    outcome(`${id('P-01', 'P-02')} b`, 'passed'),
    outcome(`${id('P-02')} c`, 'failed'),
    outcome(`${id('P-02')} d`, 'skipped'),
    outcome(`${id('P-03')} e`, 'passed'),
    outcome(`${id('P-03')} f`, 'skipped'),
  ]);
  expect(summary).toEqual({ proven: ['P-01'], failed: ['P-02'], skipped: ['P-03'] });
});

test('the last line counts everything that failed', () => {
  const run = { otherFailures: 2, failedBefore: 'scripts/check.ts', all: false };
  const lines = report([outcome('a', 'passed'), outcome('b', 'skipped')], run)
    .trim()
    .split('\n');
  expect(lines.at(-1)).toBe('1 passed, 3 failed, 1 skipped');
  expect(lines).toContain('  b (why)');
  expect(lines).toContain('FAILED before the tests: scripts/check.ts');
});

test('titles whose ids nobody could look up are found', () => {
  const root = plant({
    'test/statements.tsv': 'id\tstatement\nP-01\tSMTP\nP-2\tPOP3\n',
    'test/a.test.ts': `f('${id('P-01')} a');\nf('${id('P-07')} b');\nf('[P-01 part] c');\n`,
  });
  expect(texts(checkStatements(root))).toEqual([
    'is no id, tab, statement',
    'P-07 is not in test/statements.tsv',
    '[P-01 part] is not like [P-01] or [P-01, P-02]',
  ]);
});

describe('a whole run of vitest', () => {
  /** Nothing of the run that these tests are part of: `npm test` says so in the environment. */
  const environment = (ci: string): NodeJS.ProcessEnv => ({
    ...process.env,
    CI: ci,
    MAILFARM_TEST_ALL: undefined,
    MAILFARM_TEST_FAILED_BEFORE: undefined,
  });

  /** Runs planted tests with the reporter; standard output and exit code. */
  function run(text: string, ci: string): { out: string[]; code: number | null } {
    const root = plant({
      'package.json': '{ "type": "module" }\n',
      'a.test.ts': `import { test } from 'vitest';\n${text}`,
    });
    linkPackages(root);
    const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs');
    const reporter = `--reporter=${path.join(ROOT, 'scripts/statements.ts')}`;
    const child = spawnSync(process.execPath, [vitest, 'run', reporter], {
      cwd: root,
      encoding: 'utf8',
      env: environment(ci),
    });
    return { out: child.stdout.trim().split('\n'), code: child.status };
  }

  test('says what was proven', () => {
    const { out, code } = run(`test('${id('P-01')} a', () => {});\n`, '');
    expect([out[0], out.at(-1), code]).toEqual([
      'statements proven: P-01',
      '1 passed, 0 failed, 0 skipped',
      0,
    ]);
  });

  test('a skipped test is listed with its reason, and fails the run in CI only', () => {
    const text = `test('${id('P-01')} a', (context) => context.skip('no swaks'));\n`;
    const elsewhere = run(text, '');
    expect(elsewhere.out).toContain('statements skipped: P-01');
    expect(elsewhere.out.join('\n')).toContain('(no swaks)');
    expect(elsewhere.code).toBe(0);
    expect(run(text, 'true').code).toBe(1);
  });

  test('a test that passes when it is tried again passes, and is named', () => {
    const text = `let tries = 0;
      test('${id('P-01')} late', { retry: 1 }, () => {
        if (tries++ === 0) throw new Error('too early');
      });
      test('${id('P-02')} never', { retry: 1 }, () => { throw new Error('no'); });
      test('inside', (ctx) => void (ctx.task.meta.unsteady = 'in a laboratory'));\n`;
    const { out, code } = run(text, 'true');
    expect(out.filter((line) => line.startsWith('  unsteady: '))).toEqual([
      `  unsteady: a.test.ts > ${id('P-01')} late (too early)`,
      '  unsteady: a.test.ts > inside (in a laboratory)',
    ]);
    expect(out).toContain('statements proven: P-01');
    expect([out.at(-1), code]).toEqual(['2 passed, 2 of them unsteady, 1 failed, 0 skipped', 1]);
  });

  test('a file that does not load is a failure', () => {
    const { out, code } = run("import './gone.ts';\n", '');
    expect([out.at(-1), code]).toEqual(['0 passed, 1 failed, 0 skipped', 1]);
  });
});
