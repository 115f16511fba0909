import { expect, test } from 'vitest';
import { RULES } from '../../src/journal/rules.ts';
import { DISASTERS } from './disasters.ts';
import { engineOf } from './engine.ts';
import { explore, replay, ScheduleError } from './explorer.ts';
import { FOLDERS } from './folders.ts';
import { CAUGHT_TWICE, NEEDED_FOR } from './rules.ts';
import { EVERYDAY } from './scenarios.ts';

// The journal's own code, in every order of its calls within the bounds. MAILFARM_MODEL_DEPTH=long
// takes the wider bounds of each scenario; a number is that many preemptions for all.

const SCENARIOS = [...EVERYDAY, ...DISASTERS, ...FOLDERS];
const DEPTH = process.env['MAILFARM_MODEL_DEPTH'];
const MINUTES_MAX = DEPTH === undefined ? 10 : 600;

/** Schedules that once broke a promise, by scenario. */
const REGRESSIONS: readonly (readonly [scenario: string, schedule: string])[] = [];

const named = (name: string) => {
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (scenario === undefined) throw new Error(`no scenario is called ${name}`);
  return scenario;
};
function boundsOf([short, long]: readonly [number, number]): { readonly preemptions: number } {
  if (DEPTH === undefined) return { preemptions: short };
  return { preemptions: DEPTH === 'long' ? long : Number(DEPTH) };
}

for (const scenario of SCENARIOS) {
  test(
    `[N-11] every schedule: ${scenario.name}`,
    async () => {
      const bounds = boundsOf(scenario.preemptions);
      const { schedules, states, steps } = await explore(scenario, engineOf(), bounds);
      process.stdout.write(
        `model: ${schedules} schedules, ${states} states, ${steps} calls, ` +
          `${bounds.preemptions} preemptions: ${scenario.name}\n`,
      );
      expect(schedules).toBeGreaterThan(1);
    },
    MINUTES_MAX * 60_000,
  );
}

for (const rule of RULES) {
  if (CAUGHT_TWICE.has(rule)) continue;
  test(
    `[N-11] without the rule ${rule} some schedule breaks a promise`,
    async () => {
      const scenario = named(NEEDED_FOR[rule]);
      const broken = explore(scenario, engineOf(rule), { preemptions: 2 });
      await expect(broken).rejects.toThrow(ScheduleError);
    },
    MINUTES_MAX * 60_000,
  );
}

for (const [name, schedule] of REGRESSIONS) {
  test(`[N-11] ${name}: ${schedule}`, async () => {
    expect(await replay(named(name), engineOf(), schedule)).not.toEqual([]);
  });
}

test('a schedule that failed fails again when it is replayed', async () => {
  const scenario = named(NEEDED_FOR['own-id']);
  const without = engineOf('own-id');
  const error = await explore(scenario, without, { preemptions: 2 }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ScheduleError);
  const { schedule } = error as ScheduleError;
  await expect(replay(scenario, without, schedule)).rejects.toThrow(schedule);
  await replay(scenario, engineOf(), '');
});
