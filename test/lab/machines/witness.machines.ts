import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Pop3Chat } from '../../harness/pop3-chat.ts';
import type { Report } from '../../witness/report.ts';
import { type MachinesFarm, PASSWORD, PORTS, startFarm, volumeOf } from './farm.ts';
import { atFiler, cable, diskOf, type Frontend, FRONTENDS, HOSTS } from './inside.ts';
import { type HostProcess, power, restore, run, serverThreads } from './inside.ts';
import { allNodesRun, expectNoCrash, expectProven, figuresOf } from './witness-watch.ts';
import { LONG, parked, say, seconds, Watch } from './witness-watch.ts';

// The witness watches three front ends and two file servers while one thing after another breaks:
// no acknowledged letter is lost, none comes twice without a second attempt, none is refused for
// good, no process dies of it.

vi.setConfig({ testTimeout: seconds(400, 1_200) });

let farm: MachinesFarm;
/** Every node of this test, those that were killed too. */
let nodes: Set<HostProcess>;

beforeAll(async () => {
  farm = await startFarm({ users: 6 });
});
afterAll(() => farm?.close());
beforeEach(async () => {
  await allNodesRun(farm);
  nodes = new Set(farm.nodes.values());
});
afterEach(async () => {
  await Watch.stopAll();
  await restore();
});

async function startNode(host: Frontend, imports: readonly string[] = []): Promise<void> {
  nodes.add(await farm.startNode(host, { imports }));
}

const killNode = async (host: Frontend): Promise<void> => farm.nodes.get(host)?.signal('KILL');

const GROUPS = ['mail1', 'mail2'] as const;
const WORK = ['send', 'read'] as const;

/** In that phase users of these volumes were served, and nothing stood still for longer. */
function expectService(
  report: Report,
  phase: string,
  { groups = GROUPS, gapMs }: { groups?: readonly string[]; gapMs: number },
): void {
  for (const group of groups) {
    const rows = WORK.map((work) => figuresOf(report, phase, group, work));
    // A reader or two may all wait for a host that is dead: not both kinds of work.
    const successes = rows.reduce((sum, row) => sum + row.successes, 0);
    expect(successes, `${group} in ${phase}`).toBeGreaterThan(0);
    for (const { work, interruptionMs } of rows) {
      expect(interruptionMs, `${work} for ${group} in ${phase}`).toBeLessThan(gapMs);
    }
  }
}

test('[S0-02] [S2-08] [N-01] front ends killed, cut off, without power', async () => {
  const watch = await Watch.start(farm, 'front-ends', {
    answerMs: 8_000,
    dotMs: 15_000,
    parking: true,
  });
  await sleep(seconds(2, 20));
  await killNode('fe1');
  await watch.during('fe1 killed', seconds(3, 30));
  watch.phase('fe1 starts');
  await startNode('fe1');
  await cable.cut('fe3');
  await watch.during('fe3 cut off', seconds(5, 120));
  await cable.heal('fe3');
  await watch.during('fe3 healed', seconds(1, 60));
  await power.off('fe2');
  await watch.during('fe2 off', seconds(5, 60));
  watch.phase('fe2 starts');
  await power.on('fe2');
  await startNode('fe2');
  await watch.during('all again', seconds(3, 20));
  const report = await watch.finish();
  expectProven(report);
  for (const phase of ['fe1 killed', 'fe3 cut off', 'fe2 off', 'all again']) {
    expectService(report, phase, { gapMs: 20_000 });
  }
  expectNoCrash(nodes);
});

/** A file server came back: its users are served. Grace and the kernel's patience included. */
const SERVED_MS = 60_000;
/** How long a claim on a parked letter is believed (src/spool/tree-files.ts). */
const LEASE_MS = 120_000;

/** Logged in and listed. */
async function listed(host: Frontend, user: string): Promise<boolean> {
  const place = { host: HOSTS[host].address, port: PORTS.pop3 };
  try {
    const chat = await Pop3Chat.login(place, user, PASSWORD);
    try {
      await chat.listing('UIDL');
      return true;
    } finally {
      chat.stream.destroy();
    }
  } catch {
    return false;
  }
}

