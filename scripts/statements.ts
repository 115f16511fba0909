/**
 * A vitest reporter: which of the statements that the product must prove (test/statements.tsv) this
 * run proved, by the ids in the titles of tests (`[P-02] …`, `[S0-20, S0-22] …`). A statement is
 * proven when at least one test names it and every test that names it passed. In CI a skipped test
 * fails the run, because it proves nothing. A test that passed only when tried again is named
 * (decision 19), and a whole run says where its minutes went.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';

import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';

import { parse } from './parse.ts';
import { timeTable } from './test-times.ts';
import { read, ROOT, walk, type Finding } from './tree.ts';

export const STATEMENTS = 'test/statements.tsv';
const GROUP = /\[((?:S\d|N|P)-\d\d(?:,? (?:S\d|N|P)-\d\d)*)\]/g;
const LIKE_AN_ID = /\b(?:S[0-4]|N|P)-\d\d?\b/;

export const inCi = (): boolean => !['', '0', 'false'].includes(process.env['CI'] ?? '');

/** Ids in a test's full title. */
export function idsOf(title: string): string[] {
  return [...title.matchAll(GROUP)].flatMap((group) => (group[1] ?? '').split(/,? /));
}

export interface Outcome {
  /** Titles of the suites and the test, joined. */
  readonly title: string;
  readonly state: 'passed' | 'failed' | 'skipped' | 'pending';
  /** Why it was skipped, where the test said so; of one that passed, why not at the first try. */
  readonly why: string;
  /** Passed, but not at the first try. */
  readonly unsteady?: boolean;
}

declare module 'vitest' {
  interface TaskMeta {
    /** Set by a test that stands for one of a laboratory, where that was tried again. */
    unsteady?: string;
  }
}

export interface Summary {
  readonly proven: readonly string[];
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

/** The worst outcome of a statement's tests is the statement's. */
export function summarize(outcomes: readonly Outcome[]): Summary {
  const states = new Map<string, Set<Outcome['state']>>();
  for (const { title, state } of outcomes) {
    for (const id of idsOf(title)) states.set(id, (states.get(id) ?? new Set()).add(state));
  }
  const verdict = (seen: ReadonlySet<Outcome['state']>): keyof Summary => {
    if (seen.has('failed')) return 'failed';
    return seen.has('skipped') || seen.has('pending') ? 'skipped' : 'proven';
  };
  const summary = { proven: [] as string[], failed: [] as string[], skipped: [] as string[] };
  for (const id of [...states.keys()].toSorted())
    summary[verdict(states.get(id) ?? new Set())].push(id);
  return summary;
}

/** Ids of the list, and what is wrong with the list. */
function listed(root: string): { ids: string[]; wrong: Finding[] } {
  if (!existsSync(path.join(root, STATEMENTS))) {
    return { ids: [], wrong: [{ file: STATEMENTS, line: 1, text: 'is missing' }] };
  }
  const lines = read(root, STATEMENTS).trimEnd().split('\n').slice(1);
  const wrong = lines.flatMap((line, at) =>
    /^(S\d|N|P)-\d\d\t\S.*$/.test(line)
      ? []
      : [{ file: STATEMENTS, line: at + 2, text: 'is no id, tab, statement' }],
  );
  return { ids: lines.map((line) => line.split('\t')[0] ?? ''), wrong };
}

/** Ids in titles that no reader could look up, and brackets that look like ids and are none. */
export function checkStatements(root: string): Finding[] {
  const { ids, wrong } = listed(root);
  const files = ['src', 'maildir', 'test'].flatMap((top) => walk(root, top));
  const found = files
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => parse(file, read(root, file)).strings.map((s) => ({ ...s, file })))
    .flatMap(({ file, line, value }) => [
      ...idsOf(value)
        .filter((id) => !ids.includes(id))
        .map((id) => ({ file, line, text: `${id} is not in ${STATEMENTS}` })),
      ...[...value.matchAll(/\[[^\]]*\]/g)]
        .filter(([bracket]) => LIKE_AN_ID.test(bracket) && idsOf(bracket).length === 0)
        .map(([bracket]) => ({
          file,
          line,
          text: `${bracket} is not like [P-01] or [P-01, P-02]`,
        })),
    ]);
  return [...wrong, ...found];
}

