/** Boots the laboratory's kernel, waits for its end and reads what it left. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { peersReady, peersRoot } from '../harness/peers-root.ts';
import { start } from '../harness/process.ts';
import { type Kernel, kernelCommand } from './kernel.ts';
import { obtainServers } from './other-servers.ts';
import type { BudgetRow } from './protocol.ts';
import { readReport, type TestReport } from './report.ts';

const HERE = import.meta.dirname;
const CONTROL = 'test/lab/control.ts';
/** The message of the error when it was ended by its signal. */
export const INTERRUPTED = 'interrupted';
const MEMORY = '2G';

export interface LabReport extends TestReport {
  readonly budget: readonly BudgetRow[];
  readonly folder: string;
}

export interface BootOptions {
  readonly kernel: Kernel;
  /** Given to vitest inside: files, `-t`. */
  readonly args: readonly string[];
  readonly long: boolean;
  readonly ms: number;
  /** Ends it before its time. */
  readonly signal?: AbortSignal;
  /** Each line that the kernel prints, as it comes. */
  readonly onLine: (line: string) => void;
}

/**
 * Runs the laboratory once. The report's folder is the caller's to remove.
 * @throws Error with the end of its output when it does not come up, dies or takes too long
 */
export async function runLaboratory(options: BootOptions): Promise<LabReport> {
  const folder = mkdtempSync(join(tmpdir(), 'mailfarm-lab-'));
  const words = [
    `mem=${MEMORY}`,
    'quiet',
    `init=${join(HERE, 'init.sh')}`,
    `lab_run=${folder}`,
    `lab_kernel=${options.kernel.folder}`,
    `lab_servers=${await otherServers(options)}`,
    `lab_peers=${peersReady() ? peersRoot : ''}`,
    `lab_control=${CONTROL}`,
    `lab_args=${options.args.join(',')}`,
    ...Object.entries(insideEnv(options)).map(([name, value]) => `${name}=${value}`),
  ];
  const odd = words.find((word) => /[\s"']/.test(word));
  if (odd !== undefined) throw new Error(`a kernel's command line cannot carry ${odd}`);
  mkdirSync(join(folder, 'uml'));
  const kernel = start(kernelCommand(options.kernel, [...words, `uml_dir=${folder}/uml`]), {
    withParent: 'KILL',
  });
  let printed = 0;
  const print = (all: boolean): void => {
    const lines = kernel.output().slice(printed).split('\n');
    const rest = all ? '' : (lines.pop() ?? '');
    for (const line of lines) options.onLine(line.trimEnd());
    printed = kernel.output().length - rest.length;
  };
  const ticker = setInterval(() => print(false), 200);
  const end = (): void => kernel.kill('SIGKILL');
  const timer = setTimeout(end, options.ms);
  options.signal?.addEventListener('abort', end);
  try {
    await kernel.exited;
  } finally {
    clearInterval(ticker);
    clearTimeout(timer);
    end(); // Whatever of its group is left.
    print(true);
  }
  writeFileSync(join(folder, 'console'), kernel.output());
  const results = join(folder, 'results.json');
  if (existsSync(results)) return { ...readReport(results), budget: readBudget(folder), folder };
  rmSync(folder, { recursive: true, force: true });
  if (options.signal?.aborted) throw new Error(INTERRUPTED);
  throw new Error(
    `the laboratory ended without a report (${options.ms / 1000} s at most)\n` +
      kernel.output().slice(-3000),
  );
}

/** Of the environment outside, what the tests inside are to see. */
export const insideEnv = ({ long }: Pick<BootOptions, 'long'>): Record<string, string> => {
  const retry = process.env['MAILFARM_TEST_RETRY'];
  return {
    ...(long && { MAILFARM_LAB_LONG: '1' }),
    ...(retry !== undefined && { MAILFARM_TEST_RETRY: retry }),
  };
};

/** @returns the folder with them; '' where they cannot be had, which CI does not put up with */
async function otherServers({ onLine }: BootOptions): Promise<string> {
  try {
    return await obtainServers(onLine);
  } catch (error) {
    if (process.env['CI'] !== undefined) throw error;
    onLine(`lab: without other servers: ${String(error).slice(-300)}`);
    return '';
  }
}

/** The table of calls for people. */
export const budgetLines = (rows: readonly BudgetRow[]): string[] =>
  rows.map(({ what, counted, allowed, calls }) => {
    const counts = `${String(counted).padStart(3)} of ${String(allowed).padEnd(2)}`;
    return `${what.padEnd(44)} ${counts}  ${calls}`;
  });

function readBudget(folder: string): BudgetRow[] {
  const path = join(folder, 'budget.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as BudgetRow[]) : [];
}
