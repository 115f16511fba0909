import { afterEach, beforeAll, expect, test } from 'vitest';
import { hostsOf, LONG, power, provisioned, say } from './inside.ts';
import { expectProven, Watch } from './watch.ts';
import { addUsers, whole } from './world.ts';
import type { Report } from '../../witness/report.ts';

// Each kind of host loses its power once while mail comes and goes by the balancer's address, and
// comes back by itself: nobody types anything on it. What that cost is printed.

const ENOUGH = LONG ? 40 : 8;
let users: readonly string[];
beforeAll(async () => {
  await provisioned();
  users = await addUsers(['anna', 'bela', 'cora']);
});
afterEach(async () => {
  await Watch.stopAll();
});

/** What users felt in a phase. */
function cost(report: Report, phase: string): string {
  return report.figures
    .filter((row) => row.phase === phase)
    .map(
      ({ work, interruptionMs }) =>
        `${work}: nothing went for ${(interruptionMs / 1000).toFixed(0)} s`,
    )
    .join(', ');
}

const firstOf = async (group: string): Promise<string> => (await hostsOf(group))[0] ?? '';

test('[S0-02] [S2-08] [S4-16] a front end loses its power: others serve, nothing is lost', async () => {
  const host = await firstOf('frontends');
  const watch = await Watch.start('frontend', users, { powerCuts: true });
  watch.phase('off');
  await power.off(host);
  await watch.more(ENOUGH, ENOUGH);
  watch.phase('on again');
  await power.on(host);
  await whole();
  await watch.more(ENOUGH, ENOUGH);
  const report = await watch.finish();
  say(`${host} without power: ${cost(report, 'off')}`);
  expectProven(report);
});

test('[S2-08] [S2-35] [N-03] a file server loses its power: its users wait, what was taken is there', async () => {
  const host = await firstOf('volumes');
  const watch = await Watch.start('volume', users, { powerCuts: true });
  watch.phase('off', { parking: true });
  await power.off(host);
  await watch.until(({ temporary, unclear }) => temporary + unclear > 0);
  await power.on(host);
  watch.phase('on again', { parking: true });
  await whole();
  await watch.more(ENOUGH, ENOUGH);
  const report = await watch.finish();
  say(`${host} without power: ${cost(report, 'off')}; on again: ${cost(report, 'on again')}`);
  expectProven(report);
});

test('[S2-08] [S0-17] the directory loses its power: nothing is refused for good, nothing is lost', async () => {
  const host = await firstOf('directories');
  const watch = await Watch.start('directory', users);
  watch.phase('off');
  await power.off(host);
  const before = watch.counts.sessions;
  await watch.until(({ sessions, temporary }) => sessions > before + ENOUGH || temporary > 0);
  await power.on(host);
  watch.phase('on again');
  await whole();
  await watch.more(ENOUGH, ENOUGH);
  const report = await watch.finish();
  say(`${host} without power: ${cost(report, 'off')}`);
  expect(report.counts.permanent).toBe(0);
  expectProven(report);
});

test('[S2-13] [S1-14] the balancer loses its power: nothing is lost, all go on when it is back', async () => {
  const host = await firstOf('balancers');
  const watch = await Watch.start('balancer', users, { answerMs: 30_000, dotMs: 30_000 });
  watch.phase('off');
  await power.off(host);
  await power.on(host);
  watch.phase('on again');
  await whole();
  await watch.more(ENOUGH, ENOUGH);
  const report = await watch.finish();
  say(`${host} without power: ${cost(report, 'off')}; on again: ${cost(report, 'on again')}`);
  expectProven(report);
});
