import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Growth, growth, growthLines, type Kind } from './growth-cost.ts';
import { ImapFarm } from './imap-farm.ts';
import { simpleLetter } from './imap-idler.ts';
import { CLIENTS } from './inside.ts';
import { latencies, latencyLines, quantile } from './letter-latency.ts';

// One front end, then two, then three, each a host of its own over NFS: what they cost. Then how
// soon a letter is seen.

const LONG = process.env['MAILFARM_LAB_LONG'] !== undefined;
const USERS = Array.from({ length: LONG ? 250 : 40 }, (_, i) => `grown${i}`);
const WORK = LONG
  ? { users: USERS, rounds: 4, restMs: 180_000 }
  : { users: USERS, rounds: 2, restMs: 0 };
const LETTERS = LONG ? 200 : 15;
/** OPEN and what follows; tmp and new asked for again after another host's change. */
const DELIVERY_CALLS = { alone: 5, afterAnother: 7 };
const POLL_CALLS = 4;
const BAND = 1.1;
const SOON_MS = 1_000;

let farm: ImapFarm;
beforeAll(async () => {
  const users = ['waiting', ...USERS];
  farm = await ImapFarm.open(Object.fromEntries(users.map((user) => [user, 'mail1'])), {
    name: 'growth',
    clients: ['c1'],
    services: ['mx', 'pop3', 'imap', 'https', 'hints', 'health'],
    settings: { 'farm.cookie': 'cookie-of-the-growth-farm', 'mailbox.watch.max': '30s' },
  });
}, 240_000);
afterEach(() => farm?.endSessions());
afterAll(() => farm?.close());

const print = (lines: readonly string[]): void =>
  void process.stdout.write(lines.map((line) => `   ${line}\n`).join(''));

/** Calls of an operation without upkeep, by the number of front ends from one on. */
const callsOf = ({ costs }: Growth, kind: Kind): readonly number[] =>
  costs.filter((row) => row.kind === kind).map(({ least, upkeep }) => least - upkeep);

test(
  '[S0-04] [S2-04] a delivery and a poll cost as many calls with three front ends as with one',
  { timeout: LONG ? 7_200_000 : 900_000 },
  async () => {
    const found = await growth(farm, CLIENTS, WORK);
    print(growthLines(found));
    for (const kind of ['delivery, cold', 'poll, cold'] as const) {
      const [one = 0, ...more] = callsOf(found, kind);
      expect(one, kind).toBeGreaterThan(5);
      expect(Math.max(...more), kind).toBeLessThan(one * BAND);
    }
    expect(Math.max(...callsOf(found, 'poll, warm'))).toBeLessThan(POLL_CALLS * BAND);
    const [alone = Infinity, two = Infinity, three = Infinity] = callsOf(found, 'delivery, warm');
    expect(alone).toBeLessThan(DELIVERY_CALLS.alone * BAND);
    expect(Math.max(two, three)).toBeLessThan(DELIVERY_CALLS.afterAnother * BAND);
  },
);

/** A node learns of a new one within half a minute; until then its hints do not go there. */
async function allHear(): Promise<void> {
  const heard = async (): Promise<number> => {
    expect(await farm.deliver('c1', 'waiting', simpleLetter('first'))).toBe(250);
    const row = 'mailfarm_net_hints_total{event="received"}';
    return Math.min(await farm.metric('c2', row), await farm.metric('c3', row));
  };
  await expect.poll(heard, { timeout: 240_000, interval: 1_000 }).toBeGreaterThan(0);
}

/**
 * A second where the machine gives one: a kernel as busy as this may be takes longer for
 * everything, which is told by how long the MX itself took.
 */
test(
  '[S3-28] a letter is seen within a second by POP3, IDLE and webmail of other hosts',
  { timeout: 1_800_000 },
  async () => {
    for (const client of CLIENTS) if (!farm.runs(client)) await farm.join(client);
    await allHear();
    const found = await latencies(farm, 'waiting', LETTERS);
    print(latencyLines(found));
    const soon = Math.max(SOON_MS, 10 * quantile(found.taken, 0.5));
    for (const seen of [found.pop3, found.idle, found.events]) {
      expect(seen).toHaveLength(LETTERS);
      expect(quantile(seen, 0.5)).toBeLessThan(soon);
    }
  },
);
