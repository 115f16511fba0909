/** The laboratory of real hosts as part of `npm test`: its short run, once. */
import { expect } from 'vitest';
import { print, reportOf, testsOf } from '../as-tests.ts';
import { whyNoFarm } from './needs.ts';
import { runFarm } from './run.ts';

const IDS = '[N-18] [N-21] [S0-05] [S0-16] [S2-24] [S2-26]';
/** What a test inside says of itself. */
const SAID = /^ {3}\w/;

const found = await reportOf(
  runFarm,
  (line) => {
    if (SAID.test(line)) print(line.trim());
  },
  whyNoFarm,
);

testsOf(found, IDS, {
  title: 'bare Debian hosts boot, become a farm by the playbooks, report and end',
  check: (report) => {
    print(`farm: hosts up after ${(report.bootMs / 1000).toFixed(1)} s`);
    expect(report.trouble).toEqual([]);
    expect(report.tests.length).toBeGreaterThan(3);
  },
});
