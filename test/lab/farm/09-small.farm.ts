import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { addHost, ask, changedOf, folder, labVariables, PASSWORD, PASSWORDS } from './inside.ts';
import { playOn, release, say, well } from './inside.ts';
import { readInventory } from './inventory.ts';
import { editHosts } from './prepare.ts';
import { byPop3, countByImap, countByJmap, send } from './world.ts';

// What a newcomer begins with, beside the farm, which it knows nothing of: the other example, one
// host, and the README's three hosts. Bare hosts, one command, a letter in and out.

const USER = 'newcomer@example.test';

/** Copies an example. @returns the folder of the inventory */
function inventoryFrom(example: string, name: string): string {
  const own = join(folder, name);
  cpSync(join(folder, 'ansible/inventories', example), own, { recursive: true });
  const variables = readFileSync(labVariables(), 'utf8');
  writeFileSync(
    labVariables(own),
    variables
      .replaceAll(/^(farm_secret_admin: ).*$/gm, `$1${PASSWORDS.admin}`)
      .replaceAll(/^(farm_secret_frontend: ).*$/gm, `$1${PASSWORDS.frontend}`)
      .replaceAll(/^farm_zone_directory: .*$/gm, ''),
  );
  return own;
}

/** From bare hosts to the first letter, which is printed; then again, which changes nothing. */
async function begin(own: string, host: string, addresses: readonly string[]): Promise<void> {
  const { hosts } = await readInventory([own]);
  for (const plan of hosts) if (!existsSync(join(folder, 'host', plan.name))) await addHost(plan);
  const began = performance.now();
  const { seconds } = well(await playOn(own, 'site.yml', ...release()));
  const who = `MAILFARM_ADMIN=cn=admin,dc=example,dc=test MAILFARM_ADMIN_PASSWORD=${PASSWORDS.admin}`;
  const mailfarm = `cd / && runuser -u mailfarm -- env ${who} mailfarm`;
  await ask(host, `${mailfarm} user add ${USER} --password-stdin`, PASSWORD);
  let count = 0;
  for (const address of addresses) {
    expect(await send(USER, `Subject: ${address}\r\n\r\nhello\r\n`, address)).toBe(250);
    expect(await byPop3(USER, address)).toContainEqual(expect.stringContaining(address));
    if (++count > 1) continue;
    const all = (performance.now() - began) / 1000;
    say(
      `${hosts.length} bare hosts: site.yml ${seconds.toFixed(0)} s, first letter ${all.toFixed(0)} s`,
    );
  }
  for (const address of addresses) {
    expect(await countByImap(USER, address)).toBe(count);
    expect(await countByJmap(USER, address)).toBe(count);
  }
  const again = well(await playOn(own, 'site.yml', ...release()));
  expect(changedOf(again)).toEqual(Object.fromEntries(hosts.map(({ name }) => [name, 0])));
}

test('[S0-16] the inventory of one host: a bare host, one command, a letter in, a letter out', async () => {
  await begin(inventoryFrom('all-in-one', 'alone'), 'mail1', ['192.0.2.10']);
});

test('[S0-16] the README of the playbooks: three bare hosts, one command, a letter in, a letter out', async () => {
  const own = inventoryFrom('example', 'three');
  const host = (last: number): Record<string, string> => ({
    ansible_host: `192.0.2.${last}`,
    public_ipv6: `2001:db8::${last}`,
    private_ipv4: `10.20.0.${last}`,
    private_ipv6: `fd20::${last}`,
  });
  const both = { hosts: { two: null, three: null } };
  editHosts(join(own, 'hosts.yml'), (document) => {
    document.contents = document.createNode({
      volumes: { hosts: { one: host(71) } },
      directories: { hosts: { one: null } },
      frontends: {
        children: {
          mx: { hosts: { two: host(72), three: host(73) } },
          access: both,
          web: structuredClone(both),
        },
      },
    });
  });
  editHosts(join(own, 'group_vars/all/farm.yml'), (document) => {
    document.set('farm_addresses', []);
    document.set('farm_volumes', {
      mail1: { host: 'one', device: '/dev/vdb' },
      spool1: { host: 'one', device: '/dev/vdc', use: 'spool' },
    });
  });
  await begin(own, 'two', ['192.0.2.72', '192.0.2.73', '2001:db8::72']);
});
