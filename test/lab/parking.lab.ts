import { mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { nodeFs, nameKey } from '#maildir';
import type { Delivered } from '../../src/delivery/types.ts';
import { initVolume } from '../../src/volumes/sentinel.ts';
import { asRoot, callsDuring, startOn, type Client } from './inside.ts';
import { SharedMaildir } from './mailboxes.ts';
import {
  mailPath,
  parkingHost,
  parkingUsers,
  spoolPath,
  type ParkingHost,
} from './parking-host.ts';

// The mail volume goes away at the server; one host takes its mail, others bring it to the users.

const LONG = process.env['MAILFARM_LAB_LONG'] !== undefined;
const AT = '10.99.0.0/24:/mnt/srv/mail2';
const EXPORT = ['-o', 'rw,sync,no_subtree_check,root_squash,fsid=2', AT];
const TEXT = `Subject: parked\n\n${'0123456789 '.repeat(450)}\n`;
const USERS = 3;
const NEVER_MS = 600_000;

const hosts: ParkingHost[] = [];
afterEach(async () => {
  await asRoot('exportfs', ...EXPORT);
  for (const host of hosts.splice(0)) host.close();
});

/** Two volumes, each on a disk of its own at the server. @returns where */
async function volumesMade(): Promise<string> {
  const place = new SharedMaildir('mail2').name;
  for (const [path, name] of [
    [mailPath('c1', place), 'v1'],
    [spoolPath('c1', place), 'spool1'],
  ] as const) {
    mkdirSync(path, { recursive: true });
    await initVolume(nodeFs, path, { identity: `identity-of-${name}`, name });
  }
  return place;
}

/** No probe and no look but those that a test wants: what is counted is the work. */
async function hostOn(client: Client, place: string): Promise<ParkingHost> {
  const host = await parkingHost(client, place, {
    users: USERS,
    landMs: NEVER_MS,
    probeMs: NEVER_MS,
  });
  hosts.push(host);
  for (const volume of host.volumes.table.volumes) await volume.ready();
  return host;
}

async function makeMailboxes({ volumes }: ParkingHost): Promise<void> {
  for (const account of parkingUsers(USERS)) {
    const located = await volumes.table.locate(account);
    await located?.volume.create(located.maildir, { root: located.volume.entry.path });
  }
}

/** What the host knows of the mail volume after it asked. */
async function isUp({ volumes }: ParkingHost): Promise<boolean> {
  const volume = volumes.table.get('v1');
  await volume?.verify().catch(() => {});
  return volume?.up === true;
}

async function send(host: ParkingHost, n: number, text: string): Promise<Delivered> {
  const [account] = parkingUsers(USERS).slice(n % USERS);
  if (account === undefined) throw new Error('nobody');
  const recipients = [{ address: account.login, account }];
  const header = (): Uint8Array => Buffer.from(`X-N: ${n}\n`);
  const message = host.delivery.begin({ id: `t${n}`, recipients, header });
  await message.write(Buffer.from(text));
  const [result] = await message.commit();
  if (result === undefined) throw new Error('no result');
  return result;
}

/** All mail, by key, as another host sees it. */
function mailSeenBy(client: Client, place: string): Map<string, string> {
  const seen = new Map<string, string>();
  const all = readdirSync(mailPath(client, place), { recursive: true, withFileTypes: true });
  for (const entry of all) {
    if (!entry.isFile() || !/\/(new|cur)$/.test(entry.parentPath)) continue;
    const key = nameKey(entry.name);
    expect(seen.has(key), `${key} twice`).toBe(false);
    seen.set(key, readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  }
  return seen;
}

const spooled = (client: Client, place: string): string[] =>
  readdirSync(join(spoolPath(client, place), 'spool/parked'), {
    recursive: true,
    withFileTypes: true,
  })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.nfs'))
    .map((entry) => join(entry.parentPath, entry.name));

const look = async ({ delivery }: ParkingHost): Promise<unknown> => delivery.lander?.look();

const goAway = (): Promise<string> => asRoot('exportfs', '-u', AT);
const comeBack = (): Promise<string> => asRoot('exportfs', ...EXPORT);

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let turn = 0; !(await holds()); turn++) {
    if (turn > 300) throw new Error(`never: ${what}`);
    await sleep(200);
  }
}

