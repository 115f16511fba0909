import { beforeAll, expect, test } from 'vitest';
import { changedOf, hostsOf, type Played, playWell, provisioned, release, say } from './inside.ts';

// From bare hosts to a farm that takes mail in and gives it out again, by exactly the playbooks
// that an administrator has.

let first: Played | undefined;
beforeAll(async () => {
  first = await provisioned();
});

test('[S0-16] [S0-28] [N-18] site.yml makes a farm of bare hosts', async () => {
  if (first !== undefined) {
    say(`from bare hosts to a farm: ${first.seconds.toFixed(0)} s`);
    const hosts = await hostsOf('all');
    expect([...first.recap.keys()].toSorted()).toEqual([...hosts].toSorted());
    for (const [host, { changed }] of first.recap) expect(changed, host).toBeGreaterThan(0);
  }
});

test('[N-18] a second run changes nothing on any host', async () => {
  const again = await playWell('site.yml', ...release());
  const hosts = await hostsOf('all');
  expect(changedOf(again)).toEqual(Object.fromEntries(hosts.map((host) => [host, 0])));
});
