/**
 * `npm run lab:nfs [-- --keep] [-- FILE …]`: boots the laboratory, runs the tests inside it and
 * prints what they found. Exit code 0 when every test passed.
 */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from '../harness/process.ts';
import { budgetLines, INTERRUPTED, type LabReport, runLaboratory } from './boot.ts';
import { obtainKernel } from './kernel.ts';
import { runMachines } from './machines/laboratory.ts';
import { missingForLab } from './needs.ts';
import type { BudgetRow } from './protocol.ts';
import type { TestReport } from './report.ts';

const USAGE = `Usage: npm run lab:nfs -- [--machines] [--keep] [--long] [-t TITLE] [FILE …]

  --machines several kernels: file servers, front ends, a hub (test/lab/machines)
  --keep     leave the folder with the console, logs and results
  --long     more rounds of what is repeated
  --verbose  the kernel's own words too
  -t TITLE   only tests whose title has it (no spaces)
  FILE       only test files whose path has it, such as budget
`;
const MINUTES = { short: 60, long: 120 };
const KERNEL_WORDS = /^(epollctl|Core dump|Checking|Failed to initialize ubd|sysrq|reboot)/;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function printBudget(rows: readonly BudgetRow[]): void {
  if (rows.length === 0) return;
  say('');
  say('Calls on the wire, counted by the client (/proc/self/mountstats):');
  for (const line of budgetLines(rows)) say(`  ${line}`);
}

/** @returns whether all is well */
function printReport(report: TestReport & Partial<LabReport>): boolean {
  printBudget(report.budget ?? []);
  const of = (state: string): number => report.tests.filter((t) => t.state === state).length;
  say('');
  for (const { title, file } of report.tests.filter((t) => t.state === 'failed')) {
    say(`  failed: ${file}: ${title}`);
  }
  for (const { title, file } of report.tests.filter((t) => t.unsteady)) {
    say(`  unsteady: ${file}: ${title}`);
  }
  for (const line of report.trouble) say(`  ${line}`);
  say(`lab: ${of('passed')} passed, ${of('failed')} failed, ${of('skipped')} skipped`);
  return of('failed') === 0 && report.trouble.length === 0 && of('passed') > 0;
}

async function install(): Promise<void> {
  const root = join(import.meta.dirname, '../..');
  const result = await run([process.execPath, 'test/harness/install.ts', 'lab'], {
    cwd: root,
    ms: 900_000,
  });
  say(result.stdout.toString('utf8') + result.stderr);
}

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      machines: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      title: { type: 'string', short: 't' },
    },
  });
  if (values.help) {
    say(USAGE);
    return 0;
  }
  if (missingForLab().length > 0) await install();
  const absent = missingForLab();
  if (absent.length > 0) {
    say(`lab: missing here; as root: apt-get install ${absent.join(' ')}`);
    return 69;
  }
  const kernel = await obtainKernel(say);
  say(`lab: Linux ${kernel.release} of Debian ${kernel.suite} in ${kernel.folder}`);
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => interrupt.abort());
  }
  const title = values.title === undefined ? [] : ['-t', values.title];
  const boot = values.machines ? runMachines : runLaboratory;
  const report = await boot({
    kernel,
    args: [...positionals, ...title],
    long: values.long,
    ms: MINUTES[values.long ? 'long' : 'short'] * 60_000,
    signal: interrupt.signal,
    onLine: (line) => {
      if (values.verbose || !KERNEL_WORDS.test(line)) say(line);
    },
  });
  if (values.keep) {
    const kept = `${report.folder}.kept`;
    cpSync(report.folder, kept, { recursive: true });
    say(`lab: everything is in ${kept}`);
  }
  rmSync(report.folder, { recursive: true, force: true });
  return printReport(report) ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  say(`lab: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = error instanceof Error && error.message === INTERRUPTED ? 130 : 70;
}