const firstLine = (text: string): string => text.split('\n')[0] ?? '';

function outcomeOf(test: TestCase): Outcome {
  const result = test.result();
  const title = `${test.module.relativeModuleId} > ${test.fullName}`;
  if (result.state === 'skipped') {
    return { title, state: result.state, why: result.note ?? 'no reason given' };
  }
  const within = test.meta().unsteady;
  const unsteady = test.diagnostic()?.flaky === true || within !== undefined;
  const why = unsteady ? firstLine(within ?? result.errors?.[0]?.message ?? '') : '';
  return { title, state: result.state, why, unsteady };
}

export interface Run {
  /** Failures that belong to no test: files that do not load, errors outside tests. */
  readonly otherFailures: number;
  /** Steps of `npm test` that failed before the tests began. */
  readonly failedBefore: string | undefined;
  /** Nothing was left out by a filter. */
  readonly all: boolean;
}

/** Lines for the end of a run. The last one counts every test. */
export function report(outcomes: readonly Outcome[], run: Run): string {
  const { proven, failed, skipped } = summarize(outcomes);
  const lines = [`statements proven: ${proven.join(' ') || 'none'}`];
  if (failed.length > 0) lines.push(`statements failed: ${failed.join(' ')}`);
  if (skipped.length > 0) lines.push(`statements skipped: ${skipped.join(' ')}`);
  const named = new Set([...proven, ...failed, ...skipped]);
  const untested = run.all ? listed(ROOT).ids.filter((id) => !named.has(id)) : [];
  if (untested.length > 0) lines.push(`statements without a test: ${untested.join(' ')}`);
  const unsteady = outcomes.filter((o) => o.state === 'passed' && o.unsteady === true);
  if (unsteady.length > 0) {
    lines.push('UNSTEADY: passed only when tried again; none of these is to be trusted:');
    lines.push(...unsteady.map((o) => `  unsteady: ${o.title} (${o.why})`));
  }
  const left = outcomes.filter((o) => o.state === 'skipped' || o.state === 'pending');
  if (left.length > 0) {
    lines.push(inCi() ? 'SKIPPED, which is a failure in CI:' : 'SKIPPED, so not shown here:');
    lines.push(...left.map((o) => `  ${o.title} (${o.why})`));
  }
  const count = (state: Outcome['state']): number =>
    outcomes.filter((o) => o.state === state).length;
  if (run.failedBefore !== undefined) lines.push(`FAILED before the tests: ${run.failedBefore}`);
  const failures = count('failed') + run.otherFailures + (run.failedBefore === undefined ? 0 : 1);
  const again = unsteady.length > 0 ? `, ${unsteady.length} of them unsteady` : '';
  lines.push(`${count('passed')} passed${again}, ${failures} failed, ${left.length} skipped`);
  return `\n${lines.join('\n')}\n`;
}

export default class StatementsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const outcomes = modules.flatMap((m) => [...m.children.allTests()].map(outcomeOf));
    // A file that cannot be loaded has no tests, and an error outside a test belongs to none.
    const otherFailures = modules.filter((m) => m.errors().length > 0).length + unhandled.length;
    const all = process.env['MAILFARM_TEST_ALL'] !== undefined;
    const failedBefore = process.env['MAILFARM_TEST_FAILED_BEFORE'];
    if (all) process.stdout.write(timeTable(modules));
    process.stdout.write(report(outcomes, { otherFailures, failedBefore, all }));
    const skipped = outcomes.some((o) => o.state === 'skipped' || o.state === 'pending');
    if (inCi() && skipped) process.exitCode = 1;
  }
}
