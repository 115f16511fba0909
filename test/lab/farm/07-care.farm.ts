import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { ImapChat } from '../../harness/imap-chat.ts';
import { Pop3Chat } from '../../harness/pop3-chat.ts';
import { ask, cable, changedOf, folder, hostsOf, inventory, labVariables } from './inside.ts';
import {
  lines,
  LONG,
  mailfarm,
  PASSWORD,
  play,
  playWell,
  provisioned,
  publicOf,
} from './inside.ts';
import { release, say } from './inside.ts';
import { editHosts } from './prepare.ts';
import { expectProven, expectSmooth, Watch } from './watch.ts';
import { addUsers, byPop3, certificate, place, send, SERVICE, whole } from './world.ts';

// What an administrator does with a farm that works: asks what would change, examines it, looks
// after copies, certificates and passwords.

const ENOUGH = LONG ? 60 : 10;
let users: readonly string[];
beforeAll(async () => {
  await provisioned();
  users = await addUsers(['irma', 'jonas']);
});
afterEach(async () => {
  await Watch.stopAll();
});

test('[N-18] --check of a farm as it should be says that nothing would change', async () => {
  const done = await playWell('site.yml', '--check', '--diff', ...release());
  const hosts = await hostsOf('all');
  expect(changedOf(done)).toEqual(Object.fromEntries(hosts.map((host) => [host, 0])));
});

test('[S0-29] doctor.yml finds nothing in a farm that is well, and all that is wrong in another', async () => {
  expect((await playWell('doctor.yml')).output).toMatch(/Nothing is wrong with \d+ hosts/);
  const node = (await hostsOf('frontends')).at(-1) ?? '';
  const [server = ''] = await hostsOf('volumes');
  await ask(node, 'systemctl stop mailfarm');
  await cable.cut(server, 'public'); // Mail goes over the other cable.
  try {
    const { code, output } = await play('doctor.yml');
    expect(code).not.toBe(0);
    expect(output).toContain(`${node}: mailfarm does not run`);
    expect(output).toContain(`the front end ${node} is DOWN here`);
    expect(output).toContain(`${server}: does not answer ssh`);
    // And of nothing else: it has mended nothing, and took nothing for broken.
    const told = JSON.parse(/"msg": (\[[^\]]*\])/.exec(output)?.[1] ?? '[]') as string[];
    expect(told.length).toBeGreaterThan(2);
    expect(told.filter((line) => !line.includes(node) && !line.includes(server))).toEqual([]);
  } finally {
    await cable.mend(server, 'public');
    await ask(node, 'systemctl start mailfarm');
  }
  await whole();
});

test('[P-12] [S3-27] copies by their timer, and a letter that was deleted comes back; lines for the DNS', async () => {
  const keeper = (await hostsOf('access')).at(-1) ?? '';
  const zones = join(folder, 'zones');
  editHosts(join(inventory, 'hosts.yml'), (document) =>
    document.setIn(['backups', 'hosts', keeper], null),
  );
  editHosts(labVariables(), (document) => document.set('farm_zone_directory', zones));
  await playWell('site.yml', ...release());
  const zone = readFileSync(join(zones, 'example.test.zone'), 'utf8');
  expect(zone).toMatch(/\sMX\s/);
  expect(zone).toMatch(/_imaps\._tcp\S*\s.*SRV/);

  const [user = ''] = users;
  expect(await send(user, 'Subject: to be kept\r\n\r\nx\r\n')).toBe(250);
  expect(await byPop3(user)).toContainEqual(expect.stringContaining('to be kept'));
  // What the timers would do at night, at once: their units are asked for by name.
  const timers = lines(
    await ask(keeper, "systemctl list-units -q --plain 'mailfarm-backup@*.timer' | cut -d' ' -f1"),
  );
  expect(timers).toContain('mailfarm-backup@mail1.timer');
  for (const timer of timers) {
    const unit = `"$(systemctl show -P Unit ${timer})"`;
    const words = `{ journalctl -n 20 --no-pager -u ${unit} >&2; exit 1; }`;
    await ask(keeper, `systemctl start ${unit} || ${words}`);
  }
  const [directory = ''] = await hostsOf('directories');
  await ask(directory, 'systemctl start mailfarm-backup-directory');
  await ask(directory, "zcat /var/backups/mailfarm/*.gz | grep -q '^dn: cn=frontend,'");

  const chat = await Pop3Chat.login(place(995, SERVICE.v4, true), user, PASSWORD);
  for (const number of (await chat.listing('UIDL')).keys()) await chat.expect(`DELE ${number}`);
  await chat.expect('QUIT');
  expect(await byPop3(user)).toEqual([]);
  const words = `mailbox restore ${user} --from /backup`;
  expect(await mailfarm(keeper, `${words} --dry-run`)).toMatch(/\b1\b/);
  expect(await byPop3(user)).toEqual([]);
  await mailfarm(keeper, words);
  await expect.poll(() => byPop3(user)).toEqual([expect.stringContaining('Subject: to be kept')]);
});

test('[S4-07] [S0-15] site.yml --tags tls: all nodes show the new certificate, no session breaks', async () => {
  const hosts = await hostsOf('access');
  const addresses = (await Promise.all(hosts.map(publicOf))).flat();
  const everywhere = [SERVICE.v4, SERVICE.v6, ...addresses];
  const [user = ''] = users;
  const before = await certificate(SERVICE.v4);
  const sessions = await Promise.all(
    addresses.map((address) => ImapChat.login(place(993, address, true), user, PASSWORD)),
  );
  const watch = await Watch.start('certificate', users);
  watch.phase('certificate');
  // As if its thirty days had come.
  rmSync(join(folder, 'tls', 'service.names'));
  await playWell('site.yml', '--tags', 'tls', ...release());
  await expect
    .poll(async () => (await Promise.all(everywhere.map(certificate))).includes(before))
    .toBe(false);
  expect(new Set(await Promise.all(everywhere.map(certificate))).size).toBe(1);
  for (const session of sessions) {
    await session.ok('NOOP');
    session.stream.destroy();
  }
  await watch.more(ENOUGH, ENOUGH);
  const report = await watch.finish();
  expectProven(report);
  expectSmooth(report, ['usual', 'certificate']);
});

test('rotate-secrets.yml: new passwords for front ends and administrators under load', async () => {
  const fresh = { admin: 'lab-admin-rotated', frontend: 'lab-frontend-rotated' };
  const watch = await Watch.start('secrets', users);
  watch.phase('secrets');
  const { seconds } = await playWell(
    'rotate-secrets.yml',
    '-e',
    `new_secret_frontend=${fresh.frontend} new_secret_admin=${fresh.admin}`,
  );
  say(`new passwords: ${seconds.toFixed(0)} s`);
  const [host = ''] = await hostsOf('frontends');
  await expect(mailfarm(host, 'node list'), 'the old one').rejects.toThrow('refuses cn=admin');
  editHosts(labVariables(), (document) => {
    document.set('farm_secret_admin', fresh.admin);
    document.set('farm_secret_frontend', fresh.frontend);
  });
  await mailfarm(host, 'node list');
  watch.phase('new secrets');
  await watch.more(ENOUGH, ENOUGH);
  const report = await watch.finish();
  expectProven(report);
  expectSmooth(report, ['usual', 'secrets', 'new secrets']);
  // Who starts now has the new password, too.
  await ask(host, 'systemctl restart mailfarm');
  await whole();
  expect((await playWell('doctor.yml')).output).toMatch(/Nothing is wrong with \d+ hosts/);
});