/** Every front end serves users of both volumes. */
async function servedAgain(watch: Watch, name: string): Promise<void> {
  watch.phase(name);
  const end = performance.now() + SERVED_MS;
  for (const host of FRONTENDS) {
    for (const user of farm.users.slice(0, 2)) {
      while (!(await listed(host, user))) {
        if (performance.now() > end) throw new Error(`${user} is not served by ${host} again`);
        await sleep(200);
      }
    }
  }
}

test('[N-03] [S2-02] [S2-08] [N-21] a file server stopped, power-cut', async () => {
  const before = await parked();
  const watch = await Watch.start(farm, 'server', { powerCuts: true, parking: true });
  await sleep(seconds(2, 20));
  await serverThreads('filer1', 0);
  await watch.during('stopped', seconds(8, 60));
  // A busy machine sees later that nobody answers.
  await expect.poll(parked, { timeout: SERVED_MS }).toBeGreaterThan(before);
  const amid = await parked();
  await serverThreads('filer1', 4);
  await servedAgain(watch, 'started');
  if (LONG) {
    await serverThreads('filer1', 0);
    await serverThreads('filer1', 4);
    await servedAgain(watch, 'restarted');
  }
  await power.off('filer1');
  await watch.during('no power', seconds(2, 60));
  await power.on('filer1');
  await servedAgain(watch, 'booted');
  await watch.during('all again', seconds(3, 20));
  await expect.poll(parked, { timeout: 60_000 }).toBe(before);
  const report = await watch.finish();
  say(`parked while filer1 was stopped: ${amid - before}, after all: ${(await parked()) - before}`);
  expectProven(report);
  for (const phase of ['stopped', 'no power']) {
    expectService(report, phase, { groups: ['mail2'], gapMs: 10_000 });
  }
  expect(figuresOf(report, 'stopped', 'mail1', 'read').successes).toBeLessThan(3);
  expectService(report, 'all again', { gapMs: 20_000 });
  expectNoCrash(nodes);
});

const EXPORT = `10.99.0.0/24:${diskOf('mail1')}`;
const EXPORT_OPTIONS = 'rw,sync,no_subtree_check,root_squash,fsid=1';

test('[S2-02] [S2-08] [N-01] an export goes and comes: ESTALE', async () => {
  const watch = await Watch.start(farm, 'estale', { parking: true });
  const before = await parked();
  await sleep(seconds(2, 20));
  await run('filer1', ['exportfs', '-u', EXPORT], { as: 'root' });
  await run('filer1', ['exportfs', '-f'], { as: 'root' });
  await watch.during('no export', seconds(4, 60));
  await run('filer1', ['exportfs', '-o', EXPORT_OPTIONS, EXPORT], { as: 'root' });
  await servedAgain(watch, 'exported');
  await cable.cut('fe1', 'filer2');
  await watch.during('fe1 without filer2', seconds(5, 120));
  await cable.heal('fe1', 'filer2');
  await servedAgain(watch, 'healed');
  await watch.during('all again', seconds(3, 20));
  // What was parked lands by itself; what fe1 had claimed when it was cut off, after its lease.
  await expect.poll(parked, { timeout: LEASE_MS + SERVED_MS }).toBeLessThanOrEqual(before);
  const report = await watch.finish();
  expectProven(report);
  expect(figuresOf(report, 'no export', 'mail1', 'read').temporary).toBeGreaterThan(0);
  expectService(report, 'no export', { groups: ['mail2'], gapMs: 10_000 });
  expectService(report, 'fe1 without filer2', { groups: ['mail1'], gapMs: 10_000 });
  expectService(report, 'all again', { gapMs: 20_000 });
  expectNoCrash(nodes);
});

/** Deletions that were confirmed to users of a volume since then. */
function deletedSince(watch: Watch, volume: string, since: number): number {
  return watch
    .entries()
    .filter((entry) => entry.kind === 'deleted')
    .filter(({ box, at }) => at > since && volumeOf(box) === volume)
    .reduce((sum, { uidls }) => sum + uidls.length, 0);
}

