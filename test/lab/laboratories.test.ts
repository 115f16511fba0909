/**
 * The laboratories as part of `npm test`, one after the other in this one file: beside them the
 * other files of test/ run, so that their minutes cost nothing, and never both at once. Each is
 * booted once; each test of its inside is one of ours.
 */
import { expect } from 'vitest';
import { print, reportOf, testsOf } from './as-tests.ts';
import { budgetLines, runLaboratory } from './boot.ts';
import { runMachines } from './machines/laboratory.ts';

const OF_NFS = '[N-01] [N-21] [S2-02] [S2-03] [S2-05] [S2-26] [S2-28]';
const OF_MACHINES = '[N-01] [N-02] [N-03] [N-21] [S0-02] [S2-02] [S2-08]';
/** What a test of the hub says of itself. */
const SAID = /^ {3}\w/;

testsOf(await reportOf(runLaboratory), OF_NFS, {
  title: 'the laboratory boots, serves NFS, reports and ends by itself',
  check: (report) => {
    expect(report.trouble).toEqual([]);
    expect(report.tests.length).toBeGreaterThan(100);
    expect(report.budget.length).toBeGreaterThan(10);
    budgetLines(report.budget).forEach(print);
  },
});

const found = await reportOf(runMachines, (line) => {
  if (SAID.test(line)) print(line.trim());
});

testsOf(found, OF_MACHINES, {
  title: 'six machines boot, lose their power, report and end',
  check: (report) => {
    print(`machines: up after ${(report.bootMs / 1000).toFixed(1)} s`);
    expect(report.trouble).toEqual([]);
    expect(report.tests.length).toBeGreaterThan(3);
  },
});
