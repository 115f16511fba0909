import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Report } from '../../witness/report.ts';
import { type MachinesFarm, startFarm, volumeOf } from './farm.ts';
import { atFiler, cable, diskOf, type Frontend, FRONTENDS } from './inside.ts';
import { type HostProcess, power, restore, run, serverThreads } from './inside.ts';
import { allNodesRun, expectNoCrash, expectProven, figuresOf } from './witness-watch.ts';
import { say, seconds, Watch } from './witness-watch.ts';

// The witness watches three front ends and two file servers while one thing after another breaks:
// no acknowledged letter is lost, none comes twice without a second attempt, none is refused for
// good, no process dies of it.

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

/** In that phase users of these volumes sent and read, and nothing stood still for longer. */
function expectService(
  report: Report,
  phase: string,
  { groups = GROUPS, gapMs }: { groups?: readonly string[]; gapMs: number },
): void {
  for (const group of groups) {
    for (const work of WORK) {
      const { successes, interruptionMs } = figuresOf(report, phase, group, work);
      expect(successes, `${work} for ${group} in ${phase}`).toBeGreaterThan(0);
      expect(interruptionMs, `${work} for ${group} in ${phase}`).toBeLessThan(gapMs);
    }
  }
}

test('[S0-02] [S2-08] [N-01] a front end is killed, another loses its power: the others go on, both come back, nothing is lost', async () => {
  const watch = await Watch.start(farm, 'front-ends', { answerMs: 8_000, dotMs: 15_000 });
  await sleep(seconds(3, 20));
  await killNode('fe1');
  await watch.during('fe1 killed', seconds(5, 30));
  watch.phase('fe1 starts');
  await startNode('fe1');
  await power.off('fe2');
  await watch.during('fe2 off', seconds(10, 60));
  watch.phase('fe2 starts');
  await power.on('fe2');
  await startNode('fe2');
  await watch.during('all again', seconds(4, 20));
  const report = await watch.finish();
  expectProven(report);
  expectService(report, 'fe1 killed', { gapMs: 8_000 });
  expectService(report, 'fe2 off', { gapMs: 20_000 });
  expectService(report, 'all again', { gapMs: 10_000 });
  expectNoCrash(nodes);
});

/** A file server came back: its users are served again. Grace and the kernel's patience included. */
const SERVED_MS = 60_000;

async function servedAgain(watch: Watch, name: string, user: string): Promise<void> {
  watch.phase(name, { parking: true });
  const end = performance.now() + SERVED_MS;
  for (const host of FRONTENDS) {
    while (!(await readable(host, user))) {
      if (performance.now() > end) throw new Error(`${user} is not served by ${host} again`);
      await sleep(200);
    }
  }
}

const readable = (host: Frontend, user: string): Promise<boolean> =>
  farm.mailbox(host, user).then(
    () => true,
    () => false,
  );