const now = (): number => performance.timeOrigin + performance.now();
const LETTER = Buffer.from('Subject: may not be taken\r\n\r\nx\r\n');

/** All front ends say 452 to letters for users of mail1, while the others' are taken. */
async function isFull(): Promise<void> {
  const [ofMail1 = '', ofMail2 = ''] = farm.users;
  for (const host of FRONTENDS) {
    await expect.poll(() => farm.send(host, ofMail1, LETTER), { timeout: 30_000 }).toBe(452);
  }
  expect(await farm.send('fe1', ofMail2, LETTER)).toBe(250);
}

async function takes(): Promise<void> {
  for (const host of FRONTENDS) {
    const sent = (): Promise<number | undefined> => farm.send(host, farm.users[0] ?? '', LETTER);
    await expect.poll(sent, { timeout: 40_000 }).toBe(250);
  }
}

/** What only root may take is left; the last of the rest is written, not reserved. */
const FILL_DISK = `
  fallocate -l $(($(df -B1 --output=avail . | tail -n 1) - 8000000)) filled
  setpriv --reuid mail --regid mail --clear-groups \
    dd if=/dev/zero of=filled-up bs=64k status=none 2> /dev/null || true
  df -B1 .`;
const FILL_INODES = `
  mkdir filled
  seq $(df --output=iavail . | tail -n 1) | sed s,^,filled/, | xargs touch || true
  df -i .`;

/** The volume of filer1 is full in that way; then it is not. @returns deletions meanwhile */
async function fillAndFree(watch: Watch, what: string, fill: string): Promise<number> {
  watch.phase(`${what} full`);
  const since = now();
  say(`${what}: ${(await atFiler('mail1', fill)).trim().split('\n').at(-1)}`);
  await isFull();
  await sleep(seconds(3, 60));
  const deleted = deletedSince(watch, 'mail1', since);
  say(`${what} full: 452 by all front ends, ${deleted} deleted of mail1 meanwhile`);
  await atFiler('mail1', 'rm -rf filled*');
  watch.phase('freed');
  await takes();
  return deleted;
}

test('[S2-02] [S2-08] disk or inodes full: 452, while users read and delete', async () => {
  // Letters of this test's own are not the witness's: they go to the first two users.
  const watch = await Watch.start(farm, 'full', { logins: farm.users.slice(2), deletions: 0.6 });
  await sleep(seconds(2, 20));
  const deleted: number[] = [];
  const kinds = Object.entries({ inodes: FILL_INODES, disk: FILL_DISK }).slice(LONG ? 0 : 1);
  for (const [what, fill] of kinds) deleted.push(await fillAndFree(watch, what, fill));
  await watch.during('all again', seconds(3, 20));
  const report = await watch.finish();
  expectProven(report);
  expect(Math.min(...deleted)).toBeGreaterThan(0);
  for (const phase of kinds.map(([what]) => `${what} full`)) {
    expect(figuresOf(report, phase, 'mail1', 'send').temporary).toBeGreaterThan(0);
    expect(figuresOf(report, phase, 'mail1', 'read').successes).toBeGreaterThan(2);
    expectService(report, phase, { groups: ['mail2'], gapMs: 10_000 });
  }
  expectService(report, 'all again', { gapMs: 15_000 });
  expectNoCrash(nodes);
});

test('[N-01] [S2-02] three front ends do all at once in one mailbox', async () => {
  const watch = await Watch.start(farm, 'one-mailbox', {
    logins: [farm.users[0] ?? ''],
    senders: 5,
    readers: 4,
    several: 0,
    sendPauseMs: 0,
    readPauseMs: 50,
    again: 0.1,
  });
  await sleep(seconds(8, 600));
  const report = await watch.finish();
  expectProven(report);
  // A session fetches and deletes dozens, and counts when it ended: no measure of an outage.
  expectService(report, 'usual', { groups: ['mail1'], gapMs: 60_000 });
  expect(report.counts.temporary + report.counts.unavailable).toBeLessThan(
    report.counts.sessions / 10,
  );
  expectNoCrash(nodes);
});
