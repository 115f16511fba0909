import { join } from 'node:path';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { ask, folder, hostsOf, LONG, playWell, provisioned, say } from './inside.ts';
import { makeRelease } from './prepare.ts';
import { expectProven, expectSmooth, Watch } from './watch.ts';
import { addUsers } from './world.ts';

const SECOND = '0.9.1-lab';
const ENOUGH = LONG ? 60 : 10;
let users: readonly string[];
beforeAll(async () => {
  await provisioned();
  users = await addUsers(['gustav', 'hanna']);
});
afterEach(async () => {
  await Watch.stopAll();
});

const versions = async (): Promise<Record<string, string>> => {
  const all: Record<string, string> = {};
  for (const host of await hostsOf('frontends')) {
    all[host] = (await ask(host, 'readlink /opt/mailfarm/current')).trim().replace(/.*\//, '');
  }
  return all;
};

test('[P-13] [N-18] [S2-08] every node gets another release, one after another, under load', async () => {
  const archive = await makeRelease(join(folder, 'releases-second'), SECOND);
  const before = Object.values(await versions());
  expect(before).not.toContain(SECOND);
  const watch = await Watch.start('upgrade', users);
  watch.phase('upgrade');
  const { seconds } = await playWell('upgrade.yml', '-e', `farm_release=${archive}`);
  say(`every node with another release: ${seconds.toFixed(0)} s`);
  watch.phase('upgraded');
  await watch.more(ENOUGH, ENOUGH);
  const report = await watch.finish();
  expect(new Set(Object.values(await versions()))).toEqual(new Set([SECOND]));
  expectProven(report);
  expectSmooth(report, ['usual', 'upgrade', 'upgraded']);
});
