/**
 * A laboratory as part of `npm test`: what its inside found, as tests of this run. Where it cannot
 * run it is skipped with the reason; in CI that is a failure.
 */
import { rmSync } from 'node:fs';
import { test, type TestContext } from 'vitest';
import type { BootOptions } from './boot.ts';
import { obtainKernel } from './kernel.ts';
import { missingForLab } from './needs.ts';
import type { TestReport } from './report.ts';

const MINUTES = 20;
/** Tests whose time is printed: where the minutes of a run go. */
const SLOWEST = 12;

/** For a line of its own in the run's output. */
export const print = (line: string): void => void process.stdout.write(`  ${line}\n`);

/** @returns the report; why there can be none, where a kernel does not run here */
export async function reportOf<R extends TestReport & { readonly folder: string }>(
  boot: (options: BootOptions) => Promise<R>,
  onLine: (line: string) => void = () => undefined,
): Promise<R | string> {
  const missing = missingForLab();
  if (missing.length > 0) return `missing here: ${missing.join(', ')}`;
  const kernel = await obtainKernel(print).catch((error: unknown) => String(error));
  if (typeof kernel === 'string') return kernel;
  const report = await boot({ kernel, args: [], long: false, ms: MINUTES * 60_000, onLine });
  rmSync(report.folder, { recursive: true, force: true });
  for (const { title, ms } of report.tests.toSorted((a, b) => b.ms - a.ms).slice(0, SLOWEST)) {
    print(`${(ms / 1000).toFixed(1).padStart(6)} s  ${title}`);
  }
  return report;
}

/** What of a whole report one test looks at. */
interface Whole<R> {
  readonly title: string;
  readonly check: (report: R) => void;
}

interface Result {
  readonly title: string;
  readonly check: (ctx: TestContext) => void;
}

const notHere = (title: string, why: string): Result => ({
  title,
  check: (ctx) => {
    if (process.env['CI'] !== undefined) throw new Error(why);
    ctx.skip(why);
  },
});

const ofReport = (report: TestReport): readonly Result[] =>
  report.tests.map(({ file, title, state, messages }) => ({
    title: `${file}: ${title}`,
    check: (ctx) => {
      if (state === 'skipped') ctx.skip('skipped inside the laboratory');
      if (state === 'failed') throw new Error(messages.join('\n'));
    },
  }));

/** A test for the whole and one for each of the report's; `ids` name what nobody sees otherwise. */
export function testsOf<R extends TestReport>(
  found: R | string,
  ids: string,
  { title, check }: Whole<R>,
): void {
  const results =
    typeof found === 'string'
      ? [notHere(`${ids} ${title}`, found)]
      : [{ title: `[N-21] ${title}`, check: () => check(found) }, ...ofReport(found)];
  for (const result of results) test(result.title, result.check);
}
