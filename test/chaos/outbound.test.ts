/**
 * Outbound mail killed before each of its system calls, with and without a power cut that keeps
 * every possible share of the names still unwritten; put to sleep at each; lied to at each.
 * Whatever happens, an envelope is in one state, whole, and what was acknowledged is sent.
 */
import { expect, test } from 'vitest';
import { killedAfter } from '../../maildir/test/call-fs.ts';
import { lyingFs, type Fault } from '../../maildir/test/lying-fs.ts';
import type { MemoryFs } from '../../maildir/test/memory-fs.ts';
import type { OutboundClaim, Settlement } from '../../src/spool/outbound.ts';
import { post } from '../../src/spool/testing/letters.ts';
import type { Fs } from '#maildir';
import {
  emptySpool,
  LEASE_OVER_MS,
  lettersOn,
  processOn,
  recovered,
  sendAll,
  swept,
  treeOn,
  time,
} from './outbound-farm.ts';

const DOMAINS = ['a.example', 'b.example'];
const BOTH = DOMAINS.flatMap((domain) => [`bob@${domain}`, `eve@${domain}`]);
const BEFORE = ['bob@before.example', 'eve@before.example'];

const commit = async (fs: Fs): Promise<void> => post(processOn(fs, 'mx1'), DOMAINS);

async function withOneLetter(): Promise<MemoryFs> {
  const fs = await emptySpool();
  await post(processOn(fs, 'mx1'), ['before.example']);
  return fs;
}

/** What a sender does with the one letter that is due. @returns what the settlement said */
async function takeAnd(
  fs: Fs,
  act: (claim: OutboundClaim) => Promise<boolean | void>,
): Promise<boolean | void> {
  time.now += 1000;
  const [claim] = await processOn(fs, 'mx2').take({ limit: 1, perRoute: () => 1 });
  if (claim === undefined) return undefined;
  await claim.read(0, 1000);
  if (!(await claim.renew())) return false;
  return act(claim);
}

const later = async (claim: OutboundClaim, inMs: number): Promise<Settlement> => ({
  kind: 'later',
  dueAt: (await claim.now()) + inMs,
  recipients: claim.envelope.recipients.slice(1),
  troubles: [{ address: 'eve@before.example', status: '4.2.0', text: 'no' }],
  delayTold: false,
  tried: true,
});

const ACTS: Readonly<Record<string, (claim: OutboundClaim) => Promise<boolean | void>>> = {
  done: (claim) => claim.settle({ kind: 'done' }),
  later: async (claim) => claim.settle(await later(claim, 3_600_000)),
  'at once': async (claim) => claim.settle(await later(claim, 0)),
  hold: (claim) => claim.settle({ kind: 'hold', reason: 'test' }),
  release: (claim) => claim.release(),
};

/** Each envelope is in one state, and not more than once. */
async function requireOneState(fs: MemoryFs): Promise<readonly string[]> {
  const letters = await lettersOn(fs);
  const ids = letters.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  return letters.map(({ state }) => state);
}

/** What is held is released, so that it is sent with the others. */
async function releaseHeld(fs: MemoryFs): Promise<void> {
  const tree = treeOn(fs, 'admin');
  for (const letter of await lettersOn(fs)) {
    if (letter.state === 'hold') expect(await tree.release(letter)).toBe(true);
  }
}

interface Ended {
  readonly killed: boolean;
  readonly fs: MemoryFs;
  readonly result: unknown;
}

/** Kills `act` before each call; then with each share of the names at risk kept by a power cut. */
async function killedAnywhere(
  start: () => Promise<MemoryFs>,
  act: (fs: Fs) => Promise<unknown>,
  power: 'stays' | 'cut',
  judge: (ended: Ended) => Promise<void>,
): Promise<number> {
  for (let calls = 0; ; calls++) {
    let killed = true;
    let atRisk = 0;
    for (let kept = 0; kept <= atRisk; kept++) {
      const fs = await start();
      const process = killedAfter(fs, calls);
      const result = await act(process.fs).catch((error: unknown) => error);
      ({ killed } = process);
      if (power === 'cut') {
        atRisk = fs.atRisk;
        fs.powerCut(kept);
      }
      await judge({ killed, fs, result });
      expect(await swept(fs)).toEqual([]);
    }
    if (!killed) return calls;
  }
}

