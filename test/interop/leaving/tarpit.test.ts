import { expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { MemoryOutbound } from '../../../src/spool/testing/memory-outbound.ts';
import { openYard } from './yard.ts';

const TARPITS = Array.from({ length: 40 }, (_, at) => `tarpit${at}.test`);
const SILENT = { answers: { mail: 'silence' } } as const;
const SECONDS = { timeout: 120_000 };

test('40 domains on one tarpit leave connections for another domain', async (ctx) => {
  const yard = await openYard(ctx);
  const pit = await yard.peer('pit.test', SILENT);
  const peer = await yard.peer('example.net');
  for (const name of TARPITS) yard.dns.set({ [name]: { A: [pit.host] } });
  for (const name of [...TARPITS, ...TARPITS, ...TARPITS]) await yard.put({ to: [`a@${name}`] });
  await expect.poll(() => pit.sessions.length, SECONDS).toBeGreaterThanOrEqual(20);
  await systemClock.sleep(1000);
  await yard.put({ to: ['bob@example.net'] });
  await expect.poll(() => peer.letters.length, SECONDS).toBe(1);
  expect(pit.sessions.length).toBeLessThanOrEqual(20);
  // None of those that found no place was tried, or told that it failed.
  expect(yard.spool.letters.every(({ envelope }) => envelope.tries === 0)).toBe(true);
}, 300_000);

test('domains that share hosts share connections: none of their letters waits', async (ctx) => {
  const yard = await openYard(ctx);
  const peer = await yard.peer('mx.shared.test', { endMs: 5 });
  const names = Array.from({ length: 30 }, (_, at) => `shared${at}.test`);
  for (const name of names) yard.dns.set({ [name]: { MX: [[10, 'mx.shared.test']] } });
  for (let round = 0; round < 20; round++) {
    for (const name of names) await yard.put({ to: [`a@${name}`] });
  }
  const began = performance.now();
  await expect.poll(() => peer.letters.length, { timeout: 120_000, interval: 50 }).toBe(600);
  expect(peer.sessions.length, 'connections that were made').toBeLessThan(150);
  expect(performance.now() - began).toBeLessThan(60_000); // In turns of three seconds: 90.
}, 300_000);

test('tarpits on addresses of their own are cut off where others wait', async (ctx) => {
  let ahead = 0;
  const clock: Clock = {
    now: () => systemClock.now() + ahead,
    sleep: (ms, signal) => systemClock.sleep(ms, signal),
  };
  const options = { 'relay.connections.max': 12 };
  const parts = { clock };
  const yard = await openYard(ctx, { options, parts, spool: new MemoryOutbound(clock) });
  const pits = await Promise.all(TARPITS.slice(0, 20).map((name) => yard.peer(name, SILENT)));
  const peer = await yard.peer('example.net');
  for (const name of TARPITS.slice(0, 20)) await yard.put({ to: [`a@${name}`] });
  const tried = (): number => pits.filter(({ sessions }) => sessions.length > 0).length;
  await expect.poll(tried, SECONDS).toBeGreaterThanOrEqual(9);
  await yard.put({ to: ['bob@example.net'] });
  await systemClock.sleep(500);
  expect(peer.letters).toHaveLength(0);
  // Below the time-out of a command: nothing else ends those that came first.
  const lettersLater = (): number => {
    ahead = Math.min(ahead + 21_000, 252_000);
    return peer.letters.length;
  };
  await expect.poll(lettersLater, { ...SECONDS, interval: 400 }).toBe(1);
}, 300_000);

test('a transaction has an end, and its letter is tried again', async (ctx) => {
  let ahead = 0;
  const clock: Clock = {
    now: () => systemClock.now() + ahead,
    sleep: (ms, signal) => systemClock.sleep(ms, signal),
  };
  const yard = await openYard(ctx, { parts: { clock }, spool: new MemoryOutbound(clock) });
  const pit = await yard.peer('tarpit.test', SILENT);
  const letter = await yard.put({ to: ['a@tarpit.test'] });
  await expect.poll(() => pit.sessions[0]?.commands.length, SECONDS).toBeGreaterThan(1);
  ahead = 29 * 60_000;
  await systemClock.sleep(800);
  expect(letter.envelope.tries).toBe(0);
  ahead = 31 * 60_000;
  await expect.poll(() => letter.envelope.tries, SECONDS).toBe(1);
  expect(letter.envelope.troubles[0]?.text).toContain('took too long');
}, 300_000);
