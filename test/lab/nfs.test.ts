/** The laboratory as part of `npm test`: booted once; each test of its inside is one of ours. */
import { expect } from 'vitest';
import { print, reportOf, testsOf } from './as-tests.ts';
import { budgetLines, runLaboratory } from './boot.ts';

const IDS = '[N-01] [N-21] [S2-02] [S2-03] [S2-05] [S2-26] [S2-28]';

testsOf(await reportOf(runLaboratory), IDS, {
  title: 'the laboratory boots, serves NFS, reports and ends by itself',
  check: (report) => {
    expect(report.trouble).toEqual([]);
    expect(report.tests.length).toBeGreaterThan(100);
    expect(report.budget.length).toBeGreaterThan(10);
    budgetLines(report.budget).forEach(print);
  },
});
