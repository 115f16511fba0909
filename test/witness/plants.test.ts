/** The witness's zero means something only because it finds each of these. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, type TestContext } from 'vitest';
import { testDirectory } from '../harness/directory.ts';
import { DEMO_PASSWORD, DEMO_USERS, startFarm, type Farm } from '../harness/farm.ts';
import { processTree } from '../harness/processes.ts';
import { cutPower, powerNotes } from './plants/power.ts';
import type { Report } from './report.ts';
import { reportText } from './report.ts';
import { VIOLATIONS, type ViolationKind } from './violation.ts';
import { Witness, type FinishOptions } from './witness.ts';

/** Others may be busy on this machine. */
const READY_MS = 120_000;
const PLANTS = join(import.meta.dirname, 'plants');

interface Run {
  readonly farm: Farm;
  readonly witness: Witness;
  readonly dir: string;
}

const preload = (plants: readonly string[]): Record<string, string> => ({
  NODE_OPTIONS: plants.map((name) => `--import=${join(PLANTS, `${name}.ts`)}`).join(' '),
});

/** A farm with faults, watched. */
async function watch(
  ctx: TestContext,
  plants: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const dir = testDirectory(ctx);
  const farm = await startFarm({
    dir: join(dir, 'farm'),
    env: { ...preload(plants), ...env },
    readyMs: READY_MS,
  });
  ctx.onTestFinished(async () => void (await farm.stop()));
  const witness = await Witness.start({
    ledger: join(dir, 'ledger'),
    smtp: [`127.0.0.1:${farm.ports.smtp}`],
    pop3: [`127.0.0.1:${farm.ports.pop3}`],
    users: DEMO_USERS.map((login) => ({ login, password: DEMO_PASSWORD })),
    senders: 4,
    readers: 3,
    several: 0.5,
    again: 0.2,
    readPauseMs: 50,
    drainMs: 5_000,
    landMs: 2_000,
  });
  return { farm, witness, dir };
}

/** Lets it work until `enough`; a busy machine gets more time. */
async function until(enough: () => boolean, ms = 60_000): Promise<void> {
  const end = performance.now() + ms;
  while (!enough() && performance.now() < end) await sleep(100);
}

const kinds = (report: Report): ViolationKind[] => [
  ...new Set(report.violations.map(({ kind }) => kind)),
];

async function work(run: Run, options: FinishOptions = {}): Promise<Report> {
  const { witness } = run;
  const enough = (): boolean => {
    const { counts, violations } = witness.progress();
    return violations > 0 || (counts.acknowledged > 300 && counts.deleted > 30);
  };
  await until(enough);
  return witness.finish(options);
}

describe('the witness', () => {
  test('finds nothing where nothing is planted', async (ctx) => {
    const run = await watch(ctx, ['power'], powerNotes('/dev/null'));
    const report = await work(run);
    expect(report.ok, reportText(report)).toBe(true);
    expect(report.counts.acknowledged).toBeGreaterThan(300);
    expect(report.counts.doubles).toBe(0);
  });

  const PLANTED: Readonly<Record<string, readonly ViolationKind[]>> = {
    'lost-rename': ['missing', 'lost'],
    'lost-link': ['missing', 'lost'],
    'double-landing': ['doubled'],
    'changing-uidl': ['uidl-changed'],
    'empty-mailbox': ['empty'],
    truncated: ['truncated'],
    'other-body': ['wrong-body', 'uidl-reused'],
    undead: ['came-back'],
    permanent: ['wrong-5xx'],
  };
  for (const [plant, expected] of Object.entries(PLANTED)) {
    test(`finds the planted fault ${plant} and calls it ${expected.join(' or ')}`, async (ctx) => {
      const report = await work(await watch(ctx, [plant]));
      expect(report.ok).toBe(false);
      const found = kinds(report);
      expect(
        found.filter((kind) => expected.includes(kind)),
        reportText(report),
      ).not.toEqual([]);
      for (const kind of found) expect(VIOLATIONS).toHaveProperty(kind);
    });
  }

  for (const plant of ['', 'early-reply']) {
    const title = plant === '' ? 'sees nothing lost' : 'finds that 250 came before fsync';
    test(`${title} when the power is cut${plant && ` (planted: ${plant})`}`, async (ctx) => {
      const notes = join(testDirectory(ctx), 'power');
      const plants = ['power', ...(plant ? [plant] : [])];
      const first = await watch(ctx, plants, powerNotes(notes));
      await until(() => first.witness.progress().counts.acknowledged > 100);
      for (const pid of processTree([first.farm.pid])) process.kill(pid, 'SIGKILL');
      const cut = cutPower(notes, [join(first.farm.dir, 'mail1'), join(first.farm.dir, 'mail2')]);
      const { base, dir } = first.farm;
      const again = await startFarm({ dir, base, readyMs: READY_MS });
      ctx.onTestFinished(async () => void (await again.stop()));
      await sleep(1_000);
      const report = await first.witness.finish();
      const text = `${cut} files cut\n${reportText(report)}`;
      if (plant === '') return expect(report.ok, text).toBe(true);
      const lost = kinds(report).filter((kind) =>
        ['lost', 'missing', 'truncated', 'corrupt', 'size', 'foreign', 'empty'].includes(kind),
      );
      expect(lost, text).not.toEqual([]);
    });
  }
});
