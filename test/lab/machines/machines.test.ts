/** The machines as part of `npm test`: boots them once, each test of the hub is one of this run. */
import { expect } from 'vitest';
import { print, reportOf, testsOf } from '../as-tests.ts';
import { runMachines } from './laboratory.ts';

const IDS = '[N-01] [N-02] [N-03] [N-21] [S0-02] [S2-02] [S2-08]';
/** What a test of the hub says of itself. */
const SAID = /^ {3}\w/;

const found = await reportOf(runMachines, (line) => {
  if (SAID.test(line)) print(line.trim());
});

testsOf(found, IDS, {
  title: 'six machines boot, lose their power, report and end',
  check: (report) => {
    print(`machines: up after ${(report.bootMs / 1000).toFixed(1)} s`);
    expect(report.trouble).toEqual([]);
    expect(report.tests.length).toBeGreaterThan(3);
  },
});
