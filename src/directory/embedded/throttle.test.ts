import { Client } from 'ldapts';
import { expect, test } from 'vitest';
import { startTestDirectory } from '../testing.ts';
import { BindThrottle } from './throttle.ts';

/** A clock whose sleeps end at once and are written down. */
function recorder(): { now: () => number; sleep: (ms: number) => Promise<void>; slept: number[] } {
  const slept: number[] = [];
  return { now: () => 0, sleep: async (ms) => void slept.push(ms), slept };
}

test('the answer to a wrong password takes longer each time, up to a bound', async () => {
  const clock = recorder();
  const throttle = new BindThrottle({ clock, delayMaxMs: () => 300 });
  for (let n = 0; n < 8; n += 1) await throttle.failed('192.0.2.1', 'cn=alice');
  expect(clock.slept).toEqual([50, 100, 200, 300, 300]);
  throttle.succeeded('192.0.2.1', 'cn=alice');
  for (let n = 0; n < 3; n += 1) await throttle.failed('192.0.2.1', 'cn=alice');
  expect(clock.slept).toHaveLength(5);
});

test('guessing at many entries is counted for the address, and for no other', async () => {
  const clock = recorder();
  const throttle = new BindThrottle({ clock, delayMaxMs: () => 300 });
  for (let n = 0; n < 22; n += 1) await throttle.failed('2001:db8::1', `cn=user${n}`);
  expect(clock.slept).toEqual([50, 100]);
  await throttle.failed('2001:db8::2', 'cn=alice'); // The same /64.
  expect(clock.slept).toHaveLength(3);
  await throttle.failed('192.0.2.1', 'cn=alice');
  expect(clock.slept).toHaveLength(3);
});

test('an address has so many binds at once; others have their own', () => {
  const throttle = new BindThrottle({ clock: recorder(), delayMaxMs: () => 300 });
  const held = Array.from({ length: 16 }, () => throttle.enter('192.0.2.1'));
  expect(held.every((leave) => leave !== undefined)).toBe(true);
  expect(throttle.enter('192.0.2.1')).toBeUndefined();
  expect(throttle.enter('192.0.2.2')).toBeDefined();
  held[0]?.();
  held[0]?.(); // Twice is once.
  expect(throttle.enter('192.0.2.1')).toBeDefined();
  expect(throttle.enter('192.0.2.1')).toBeUndefined();
  const distrust = throttle.trust('192.0.2.1');
  expect(throttle.enter('192.0.2.1')).toBeDefined();
  distrust();
  expect(throttle.enter('192.0.2.1')).toBeUndefined();
});

test('a front end at the same address is not held up by who guesses there; the rest is', async () => {
  const clock = { ...recorder(), now: () => Date.now() };
  const directory = await startTestDirectory({ options: { clock } });
  const bind = async (dn: string, password: string): Promise<Client> => {
    const client = new Client({ url: directory.server.url });
    await client.bind(dn, password);
    return client;
  };
  const guess = async (): Promise<void> => {
    const wrong = bind('cn=alice@example.test,ou=users,dc=mailfarm', 'wrong');
    await expect(wrong).rejects.toMatchObject({ code: 49 });
  };
  for (let n = 0; n < 4; n += 1) await guess();
  expect(clock.slept).toEqual([50]);
  const frontend = await bind('cn=frontend,dc=mailfarm', 'frontend-secret');
  await guess();
  expect(clock.slept).toEqual([50]);
  await (await bind('cn=alice@example.test,ou=users,dc=mailfarm', 'demo')).unbind();
  await frontend.unbind();
  await expect
    .poll(async () => {
      for (let n = 0; n < 4; n += 1) await guess();
      return clock.slept.length;
    })
    .toBeGreaterThan(1);
  await directory.close();
});
