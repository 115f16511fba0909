import { expect, test } from 'vitest';
import type { Clock } from '../base/clock.ts';
import type { Registration, Told } from '../directory/registration.ts';
import { DirectoryUnavailable } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import { Presence } from './presence.ts';

/** Time that passes when the test says so, a second at a time. */
function steppedClock(): Clock & { pass(seconds: number): Promise<void> } {
  let now = 0;
  let sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
        if (signal?.aborted) reject(new Error('aborted'));
        else sleepers.push({ at: now + ms, wake: resolve });
      }),
    pass: async (seconds) => {
      const settle = async (): Promise<void> => {
        for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      };
      await settle();
      for (let second = 0; second < seconds; second++) {
        now += 1_000;
        const due = sleepers.filter(({ at }) => at <= now);
        sleepers = sleepers.filter(({ at }) => at > now);
        for (const { wake } of due) wake();
        await settle();
      }
    },
  };
}

const TOLD: Told = { kind: 'told', nodes: 1, twin: undefined };

function scene(answer: (status: string) => Promise<Told>) {
  const clock = steppedClock();
  const told: [seconds: number, status: string][] = [];
  const registration: Registration = {
    join: async () => {},
    tell: async (status) => {
      told.push([clock.now() / 1_000, status]);
      return await answer(status);
    },
  };
  const state = { status: 'SPM' };
  const presence = new Presence({
    registration,
    node: 'front1',
    status: () => state.status,
    beatMs: () => 60_000,
    clock,
    logger: silentLogger,
  });
  presence.start();
  return { clock, told, state, presence };
}

test('[S0-34] a beat a minute, a changed status within a second, all lower case at the end', async () => {
  const { clock, told, state, presence } = scene(async () => TOLD);
  await clock.pass(130);
  state.status = 'sPM';
  await clock.pass(70);
  await presence.end('spm');
  await clock.pass(100);
  expect(told).toEqual([
    [0, 'SPM'],
    [60, 'SPM'],
    [120, 'SPM'],
    [131, 'sPM'],
    [191, 'sPM'],
    [200, 'spm'],
  ]);
});

test('a directory that is away is told again every five seconds, and the newest status then', async () => {
  let away = true;
  const { clock, told, state } = scene(async () => {
    if (away) throw new DirectoryUnavailable('away');
    return TOLD;
  });
  await clock.pass(3);
  state.status = 'sPM';
  await clock.pass(9);
  away = false;
  await clock.pass(60);
  expect(told).toEqual([
    [0, 'SPM'],
    [5, 'sPM'],
    [10, 'sPM'],
    [15, 'sPM'],
  ]);
});

test('an end waits two seconds for its last word, no longer', async () => {
  const { clock, presence } = scene(() => new Promise<Told>(() => {}));
  await clock.pass(1);
  let ended = false;
  const end = presence.end('spm').then(() => (ended = true));
  await clock.pass(1);
  expect(ended).toBe(false);
  await clock.pass(2);
  await end;
  expect(ended).toBe(true);
});
