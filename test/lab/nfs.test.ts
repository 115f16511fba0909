/** The laboratory as part of `npm test`: boots it once, each test of its inside is one of this run. */
import { expect, test } from 'vitest';
import { print, reportOf, skipAll, testsOf } from './as-tests.ts';
import { budgetLines, runLaboratory } from './boot.ts';

const IDS = '[N-01] [N-21] [S2-02] [S2-03] [S2-05] [S2-26] [S2-28]';

const found = await reportOf(runLaboratory);
if (typeof found === 'string') skipAll(`${IDS} a real NFS server, in the laboratory`, found);
else {
  test('[N-21] the laboratory boots, serves NFS, reports and ends by itself', () => {
    expect(found.trouble).toEqual([]);
    expect(found.tests.length).toBeGreaterThan(100);
    expect(found.budget.length).toBeGreaterThan(10);
    budgetLines(found.budget).forEach(print);
  });
  testsOf(found);
}
