/**
 * A laboratory as part of `npm test`: what its inside found, as tests of this run. Where it cannot run
 * it is skipped with the reason; in CI that is a failure.
 */
import { rmSync } from 'node:fs';
import { test, type TestContext } from 'vitest';
import type { BootOptions } from './boot.ts';
import { obtainKernel } from './kernel.ts';
import { missingForLab } from './needs.ts';
import type { TestReport } from './report.ts';

const MINUTES = 10;

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
  return report;
}

/** A single test that stands for all of them where they cannot run. */
export function skipAll(title: string, why: string): void {
  test(title, (ctx: TestContext) => {
    if (process.env['CI'] !== undefined) throw new Error(why);
    ctx.skip(why);
  });
}

/** A test for each of the report's. */
export function testsOf(report: TestReport): void {
  for (const { file, title, state, messages } of report.tests) {
    test(`${file}: ${title}`, (ctx: TestContext) => {
      if (state === 'skipped') ctx.skip('skipped inside the laboratory');
      if (state === 'failed') throw new Error(messages.join('\n'));
    });
  }
}
