/** The machines as part of `npm test`: boots them once, each test of the hub is one of this run. */
import { expect, test } from 'vitest';
import { print, reportOf, skipAll, testsOf } from '../as-tests.ts';
import { runMachines } from './laboratory.ts';

const IDS = '[N-21] [S2-02] [S2-08]';

const found = await reportOf(runMachines, (line) => {
  if (line.startsWith('   ')) print(line.trim());
});
if (typeof found === 'string') skipAll(`${IDS} whole machines lose their power`, found);
else {
  test('[N-21] six machines boot, lose their power, report and end', () => {
    print(`machines: up after ${(found.bootMs / 1000).toFixed(1)} s`);
    expect(found.trouble).toEqual([]);
    expect(found.tests.length).toBeGreaterThan(3);
  });
  testsOf(found);
}
