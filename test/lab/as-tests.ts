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

/** Ends one that hangs; beside other work the farm of real hosts takes 25. */
const MINUTES = 40;
/** A laboratory that does not come up, dies or hangs is booted once more (decision 19). */
const BOOTS = process.env['MAILFARM_TEST_RETRY'] === undefined ? 1 : 2;
/** Tests whose time is printed: where the minutes of a run go. */
const SLOWEST = 12;

/** For a line of its own in the run's output. */
export const print = (line: string): void => void process.stdout.write(`  ${line}\n`);

function missing(): string {
  const absent = missingForLab();
  return absent.length === 0 ? '' : `missing here: ${absent.join(', ')}`;
}

/** @returns the report; why there can be none, where a kernel does not run here; what went wrong */
export async function reportOf<R extends TestReport & { readonly folder: string }>(
  boot: (options: BootOptions) => Promise<R>,
  onLine: (line: string) => void = () => undefined,
  missingHere: () => string = missing,
): Promise<(R & Again) | string | Error> {
  const absent = missingHere();
  if (absent !== '') return absent;
  const kernel = await obtainKernel(print).catch((error: unknown) => String(error));
  if (typeof kernel === 'string') return kernel;
  const of = (args: readonly string[]): Promise<R> =>
    boot({ kernel, args, long: false, ms: MINUTES * 60_000, onLine });
  const found = booted(() => of([])).then((first) => withTroubled(first, of));
  const report = await found.catch((error: unknown) =>
    error instanceof Error ? error : new Error(String(error)),
  );
  if (report instanceof Error) return report;
  rmSync(report.folder, { recursive: true, force: true });
  for (const { title, ms } of report.tests.toSorted((a, b) => b.ms - a.ms).slice(0, SLOWEST)) {
    print(`${(ms / 1000).toFixed(1).padStart(6)} s  ${title}`);
  }
  return report;
}

type Whereabouts = TestReport & { readonly folder: string };

interface Again {
  /** Why its first boot came to nothing. */
  readonly bootedAgain?: string;
}

/** @throws Error of the last boot */
async function booted<R extends TestReport>(boot: () => Promise<R>): Promise<R & Again> {
  let why = '';
  for (let boots = 1; ; boots++) {
    try {
      const report = await boot();
      return boots === 1 ? report : { ...report, bootedAgain: why };
    } catch (error) {
      if (boots === BOOTS) throw error;
      why = String(error);
      print(`the laboratory is booted once more: ${why}`);
    }
  }
}

/** Files whose hooks failed, so that none of their tests was tried, in a laboratory booted anew. */
async function withTroubled<R extends Whereabouts>(
  first: R,
  boot: (files: readonly string[]) => Promise<Whereabouts>,
): Promise<R> {
  if (BOOTS === 1 || first.troubled.length === 0) return first;
  print(`booted once more for ${first.trouble.join('; ')}`);
  const second = await boot(first.troubled);
  rmSync(second.folder, { recursive: true, force: true });
  const late = second.tests.map((one) => ({
    ...one,
    unsteady: one.state === 'passed',
    messages: [...one.messages, ...first.trouble],
  }));
  const tests = [...first.tests.filter(({ file }) => !first.troubled.includes(file)), ...late];
  return { ...first, tests, trouble: second.trouble, troubled: second.troubled };
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

const failed = (title: string, error: Error): Result => ({
  title,
  check: () => {
    throw error;
  },
});

const ofReport = (report: TestReport): readonly Result[] =>
  report.tests.map(({ file, title, state, messages, unsteady }) => ({
    title: `${file}: ${title}`,
    check: (ctx) => {
      if (unsteady) ctx.task.meta.unsteady = messages.join('\n');
      if (state === 'skipped') ctx.skip('skipped inside the laboratory');
      if (state === 'failed') throw new Error(messages.join('\n'));
    },
  }));

const whole =
  <R extends Again>(report: R, check: (report: R) => void): Result['check'] =>
  (ctx) => {
    if (report.bootedAgain !== undefined) ctx.task.meta.unsteady = report.bootedAgain;
    check(report);
  };

/** A test for the whole and one for each of the report's; `ids` name what nobody sees otherwise. */
export function testsOf<R extends TestReport & Again>(
  found: R | string | Error,
  ids: string,
  { title, check }: Whole<R>,
): void {
  const results =
    typeof found === 'string'
      ? [notHere(`${ids} ${title}`, found)]
      : found instanceof Error
        ? [failed(`${ids} ${title}`, found)]
        : [{ title: `[N-21] ${title}`, check: whole(found, check) }, ...ofReport(found)];
  // Tried again where it ran: to look at the same report twice is no second chance.
  for (const result of results) test(result.title, { retry: 0 }, result.check);
}