test('[S2-02] [S2-08] [N-21] the NFS server of one volume is stopped and started, restarted, power-cut and rebooted: its users wait, the others do not notice, nothing is lost', async () => {
  const user = farm.users[0] ?? '';
  const watch = await Watch.start(farm, 'server', { powerCuts: true, parking: true });
  await sleep(seconds(3, 20));
  await serverThreads('filer1', 0);
  await watch.during('stopped', seconds(6, 60));
  await serverThreads('filer1', 4);
  await servedAgain(watch, 'started', user);
  await sleep(seconds(1, 10));
  await serverThreads('filer1', 0);
  await serverThreads('filer1', 4);
  await servedAgain(watch, 'restarted', user);
  await sleep(seconds(1, 10));
  await power.off('filer1');
  await watch.during('no power', seconds(3, 60));
  await power.on('filer1');
  await servedAgain(watch, 'booted', user);
  await watch.during('all again', seconds(4, 20), { parking: true });
  const report = await watch.finish();
  expectProven(report);
  for (const phase of ['stopped', 'no power']) {
    expectService(report, phase, { groups: ['mail2'], gapMs: 8_000 });
  }
  expect(figuresOf(report, 'stopped', 'mail1', 'read').successes).toBeLessThan(3);
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

test.for([
  { what: 'disk', fill: FILL_DISK },
  { what: 'inodes', fill: FILL_INODES },
])(
  '[S2-02] [S2-08] $what full: 452 for users of that volume while they read and delete; freed, they get mail again',
  async ({ what, fill }) => {
    // Letters of this test's own are not the witness's: it looks at them before it begins.
    const watch = await Watch.start(farm, `${what}-full`, { logins: farm.users.slice(2) });
    await sleep(seconds(2, 20));
    watch.phase('full');
    const since = now();
    say(`${what}: ${(await atFiler('mail1', fill)).trim().split('\n').at(-1)}`);
    await isFull();
    const all = watch.counts.deleted;
    await sleep(seconds(4, 60));
    const deleted = deletedSince(watch, 'mail1', since);
    say(
      `${what} full: ${deleted} deleted of mail1, ${watch.counts.deleted - all} since 452 in all`,
    );
    await atFiler('mail1', 'rm -rf filled*');
    watch.phase('freed');
    await takes();
    await watch.during('all again', seconds(3, 20));
    const report = await watch.finish();
    expectProven(report);
    expect(deleted).toBeGreaterThan(0);
    expect(figuresOf(report, 'full', 'mail1', 'send').temporary).toBeGreaterThan(0);
    expect(figuresOf(report, 'full', 'mail1', 'read').successes).toBeGreaterThan(2);
    expectService(report, 'full', { groups: ['mail2'], gapMs: 10_000 });
    expectService(report, 'all again', { gapMs: 15_000 });
    expectNoCrash(nodes);
  },
);

test('[S0-02] [N-01] [S2-08] the network of one front end is cut and healed, and of the front end and one filer: nothing is lost', async () => {
  const watch = await Watch.start(farm, 'network', {
    answerMs: 12_000,
    dotMs: 20_000,
    parking: true,
  });
  await sleep(seconds(2, 20));
  await cable.cut('fe3');
  await watch.during('fe3 cut off', seconds(12, 120), { parking: true });
  await cable.heal('fe3');
  await watch.during('fe3 healed', seconds(6, 60), { parking: true });
  await cable.cut('fe1', 'filer2');
  await watch.during('fe1 without filer2', seconds(12, 120), { parking: true });
  await cable.heal('fe1', 'filer2');
  await watch.during('all again', seconds(8, 30), { parking: true });
  const report = await watch.finish();
  expectProven(report);
  expectService(report, 'fe3 cut off', { gapMs: 25_000 });
  expectService(report, 'fe1 without filer2', { gapMs: 25_000 });
  expectService(report, 'all again', { gapMs: 25_000 });
  expectNoCrash(nodes);
});

test('[S2-02] [S2-08] [N-01] an export is taken away and comes back (ESTALE): temporary failures, nothing is lost', async () => {
  const user = farm.users[0] ?? '';
  const where = `10.99.0.0/24:${diskOf('mail1')}`;
  const options = 'rw,sync,no_subtree_check,root_squash,fsid=1';
  const watch = await Watch.start(farm, 'estale', { parking: true });
  await sleep(seconds(2, 20));
  await run('filer1', ['exportfs', '-u', where], { as: 'root' });
  await run('filer1', ['exportfs', '-f'], { as: 'root' });
  await watch.during('no export', seconds(6, 60), { parking: true });
  await run('filer1', ['exportfs', '-o', options, where], { as: 'root' });
  await servedAgain(watch, 'exported', user);
  await watch.during('all again', seconds(4, 20), { parking: true });
  const report = await watch.finish();
  expectProven(report);
  expect(figuresOf(report, 'no export', 'mail1', 'read').temporary).toBeGreaterThan(0);
  expectService(report, 'no export', { groups: ['mail2'], gapMs: 8_000 });
  expectService(report, 'all again', { gapMs: 15_000 });
  expectNoCrash(nodes);
});

test('[N-01] [S2-02] three front ends on one mailbox: delivered, listed, fetched, deleted all at once', async () => {
  const watch = await Watch.start(farm, 'one-mailbox', {
    logins: [farm.users[0] ?? ''],
    senders: 5,
    readers: 4,
    several: 0,
    sendPauseMs: 0,
    readPauseMs: 50,
    again: 0.1,
  });
  await sleep(seconds(15, 600));
  const report = await watch.finish();
  expectProven(report);
  expectService(report, 'usual', { groups: ['mail1'], gapMs: 15_000 });
  expectNoCrash(nodes);
});