test('[N-03] [S2-02] one host parks, another lands after the volume is back; calls counted', async () => {
  const place = await volumesMade();
  const [one, two] = [await hostOn('c1', place), await hostOn('c2', place)];
  await makeMailboxes(one);
  const want = new Map<string, string>();
  const sent = async (n: number, where: string | undefined): Promise<void> => {
    const { name = '', error, parkedOn } = await send(one, n, TEXT);
    expect(error).toBeUndefined();
    expect(parkedOn).toBe(where);
    want.set(nameKey(name), `X-N: ${n}\n${TEXT}`);
  };
  await sent(0, undefined);
  await goAway();
  for (const host of [one, two]) await until('down', async () => !(await isUp(host)));
  for (let n = 0; n < 3; n++) await sent(n, 'spool1');
  const parking = await callsDuring('c1', () => sent(3, 'spool1'), 'mail1');
  expect(await two.delivery.lander?.look()).toBe(0);
  await comeBack();
  for (const host of [one, two]) await until('up again', () => isUp(host));
  expect(await two.delivery.lander?.look()).toBe(4);
  expect(mailSeenBy('c3', place)).toEqual(want);
  expect(spooled('c3', place)).toEqual([]);
  // Once more, so that what a host knows already is not looked up; 16 letters of one user.
  await goAway();
  await until('down', async () => !(await isUp(one)));
  for (let n = 0; n < 48; n += USERS) await sent(n, 'spool1');
  await comeBack();
  for (const host of [one, two]) await until('up again', () => isUp(host));
  let onMail = '';
  const landing = await callsDuring(
    'c2',
    async () => {
      const { total, calls } = await callsDuring('c2', () => look(two), 'mail2');
      onMail = `${total} on the mail volume (${calls})`;
      expect(total).toBeLessThanOrEqual(16 * 5 + 16);
    },
    'mail1',
  );
  process.stdout.write(
    `   parking of one letter: ${parking.total} calls (${parking.calls})\n` +
      `   landing of 16 letters of one user: ${landing.total} on the spool (${landing.calls}), ` +
      `${onMail}\n`,
  );
  expect(mailSeenBy('c3', place)).toEqual(want);
  expect(spooled('c3', place)).toEqual([]);
  expect(parking.total).toBeLessThanOrEqual(10);
  expect(landing.total).toBeLessThanOrEqual(16 * 10 + 30);
}, 180_000);

/** As if the holders of claims had died long ago: leases are two minutes. */
function letLeasesEnd(client: Client, place: string): number {
  const directory = join(spoolPath(client, place), 'spool/parked/taken/v1');
  let count = 0;
  for (const name of readdirSync(directory)) {
    const older = name.replace(/T=(\d+)/, (_, at: string) => `T=${Number(at) - 300}`);
    renameSync(join(directory, name), join(directory, older));
    count += 1;
  }
  return count;
}

test('[N-03] landers on two hosts killed at any instant: every letter arrives, once', async () => {
  const place = await volumesMade();
  const one = await hostOn('c1', place);
  await makeMailboxes(one);
  await goAway();
  await until('down', async () => !(await isUp(one)));
  const want = new Map<string, string>();
  for (let n = 0; n < (LONG ? 600 : 120); n++) {
    const text = `letter ${n} ${'x'.repeat(n * 50)}\n`;
    const { name = '', parkedOn } = await send(one, n, text);
    expect(parkedOn).toBe('spool1');
    want.set(nameKey(name), `X-N: ${n}\n${text}`);
  }
  await comeBack();
  let held = 0;
  let kills = 0;
  const enough = (): boolean => (kills >= (LONG ? 40 : 4) && held > 0) || kills >= 40;
  for (; !enough() && mailSeenBy('c3', place).size < want.size; kills++) {
    const client = kills % 2 === 0 ? 'c2' : 'c3';
    const argv = ['test/lab/parking-host.ts', client, place, String(USERS)];
    const lander = await startOn(client, `lander-${kills}`, [process.execPath, ...argv]);
    await until('a lander runs', () => lander.output().includes('landing'));
    await sleep(100 + Math.random() * 900);
    await lander.signal('KILL');
    await sleep(200);
    held += letLeasesEnd('c1', place);
  }
  const before = mailSeenBy('c3', place).size;
  await until('up again', () => isUp(one));
  await until('all landed', async () => {
    await one.delivery.lander?.look();
    return spooled('c1', place).every((path) => path.includes('/message/'));
  });
  const ends = `${kills} landers killed, ${held} letters in their hands, ${before} had arrived`;
  process.stdout.write(`   ${ends}\n`);
  expect(mailSeenBy('c3', place)).toEqual(want);
  expect(held).toBeGreaterThan(0);
}, 600_000);
