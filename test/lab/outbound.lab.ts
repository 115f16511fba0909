import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CLIENTS } from './inside.ts';
import { type Claimed, OutboundFarm } from './outbound-farm.ts';

// Three hosts send from one spool; one after another is killed and started again. Each letter
// arrives; twice only what was in the hands of one that was killed.

const LONG = process.env['MAILFARM_LAB_LONG'] !== undefined;
const LETTERS = LONG ? 10_000 : 300;
const KILLS = LONG ? 30 : 3;
const EVERY_MS = LONG ? 10_000 : 3_000;
/** By --long nothing helps: those of the dead come when their leases are over. */
const ALL_MS = LONG ? 1_200_000 : 120_000;
/** The sink thinks about each letter: none of the senders may be done before it is killed. */
const END_MS = LONG ? 800 : 1_500;
const COMMITTERS = 8;

const say = (line: string): void => void process.stdout.write(`   ${line}\n`);

let farm: OutboundFarm;
beforeAll(async () => {
  farm = await OutboundFarm.open({ endMs: END_MS });
}, 120_000);
afterAll(() => farm?.close());

test(
  '[N-15] [S4-16] three senders, one killed after another: each letter arrives, twice only what they held',
  async () => {
    const next = Array.from({ length: LETTERS }, (_, n) => n).values();
    const commit = async (): Promise<void> => {
      for (const n of next) {
        await farm.commit(n);
        if (n % 1000 === 999) say(`${n + 1} letters are in the spool`);
      }
    };
    await Promise.all(Array.from({ length: COMMITTERS }, commit));
    await Promise.all(CLIENTS.map((client) => farm.start(client)));
    const held: Claimed[] = [];
    const starts: Promise<void>[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(EVERY_MS);
      const client = CLIENTS[kill % CLIENTS.length] ?? 'c1';
      if (LONG) await starts.at(-CLIENTS.length);
      const claims = await farm.kill(client);
      held.push(...claims);
      say(`${client} killed with ${claims.length} in hand, ${farm.arrived().size} have arrived`);
      starts.push(farm.start(client));
    }
    const before = farm.arrived().size;
    await Promise.all(starts);
    if (!LONG) await farm.letLeasesEnd(held);
    const options = { timeout: ALL_MS, interval: LONG ? 5_000 : 1_000 };
    await expect.poll(() => farm.left().length, options).toBe(0);
    const arrived = farm.arrived();
    const twice = [...arrived].filter(([, times]) => times > 1).map(([subject]) => subject);
    const inHand = new Set(held.map(({ subject }) => subject));
    say(
      `${LETTERS} letters, ${KILLS} senders killed with ${inHand.size} in their hands, ` +
        `${before} had arrived by then; all arrived, ${twice.length} twice`,
    );
    const all = Array.from({ length: LETTERS }, (_, n) => `letter-${n}`);
    expect(all.filter((subject) => !arrived.has(subject))).toEqual([]);
    expect(arrived.size).toBe(LETTERS);
    expect(twice.filter((subject) => !inHand.has(subject))).toEqual([]);
    expect(before, 'nothing was left to do when the last was killed').toBeLessThan(LETTERS);
  },
  ALL_MS + KILLS * (EVERY_MS + 60_000) + 300_000,
);
