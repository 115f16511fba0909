/** The witness's zero means something only because it finds each of these. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEMO_PASSWORD, DEMO_USERS, startFarm, type Farm } from '../harness/farm.ts';
import { run, start as startProcess } from '../harness/process.ts';
import { processTree } from '../harness/processes.ts';
import { cutPower, powerNotes } from './plants/power.ts';
import { readLedger } from './ledger.ts';
import type { WitnessOptions, WitnessUser } from './options.ts';
import { switchedBy } from './plants/storage.ts';
import { Pop3 } from './pop3.ts';
import type { Entry } from './records.ts';
import { reportText, type Report } from './report.ts';
import type { ViolationKind } from './violation.ts';
import { Witness } from './witness.ts';

/** Others may be busy on this machine. */
const READY_MS = 240_000;
const TEST_MS = 600_000;
const PLANTS = join(import.meta.dirname, 'plants/all.ts');
const MAIN = join(import.meta.dirname, 'main.ts');
const VOLUMES = ['mail1', 'mail2'];

const dir = mkdtempSync(join(tmpdir(), 'mailfarm-plants-'));
const place = join(dir, 'plant');
const notes = join(dir, 'power');
let farm: Farm;
let runs = 0;

/** One farm for all; after a loss of power it starts again on what is left. */
async function start(base?: number): Promise<void> {
  farm = await startFarm({
    dir: join(dir, 'farm'),
    env: { NODE_OPTIONS: `--import=${PLANTS}`, ...switchedBy(place), ...powerNotes(notes) },
    readyMs: READY_MS,
    ...(base === undefined ? {} : { base }),
  });
}

const plant = (name: string): void => writeFileSync(place, name);

