/**
 * The laboratory as part of `npm test`: boots it once and gives each test of its inside as one of
 * this run. Where it cannot run it is skipped with the reason; in CI that is a failure.
 */
import { rmSync } from 'node:fs';
import { expect, test, type TestContext } from 'vitest';
import { budgetLines, type LabReport, runLaboratory } from './boot.ts';
import { type Kernel, obtainKernel } from './kernel.ts';
import { missingForLab } from './needs.ts';

const MINUTES = 10;
const print = (line: string): void => void process.stdout.write(`  ${line}\n`);

async function kernelHere(): Promise<Kernel | string> {
  const missing = missingForLab();
  if (missing.length > 0) return `missing here: ${missing.join(', ')}`;
  return obtainKernel(print).catch((error: unknown) => String(error));
}

async function laboratory(): Promise<LabReport | string> {
  const kernel = await kernelHere();
  if (typeof kernel === 'string') return kernel;
  const report = await runLaboratory({
    kernel,
    args: [],
    long: false,
    ms: MINUTES * 60_000,
    onLine: () => undefined,
  });
  rmSync(report.folder, { recursive: true, force: true });
  return report;
}

interface Result {
  readonly title: string;
  readonly check: (ctx: TestContext) => void;
}

function notHere(why: string): Result {
  return {
    title:
      '[N-01] [N-21] [S2-02] [S2-03] [S2-05] [S2-26] [S2-28] a real NFS server, in the laboratory',
    check: (ctx) => {
      if (process.env['CI'] !== undefined) throw new Error(why);
      ctx.skip(why);
    },
  };
}

const ofReport = (report: LabReport): readonly Result[] => [
  {
    title: '[N-21] the laboratory boots, serves NFS, reports and ends by itself',
    check: () => {
      expect(report.trouble).toEqual([]);
      expect(report.tests.length).toBeGreaterThan(100);
      expect(report.budget.length).toBeGreaterThan(10);
      budgetLines(report.budget).forEach(print);
    },
  },
  ...report.tests.map(({ file, title, state, messages }) => ({
    title: `${file}: ${title}`,
    check: (ctx: TestContext): void => {
      if (state === 'skipped') ctx.skip('skipped inside the laboratory');
      if (state === 'failed') throw new Error(messages.join('\n'));
    },
  })),
];

const found = await laboratory();
for (const { title, check } of typeof found === 'string' ? [notHere(found)] : ofReport(found)) {
  test(title, check);
}
