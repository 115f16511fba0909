import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTestDirectory, TEST_SERVERS, type TestDirectory } from '../testing.ts';
import { AdminError, openAdmin, type Admin } from './admin.ts';
import type { AdminEvent } from './api.ts';
import { HeldClock } from './testing.ts';

const DURATION_MS = 30_000;
const INTERVAL_MS = 1_000;
const START = Date.UTC(2026, 10, 22);

describe.each(TEST_SERVERS)('%s', (kind) => {
  let server: TestDirectory;
  let clock: HeldClock;
  const opened: Admin[] = [];

  beforeAll(async () => {
    server = await startTestDirectory({ server: kind });
    const admin = await openAdmin(server.admin);
    for (const [name, level] of [
      ['help', 'helpdesk'],
      ['op', 'operator'],
      ['op2', 'operator'],
    ] as const) {
      await admin.users.add({ login: `${name}@example.test`, password: 'pw' });
      await admin.administrators.grant(`${name}@example.test`, level);
    }
    await admin.close();
  });
  beforeEach(() => {
    clock = new HeldClock(START);
  });
  afterAll(async () => {
    await Promise.all(opened.map((session) => session.close()));
    await server.close();
  });

  async function as(name: string): Promise<Admin> {
    const session = await openAdmin({
      ...server.admin,
      bindDn: `${name}@example.test`,
      bindPassword: name === 'admin' ? 'demo' : 'pw',
      clock,
      adminOptions: {
        'admin.claim.duration': DURATION_MS,
        'admin.watch.interval': INTERVAL_MS,
      },
    });
    opened.push(session);
    return session;
  }

  /** Lets intervals pass until something is so; each is so long on this machine's clock. */
  async function until(what: () => boolean, restMs = 10): Promise<void> {
    for (let tries = 0; !what(); tries += 1) {
      if (tries >= 1_000) throw new Error('it did not happen');
      clock.pass(INTERVAL_MS);
      const end = performance.now() + restMs;
      do await new Promise((resolve) => setTimeout(resolve, 10));
      while (!what() && performance.now() < end);
    }
  }

  test('[S0-44] an equal level is refused, with who holds the entry and until when', async () => {
    const [op, op2] = [await as('op'), await as('op2')];
    const claim = await op.users.claim('alice@example.test');
    expect(claim).toMatchObject({ by: 'op@example.test', level: 'operator', held: true });
    await expect(op2.users.claim('alice@example.test')).rejects.toThrow(
      'op@example.test (operator) is at work on cn=alice@example.test,ou=users,dc=mailfarm, ' +
        'until 2026-11-22T00:00:30.000Z at most',
    );
    const again = await op.users.claim('alice@example.test');
    expect([claim.held, again.held]).toEqual([false, true]);
    await again.release();
    await (await op2.users.claim('alice@example.test')).release();
  });

  test('[S0-44] [S0-42] a higher level takes over, and the holder is told within seconds', async () => {
    const [help, op] = [await as('help'), await as('op')];
    const heard: AdminEvent[] = [];
    help.on(() => {
      throw new Error('a handler that fails harms no other');
    });
    help.on((event) => heard.push(event));
    const lost = await help.users.claim('bob@example.test');
    const won = await op.users.claim('bob@example.test');
    const before = clock.now();
    await until(() => heard.length > 0, 3_000);
    expect(clock.now() - before).toBeLessThanOrEqual(5 * INTERVAL_MS);
    expect(heard).toEqual([{ kind: 'claim-lost', dn: lost.dn, by: 'op@example.test' }]);
    expect([lost.held, won.held]).toEqual([false, true]);
    await lost.release(); // Of somebody else's claim nothing goes.
    await expect(help.users.claim('bob@example.test')).rejects.toThrow('op@example.test');
    // A lower level is refused a change by the library, and can insist.
    const change = help.users.set('bob@example.test', { password: 'n' });
    await expect(change).rejects.toThrow('op@example.test (operator) is at work');
    await help.users.set('bob@example.test', { password: 'n' }, { force: true });
    // An equal or higher one is in nobody's way.
    await (await as('op2')).users.set('bob@example.test', { quotaBytes: 7 });
    await won.release();
  });

  test('[S0-44] a claim is renewed while its holder lives, and ends when it crashed', async () => {
    const [op, op2] = [await as('op'), await as('op2')];
    const claim = await op.users.claim('alice@example.test');
    await until(() => claim.until > START + 2 * DURATION_MS);
    expect(claim.held).toBe(true);
    await expect(op2.users.claim('alice@example.test')).rejects.toThrow('is at work');
    // A crash: the holder's clock stands, ours goes on.
    const dead = new HeldClock(START);
    const crashed = await openAdmin({
      ...server.admin,
      clock: dead,
      adminOptions: { 'admin.claim.duration': DURATION_MS },
    });
    await claim.release();
    const forgotten = await crashed.users.claim('bob@example.test');
    expect(forgotten.until).toBeLessThan(clock.now());
    await (await op2.users.claim('bob@example.test')).release();
    await crashed.close();
  });

  test('[S0-44] of many who claim one entry at once, one of the highest level has it', async () => {
    const sessions = await Promise.all(['help', 'op', 'op2', 'help', 'op', 'op2'].map(as));
    for (let round = 0; round < 5; round += 1) {
      const outcomes = await Promise.allSettled(
        sessions.map((session) => session.nodes.claim('node1')),
      );
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') continue;
        expect(outcome.reason).toBeInstanceOf(AdminError);
        expect((outcome.reason as AdminError).kind).toBe('claimed');
      }
      const claims = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      await until(() => claims.filter(({ held }) => held).length === 1);
      const [holder] = claims.filter(({ held }) => held);
      expect(holder?.level).toBe('operator');
      await holder?.release();
    }
  });

  test('[S0-44] of equals who take over a claim that ended, one alone succeeds, at once', async () => {
    const sessions = await Promise.all(['op', 'op2', 'op', 'op2', 'op'].map(as));
    for (let round = 0; round < 8; round += 1) {
      const dead = new HeldClock(START - 2 * DURATION_MS);
      const crashed = await openAdmin({ ...server.admin, clock: dead });
      const ended = await crashed.volumes.claim('mail1');
      clock.pass(3 * DURATION_MS);
      const outcomes = await Promise.allSettled(
        sessions.map((session) => session.volumes.claim('mail1')),
      );
      const won = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      expect(won).toHaveLength(1);
      await ended.release();
      await won[0]?.release();
      await crashed.close();
    }
  });

  test('a claim stands in no delivery’s and no put’s way', async () => {
    const [op, op2] = [await as('op'), await as('op2')];
    const claim = await op.users.claim('alice@example.test');
    await (await as('help')).users.put('alice@example.test', { password: 'n' }).done();
    await op2.users.put('alice@example.test', { quotaBytes: 11 }).done();
    await op2.users.place('alice@example.test', 'mail1');
    expect((await op.users.get('alice@example.test')).volume).toBe('mail1');
    await claim.release();
  });
});
