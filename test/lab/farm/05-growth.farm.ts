import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, test } from 'vitest';
import {
  addHost,
  ask,
  folder,
  hostsOf,
  inventory,
  LONG,
  mailfarm,
  playWell,
  provisioned,
} from './inside.ts';
import { release, say } from './inside.ts';
import { readInventory } from './inventory.ts';
import { editHosts } from './prepare.ts';
import { expectProven, expectSmooth, Watch } from './watch.ts';
import { addUsers, byPop3, send, whole } from './world.ts';

// One command each, while mail comes and goes by the balancer's address: a bare host becomes a
// front end, another a file server with a volume; the front end is taken out again and removed.
// Nobody's session fails, no letter is lost.

const ENOUGH = LONG ? 60 : 10;
let users: readonly string[];
beforeAll(async () => {
  await provisioned();
  users = await addUsers(['dora', 'emil']);
});
afterEach(async () => {
  await Watch.stopAll();
});

/** A line of the inventory, and a bare Debian host where that says. */
async function bareHost(name: string, groups: readonly string[], last: number): Promise<void> {
  const addresses = {
    ansible_host: `192.0.2.${last}`,
    public_ipv6: `2001:db8::${last}`,
    private_ipv4: `10.20.0.${last}`,
    private_ipv6: `fd20::${last}`,
  };
  editHosts(join(inventory, 'hosts.yml'), (document) => {
    for (const group of groups) {
      const path = group === 'volumes' ? [group] : ['frontends', 'children', group];
      document.setIn([...path, 'hosts', name], document.createNode(addresses));
    }
  });
  const plan = (await readInventory([inventory])).hosts.find((host) => host.name === name);
  if (plan === undefined) throw new Error(`the inventory does not have ${name}`);
  // After an earlier run with the same hosts it is there, and not bare any more.
  if (!existsSync(join(folder, 'host', name))) await addHost(plan);
}

/** Connections that the balancer gave to a host since it began. */
async function sessionsAt(host: string): Promise<number> {
  const [balancer = ''] = await hostsOf('balancers');
  const csv = await ask(
    balancer,
    "echo 'show stat' | socat - UNIX-CONNECT:/run/haproxy/admin.sock",
  );
  const rows = csv.split('\n').map((line) => line.split(','));
  const column = rows[0]?.indexOf('stot') ?? -1;
  const of = rows.filter(([, server]) => server === host).map((row) => Number(row[column]) || 0);
  return of.reduce((sum, count) => sum + count, 0);
}

const mainProcess = (host: string): Promise<string> =>
  ask(host, 'systemctl show -p MainPID --value mailfarm');

test('[N-18] [S0-05] [S2-04] [S0-16] a bare host becomes a front end by one command under load', async () => {
  const others = await hostsOf('frontends');
  const watch = await Watch.start('front-end-added', users);
  await watch.more(ENOUGH, ENOUGH);
  await bareHost('mx3', ['mx', 'access', 'web'], 33);
  watch.phase('mx3 is added');
  const before = await Promise.all(others.map(mainProcess));
  const { seconds } = await playWell('add-frontend.yml', '-e', 'node=mx3', ...release());
  say(`a front end more: ${seconds.toFixed(0)} s`);
  expect(await Promise.all(others.map(mainProcess)), 'nobody else was started').toEqual(before);
  watch.phase('with mx3');
  await expect.poll(() => sessionsAt('mx3')).toBeGreaterThan(5);
  await watch.more(ENOUGH, ENOUGH);
  const report = await watch.finish();
  expectProven(report);
  expectSmooth(report, ['usual', 'mx3 is added', 'with mx3']);
});

test('[N-18] [S2-05] [S2-06] a bare host becomes a volume by one command under load', async () => {
  const watch = await Watch.start('volume-added', users);
  editHosts(join(inventory, 'group_vars/all/farm.yml'), (document) =>
    document.setIn(['farm_volumes', 'mail3'], { host: 'vol3', device: '/dev/vdb' }),
  );
  await bareHost('vol3', ['volumes'], 23);
  watch.phase('mail3 is added');
  const { seconds } = await playWell('add-volume.yml', '-e', 'volume=mail3');
  say(`a volume more: ${seconds.toFixed(0)} s`);
  watch.phase('with mail3');
  const [user = ''] = await addUsers(['frieda'], 'mail3');
  await expect.poll(() => send(user, 'Subject: on the new one\r\n\r\nx\r\n')).toBe(250);
  expect(await byPop3(user)).toHaveLength(1);
  await watch.more(ENOUGH, ENOUGH);
  const report = await watch.finish();
  expectProven(report);
  expectSmooth(report, ['usual', 'mail3 is added', 'with mail3']);
  expect(await ask('vol3', 'find /srv/mail3 -path "*/new/*" -o -path "*/cur/*" | wc -l')).not.toBe(
    '0\n',
  );
});

test('[N-18] [S1-14] a front end is drained, comes back, is removed under load', async () => {
  const watch = await Watch.start('front-end-removed', users);
  watch.phase('mx3 is drained');
  await playWell('drain-frontend.yml', '-e', 'node=mx3');
  const before = await sessionsAt('mx3');
  await watch.more(ENOUGH, ENOUGH);
  expect(await sessionsAt('mx3'), 'nobody is sent there').toBe(before);
  watch.phase('mx3 is back');
  await playWell('drain-frontend.yml', '-e', 'node=mx3', '-e', 'back=true');
  await whole();
  await expect.poll(() => sessionsAt('mx3')).toBeGreaterThan(before);
  watch.phase('mx3 is removed');
  await playWell('remove-frontend.yml', '-e', 'node=mx3');
  await watch.more(ENOUGH, ENOUGH);
  const report = await watch.finish();
  expectProven(report);
  expectSmooth(report, ['usual', 'mx3 is drained', 'mx3 is back', 'mx3 is removed']);
  const [host = ''] = await hostsOf('frontends');
  expect(await mailfarm(host, 'node list')).not.toMatch(/\bmx3\b/);
  editHosts(join(inventory, 'hosts.yml'), (document) => {
    for (const group of ['mx', 'access', 'web']) {
      document.deleteIn(['frontends', 'children', group, 'hosts', 'mx3']);
    }
  });
});