beforeAll(async () => {
  plant('');
  await start();
}, READY_MS);
afterAll(async () => {
  await farm?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** What is left of the test before is not of this one. */
async function emptyMailboxes(): Promise<void> {
  for (const login of DEMO_USERS) {
    const pop = await Pop3.connect(`127.0.0.1:${farm.ports.pop3}`, 10_000, 60_000);
    const { rows } = await pop.view(login, DEMO_PASSWORD);
    for (let number = 1; number <= rows.size; number++) await pop.delete(number);
    await pop.quit();
    pop.close();
  }
}

/** Or it would land amid the next test. */
async function nothingParked(): Promise<void> {
  const parked = async (): Promise<number> => {
    const { stdout } = await farm.command(['queue', 'list', '--json']);
    return (JSON.parse(stdout.toString()) as { readonly letters: unknown[] }).letters.length;
  };
  await expect.poll(parked, { timeout: READY_MS, interval: 500 }).toBe(0);
}

async function watch(name: string, more: Partial<WitnessOptions> = {}): Promise<Witness> {
  await emptyMailboxes();
  plant(name);
  return Witness.start({
    ledger: join(dir, `ledger${++runs}`),
    smtp: [`127.0.0.1:${farm.ports.smtp}`],
    pop3: [`127.0.0.1:${farm.ports.pop3}`],
    users: DEMO_USERS.map((login) => ({ login, password: DEMO_PASSWORD })),
    senders: 4,
    readers: 3,
    several: 0.5,
    again: 0.2,
    readPauseMs: 50,
    retryMs: 200,
    drainMs: 10_000,
    landMs: 500,
    ...more,
  });
}

/** Lets it work until `enough`; a busy machine gets more time. */
async function until(enough: () => boolean, ms = 240_000): Promise<void> {
  const end = performance.now() + ms;
  while (!enough() && performance.now() < end) await sleep(50);
}

/** @returns what was found, when it was enough, and the plant is pulled out. */
async function work(witness: Witness): Promise<Report> {
  await until(() => {
    const { counts, violations } = witness.progress();
    return violations > 0 || (counts.acknowledged > 300 && counts.deleted > 30);
  });
  const report = await witness.finish();
  plant('');
  return report;
}

/** Where a message lies. */
function fileOf(uidl: string): string {
  const paths = VOLUMES.flatMap((volume) => {
    const root = join(farm.dir, volume);
    return readdirSync(root, { recursive: true, encoding: 'utf8' }).map((at) => join(root, at));
  });
  return paths.find((path) => basename(path).startsWith(`${uidl},`)) ?? `no file of ${uidl}`;
}

const kindsOf = (report: Report): ViolationKind[] => [
  ...new Set(report.violations.map(({ kind }) => kind)),
];

/** What each plant is called, and what may follow from it. */
const PLANTED: Readonly<Record<string, readonly [ViolationKind[], ViolationKind[]]>> = {
  'lost-rename': [['missing', 'lost'], ['empty']],
  'lost-link': [['missing', 'lost'], ['empty']],
  'double-landing': [['doubled'], []],
  'changing-uidl': [['uidl-changed'], ['missing', 'doubled', 'came-back', 'lost']],
  'empty-mailbox': [['empty'], ['missing', 'lost']],
  truncated: [['truncated'], ['missing', 'unreadable']],
  'other-body': [
    ['wrong-body', 'uidl-reused'],
    ['doubled', 'missing', 'size', 'lost'],
  ],
  undead: [['came-back'], []],
  // Its errors of the disk park letters as well: they land after the witness has looked.
  permanent: [['wrong-5xx'], ['missing', 'lost']],
};

describe('the witness', { timeout: TEST_MS }, () => {
  test('[N-01] finds nothing where nothing is planted', async () => {
    const report = await work(await watch('', { cut: 0 }));
    expect(report.ok, reportText(report)).toBe(true);
    expect(report.counts.acknowledged).toBeGreaterThan(300);
    expect(report.counts.doubles).toBe(0);
  });

  test('[N-01] finds nothing by LMTP, for users of two volumes, nor in their Maildirs', async () => {
    const users: WitnessUser[] = [];
    const maildirs: Record<string, string> = {};
    for (const volume of VOLUMES) {
      const login = `of-${volume}@example.test`;
      const flags = ['--password-stdin', '--volume', volume];
      const added = await farm.command(['user', 'add', login, ...flags], 'secret');
      expect(added.code, added.stderr).toBe(0);
      users.push({ login, password: 'secret', group: volume });
    }
    const lmtp = [`127.0.0.1:${farm.ports.lmtp}`];
    const more = { lmtp: true, smtp: lmtp, users, cut: 0, mixedSenders: 2 };
    const witness = await watch('', more);
    await until(() => witness.progress().counts.acknowledged > 150);
    await witness.stop();
    for (const { login, group = '' } of users) {
      const shown = await farm.command(['user', 'show', login, '--json']);
      const { id } = JSON.parse(shown.stdout.toString()) as { readonly id: string };
      const root = join(farm.dir, group);
      const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
      maildirs[login] = join(root, names.find((name) => name.endsWith(`/${id}`)) ?? 'nowhere');
    }
    const report = await witness.finish({ maildirs });
    expect(report.ok, reportText(report)).toBe(true);
    const sent = report.figures.filter(({ work: what }) => what === 'send');
    expect(new Set(sent.map(({ group }) => group))).toEqual(new Set([...VOLUMES, 'mixed']));
    for (const { group, successes } of sent) expect(successes, group).toBeGreaterThan(5);
    expect(report.counts.doubles).toBe(0);
  });

  for (const [name, [named, besides]] of Object.entries(PLANTED)) {
    test(`[N-21] finds the planted fault ${name} and calls it ${named.join(' or ')}`, async () => {
      const report = await work(await watch(name));
      const found = kindsOf(report);
      const text = reportText(report);
      expect(
        found.some((kind) => named.includes(kind)),
        text,
      ).toBe(true);
      expect([...named, ...besides], text).toEqual(expect.arrayContaining(found));
      expect(report.ok).toBe(false);
      await nothingParked();
    });
  }

  test('killed as a program amid its work it verifies from its ledger, and carries on', async () => {
    await emptyMailboxes();
    const ledger = join(dir, 'ledger-of-program');
    rmSync(ledger, { recursive: true, force: true }); // Of a first try.
    const users = DEMO_USERS.flatMap((login) => ['--user', `all:${login}:${DEMO_PASSWORD}`]);
    const program = [process.execPath, MAIN];
    const argv = [...program, 'run', '--ledger', ledger, ...users].concat(
      `--smtp=127.0.0.1:${farm.ports.smtp}`,
      `--pop3=127.0.0.1:${farm.ports.pop3}`,
    );
    const first = startProcess(argv, { withParent: 'KILL' });
    const of = (kind: Entry['kind']): Entry[] =>
      readLedger(ledger).entries.filter((entry) => entry.kind === kind);
    await first.waitFor(/sending/, READY_MS);
    await until(() => of('end').length >= 60 && of('deleted').length > 0);
    first.kill('SIGKILL');
    await first.exited;

    const verify = [...program, 'verify', '--ledger', ledger];
    const verified = await run(verify);
    expect(verified.stdout.toString(), verified.stderr).toContain('no mail was lost');
    const json = join(dir, 'report.json');
    const second = await run([...argv, '--seconds', '2', '--json', json]);
    expect([0, 2], second.stdout.toString() + second.stderr).toContain(second.code);
    const { violations, counts } = JSON.parse(readFileSync(json, 'utf8')) as Report;
    expect(violations).toEqual([]);
    expect(counts.acknowledged).toBeGreaterThan(60);

    // It can fail: a file is taken out of a mailbox.
    const asked = new Set(of('ask').flatMap((entry) => (entry.kind === 'ask' ? entry.uidls : [])));
    const left = of('seen').find((entry) => entry.kind === 'seen' && !asked.has(entry.uidl));
    rmSync(fileOf(left?.kind === 'seen' ? left.uidl : ''));
    const worse = await run([...verify, '--land-seconds', '1']);
    expect(worse.code).toBe(1);
    expect(worse.stdout.toString()).toContain('VIOLATION 1 × missing');
    expect(worse.stdout.toString()).toContain('VIOLATION 1 × lost');
  });

  for (const name of ['', 'early-reply']) {
    const title =
      name === ''
        ? '[S0-02] sees nothing lost when the power is cut'
        : `[N-21] finds that 250 came before fsync when the power is cut (planted: ${name})`;
    test(title, async () => {
      const witness = await watch(name);
      await until(() => witness.progress().counts.acknowledged > 100);
      for (const pid of processTree([farm.pid])) process.kill(pid, 'SIGKILL');
      await farm.process.exited;
      const cut = cutPower(
        notes,
        VOLUMES.map((volume) => join(farm.dir, volume)),
      );
      plant('');
      await start(farm.base);
      const report = await witness.finish();
      const text = `${cut} files cut\n${reportText(report)}`;
      if (name === '') return expect(report.ok, text).toBe(true);
      const found = kindsOf(report);
      expect(
        found.filter((kind) => ['lost', 'missing', 'truncated', 'size', 'foreign'].includes(kind)),
        text,
      ).not.toEqual([]);
    });
  }
});
