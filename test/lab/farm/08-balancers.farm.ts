import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { addHost, ask, folder, hostsOf, inventory, LONG, playWell, power } from './inside.ts';
import { provisioned, release, say } from './inside.ts';
import { readInventory } from './inventory.ts';
import { editHosts } from './prepare.ts';
import { expectProven, Watch } from './watch.ts';
import { addUsers, byPop3, greeted, send, SERVICE, whole } from './world.ts';

// A second balancer, by the inventory and site.yml; then whichever has the address loses its power,
// in turn, and the address moves.

const ENOUGH = LONG ? 60 : 10;
const ADDRESS = /\b192\.0\.2\.100\b/;
let users: readonly string[];
/** The witness does not look at her mail, and takes no letter of ours there for a stranger's. */
let aside: string;
beforeAll(async () => {
  await provisioned();
  users = await addUsers(['karl', 'lena']);
  [aside = ''] = await addUsers(['mona']);
});
afterEach(async () => {
  await Watch.stopAll();
});

/** Balancers that have the address, asked on each. */
async function holders(): Promise<readonly string[]> {
  const found: string[] = [];
  for (const host of await hostsOf('balancers')) {
    if (ADDRESS.test(await ask(host, 'ip -4 -o address').catch(() => ''))) found.push(host);
  }
  return found;
}

async function secondBalancer(): Promise<void> {
  if ((await hostsOf('balancers')).length > 1) return;
  editHosts(join(inventory, 'hosts.yml'), (document) =>
    document.setIn(
      ['balancers', 'hosts', 'lb2'],
      document.createNode({
        ansible_host: '192.0.2.62',
        public_ipv6: '2001:db8::62',
        private_ipv4: '10.20.0.62',
        private_ipv6: 'fd20::62',
      }),
    ),
  );
  const plan = (await readInventory([inventory])).hosts.find(({ name }) => name === 'lb2');
  if (plan === undefined) throw new Error('the inventory does not have lb2');
  if (!existsSync(join(folder, 'host', plan.name))) await addHost(plan);
  const { seconds } = await playWell('site.yml', ...release());
  say(`a second balancer by site.yml: ${seconds.toFixed(0)} s`);
}

test('[S2-13] [S1-14] the balancer that has the address loses its power: the other one has it', async () => {
  await secondBalancer();
  await expect.poll(holders).toHaveLength(1);
  const watch = await Watch.start('address', users, { answerMs: 30_000, dotMs: 30_000 });
  // There and back again.
  for (const turn of ['first', 'second']) {
    const [holder = ''] = await holders();
    watch.phase(`${turn} cut`);
    await power.off(holder);
    const began = performance.now();
    await greeted(SERVICE.v4);
    const v4 = (performance.now() - began) / 1000;
    await greeted(SERVICE.v6);
    const v6 = (performance.now() - began) / 1000;
    say(
      `${holder} without power: SMTP by the address after ${v4.toFixed(1)} s, ${v6.toFixed(1)} s`,
    );
    const subject = `Subject: after the ${turn} cut`;
    expect(await send(aside, `${subject}\r\n\r\nx\r\n`)).toBe(250);
    expect(await byPop3(aside)).toContainEqual(expect.stringContaining(subject));
    await watch.more(ENOUGH, ENOUGH);
    watch.phase(`${turn} back`);
    await power.on(holder);
    await whole();
    // Who has it keeps it: each move breaks every connection.
    await expect.poll(() => ask(holder, 'systemctl is-active keepalived')).toBe('active\n');
    const now = await holders();
    expect(now).toHaveLength(1);
    expect(now).not.toContain(holder);
  }
  expectProven(await watch.finish());
});