for (const power of ['stays', 'cut'] as const) {
  test(`[N-15] a commit killed before any call, power ${power}: acknowledged is sent, once`, async () => {
    const calls = await killedAnywhere(emptySpool, commit, power, async ({ killed, fs }) => {
      await requireOneState(fs);
      const sent = await recovered(fs);
      if (killed) expect(new Set(sent).size).toBe(sent.length);
      else expect(sent).toEqual(BOTH.toSorted());
    });
    expect(calls).toBeGreaterThan(20);
  }, 900_000);

  for (const [name, act] of Object.entries(ACTS)) {
    test(`[N-15] [S1-13] ${name}: killed before any call, power ${power}: one state, or sent`, async () => {
      const work = (fs: Fs): Promise<unknown> => takeAnd(fs, act);
      const calls = await killedAnywhere(withOneLetter, work, power, async (ended) => {
        const { killed, fs, result } = ended;
        const states = await requireOneState(fs);
        expect(killed || result !== false).toBe(true);
        if (name !== 'done') expect(states).toHaveLength(1);
        else if (!killed && power === 'stays') expect(states).toEqual([]);
        await releaseHeld(fs);
        const sent = await recovered(fs);
        if (name === 'done') expect([[], BEFORE]).toContainEqual(sent);
        else if (name === 'later' || name === 'at once') {
          expect([BEFORE, BEFORE.slice(1)]).toContainEqual(sent);
          if (!killed) expect(sent).toEqual(BEFORE.slice(1));
        } else expect(sent).toEqual(BEFORE);
      });
      expect(calls).toBeGreaterThan(15);
    }, 900_000);
  }
}

test('[N-15] a sender that sleeps past its lease, at any call, changes nothing when it wakes', async () => {
  for (const [name, act] of Object.entries(ACTS)) {
    let slept = true;
    for (let call = 0; slept; call++) {
      slept = false;
      const fs = await withOneLetter();
      let calls = 0;
      let others: string[] = [];
      const sleepy: Fs = new Proxy(fs, {
        get: (target, key: keyof Fs) => {
          const real = target[key];
          if (typeof real !== 'function') return real;
          return async (...args: never[]) => {
            if (calls++ === call) {
              slept = true;
              time.now += LEASE_OVER_MS;
              others = await sendAll(fs, 'mx3'); // Everything happens while it sleeps.
            }
            return (real as (...all: never[]) => unknown).apply(target, args);
          };
        },
      });
      const result = await takeAnd(sleepy, act).catch(() => false);
      // Whose settlement counts was awake until it had happened.
      if (result === true) expect([[], ['eve@before.example']]).toContainEqual(others);
      if (others.length > 0) expect(await lettersOn(fs)).toEqual([]);
      const left = await lettersOn(fs);
      await releaseHeld(fs);
      const sent = [...others, ...(await recovered(fs))];
      const where = left.map(({ name: file, state }) => `${state}/${file}`).join();
      const what = `${name} asleep at call ${call}: ${String(result)} ${where}`;
      if (name !== 'done') expect(sent, what).toContain('eve@before.example');
      expect(new Set(sent).size).toBe(sent.length);
      expect(await swept(fs)).toEqual([]);
    }
  }
}, 900_000);

const LIES = ['lost-reply', 'done-timeout', 'timeout', 'stale', 'no-such', 'io', 'short'] as const;
for (const kind of LIES) {
  test(`[N-15] ${kind} at any call of a commit: what was acknowledged is sent once`, async () => {
    for (let skip = 0; skip < 60; skip++) {
      const fault: Fault = { kind, skip, pick: 0 };
      const fs = await withOneLetter();
      const lying = lyingFs(fs, [fault]);
      const acked = await commit(lying.fs).then(
        () => true,
        () => false,
      );
      await lying.settle();
      await requireOneState(fs);
      const sent = await recovered(fs);
      expect(new Set(sent).size).toBe(sent.length);
      expect(sent).toEqual(expect.arrayContaining(acked ? [...BEFORE, ...BOTH] : BEFORE));
    }
  }, 900_000);

  test(`[N-15] ${kind} at any call of a sender: sent, or there in one state and then sent`, async () => {
    for (const [name, act] of Object.entries(ACTS)) {
      for (let skip = 0; skip < 30; skip++) {
        const fault: Fault = { kind, skip, pick: 0 };
        const fs = await withOneLetter();
        const lying = lyingFs(fs, [fault]);
        const result = await takeAnd(lying.fs, act).catch(() => undefined);
        await lying.settle();
        const states = await requireOneState(fs);
        if (name !== 'done') expect(states).toHaveLength(1);
        if (name === 'done' && result === true) expect(states).toEqual([]);
        await releaseHeld(fs);
        const sent = await recovered(fs);
        expect(new Set(sent).size).toBe(sent.length);
        if (name !== 'done') expect(sent).toContain('eve@before.example');
      }
    }
  }, 900_000);
}
