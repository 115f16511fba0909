/**
 * Two at work on one letter of the outbound spool: every order of their system calls with
 * two switches. In each the letter is in one state in the end or was ended by one who held it, and
 * nobody believes to hold what another has.
 */
import { expect, test } from 'vitest';
import { wrapFs } from '../../maildir/test/call-fs.ts';
import type { MemoryFs } from '../../maildir/test/memory-fs.ts';
import type { OutboundSpooled } from '../../src/spool/outbound-names.ts';
import type { OutboundTree } from '../../src/spool/outbound-tree.ts';
import { post } from '../../src/spool/testing/letters.ts';
import type { Fs } from '#maildir';
import { emptySpool, LEASE_OVER_MS, lettersOn, processOn, treeOn, time } from './outbound-farm.ts';

type Actor = (fs: Fs) => Promise<unknown>;

/** Each order with so many switches from one who could go on: most races need two. */
const SWITCHES = 2;

/** Runs the actors, who goes on as `choices` says; the same one where nothing is said. */
async function inOrder(
  fs: MemoryFs,
  actors: readonly Actor[],
  choices: readonly number[],
): Promise<{ readonly results: unknown[]; readonly open: readonly number[] }> {
  const waiting = new Map<number, () => void>();
  const open: number[] = [];
  const running = actors.map((actor, index) =>
    actor(
      wrapFs(fs, async (_call, _args, perform) => {
        await new Promise<void>((go) => waiting.set(index, go));
        return perform();
      }),
    ).catch((error: unknown) => error),
  );
  let ended = false;
  const all = Promise.all(running).finally(() => (ended = true));
  let current = 0;
  let switches = 0;
  for (let step = 0; ; step++) {
    await new Promise(setImmediate);
    if (ended) return { results: await all, open };
    const canGoOn = waiting.has(current);
    const others = [...waiting.keys()].filter((one) => one !== current);
    const able = canGoOn ? [current, ...(switches < SWITCHES ? others : [])] : others;
    open.push(able.length);
    const next = able[choices[step] ?? 0];
    if (next === undefined) throw new Error(`nobody can go on after ${step} calls`);
    if (canGoOn && next !== current) switches += 1;
    current = next;
    const go = waiting.get(next);
    waiting.delete(next);
    go?.();
  }
}

/** Every order in turn. @returns how many there were */
async function everyOrder(
  start: () => Promise<{ readonly fs: MemoryFs; readonly actors: readonly Actor[] }>,
  judge: (fs: MemoryFs, results: readonly unknown[]) => Promise<void>,
): Promise<number> {
  let choices: number[] = [];
  for (let count = 1; ; count++) {
    const { fs, actors } = await start();
    const { results, open } = await inOrder(fs, actors, choices);
    await judge(fs, results);
    const taken = open.map((_, step) => choices[step] ?? 0);
    while (taken.length > 0 && (taken.at(-1) ?? 0) + 1 >= (open[taken.length - 1] ?? 0))
      taken.pop();
    if (taken.length === 0) return count;
    choices = [...taken.slice(0, -1), (taken.at(-1) ?? 0) + 1];
  }
}

const LANE = 'a.example';

/** A process that knows the time and has its directories. */
async function ready(tree: OutboundTree): Promise<OutboundTree> {
  await tree.serverNow();
  return tree;
}

/** The tree of one process, whose calls an actor's file system makes. */
async function treesOn(fs: MemoryFs): Promise<(actor: Fs) => Promise<OutboundTree>> {
  let through: Fs = fs;
  const proxy = new Proxy(fs, {
    get: (_target, name: keyof Fs) => through[name].bind(through),
  });
  const tree = await ready(treeOn(proxy, 'mx1'));
  return async (actor) => {
    through = actor;
    return tree;
  };
}

async function oneLetter(): Promise<{ readonly fs: MemoryFs; readonly letter: OutboundSpooled }> {
  const fs = await emptySpool();
  await post(processOn(fs, 'mx0', 'nfs'), [LANE]);
  const tree = await ready(treeOn(fs, 'mx0'));
  const [letter] = await lettersOn(fs);
  const claim = await tree.claim(letter as OutboundSpooled);
  await tree.release(claim as OutboundSpooled);
  const [again] = await lettersOn(fs);
  return { fs, letter: again as OutboundSpooled };
}

const HOUR_MS = 3_600_000;
const later =
  (tree: OutboundTree, held: OutboundSpooled, inMs: number) => async (): Promise<boolean> => {
    const envelope = await tree.envelope(held);
    if (envelope === undefined) return false;
    const troubles = [{ address: 'a', status: '4.0.0', text: tree.holder }];
    const { recipients } = envelope;
    const dueAt = time.now + inMs;
    const change = { recipients, troubles, delayTold: false, tried: true, dueAt };
    return tree.postpone(held, envelope, { kind: 'later', ...change });
  };

/** How somebody ends a claim of the letter. */
const ENDS: Readonly<
  Record<string, (tree: OutboundTree, held: OutboundSpooled) => Promise<boolean>>
> = {
  done: (tree, held) => tree.finish(held),
  later: (tree, held) => later(tree, held, HOUR_MS)(),
  hold: (tree, held) => tree.hold(held, 'test'),
  release: (tree, held) => tree.release(held),
};

/** Those that differ; all pairs take minutes (`MAILFARM_RACES=all`). */
const SOME = ['done done', 'done later', 'later done', 'later hold', 'release later'];
const isMeant = (one: string, other: string): boolean =>
  process.env['MAILFARM_RACES'] === 'all' || SOME.includes(`${one} ${other}`);

for (const [one, end] of Object.entries(ENDS)) {
  for (const [other, otherEnd] of Object.entries(ENDS)) {
    if (!isMeant(one, other)) continue;
    test(`[N-15] two claim at once, then ${one} and ${other}: one has it at a time`, async () => {
      let held = 0;
      const start = async () => {
        const { fs, letter } = await oneLetter();
        held = 0;
        const actor = async (by: typeof end): Promise<Actor> => {
          const tree = await treesOn(fs);
          return async (gated) => {
            const own = await tree(gated);
            const claim = await own.claim(letter);
            if (claim === undefined) return 'lost';
            held += 1;
            return by(own, claim);
          };
        };
        return { fs, actors: [await actor(end), await actor(otherEnd)] };
      };
      const count = await everyOrder(start, async (fs, results) => {
        expect(held).toBe(1);
        expect(results.filter((result) => result === true)).toHaveLength(1);
        expect(results.filter((result) => result === 'lost')).toHaveLength(1);
        const winner = results[0] === true ? one : other;
        expect(await lettersOn(fs)).toHaveLength(winner === 'done' ? 0 : 1);
      });
      expect(count).toBeGreaterThan(1);
    }, 900_000);

    test(`[N-15] a sleeper does ${other} while its letter is taken over for ${one}`, async () => {
      const start = async () => {
        const { fs, letter } = await oneLetter();
        const sleeper = await ready(treeOn(fs, 'mx1'));
        const claim = (await sleeper.claim(letter)) as OutboundSpooled;
        const [sleepers, others] = [await treesOn(fs), await treesOn(fs)];
        time.now += LEASE_OVER_MS;
        await (await others(fs)).serverNow();
        await (await sleepers(fs)).serverNow();
        const wakes: Actor = async (gated) => otherEnd(await sleepers(gated), claim);
        const takesOver: Actor = async (gated) => {
          const tree = await others(gated);
          const { back } = await tree.reclaim(LANE);
          if (back === 0) return 'nothing';
          const [found] = await tree.list(await placeOf(fs));
          const own = found && (await tree.claim(found));
          return own === undefined ? 'lost' : end(tree, own);
        };
        return { fs, actors: [wakes, takesOver] };
      };
      await everyOrder(start, async (fs, [woke, took]) => {
        // Whoever came first has it; the other was told so, or came after it was given back.
        if (took === true && other !== 'release') expect(woke).toBe(false);
        if (woke === true && took !== true) expect(['nothing', 'lost', false]).toContain(took);
        const isOver = (woke === true && other === 'done') || (took === true && one === 'done');
        expect(await lettersOn(fs)).toHaveLength(isOver ? 0 : 1);
      });
    }, 900_000);
  }
}

/** Where the letter waits, whichever bucket it was filed into. */
async function placeOf(fs: MemoryFs): Promise<OutboundSpooled> {
  const [letter] = await lettersOn(fs);
  return letter ?? ({ state: 'waiting', lane: LANE, place: '00' } as OutboundSpooled);
}

test('[N-15] a lane is woken while a letter is filed into it for later: it is in one of both', async () => {
  const start = async () => {
    const { fs, letter } = await oneLetter();
    const [own, admin] = [await treesOn(fs), await treesOn(fs)];
    const claim = (await (await own(fs)).claim(letter)) as OutboundSpooled;
    const files: Actor = async (gated) => (await own(gated)).hold(claim, 'x');
    const wakes: Actor = async (gated) => (await admin(gated)).wake(LANE);
    const postpones: Actor = async (gated) => later(await own(gated), claim, HOUR_MS)();
    return { fs, actors: [files, wakes, postpones].slice(1) };
  };
  const count = await everyOrder(start, async (fs, [woken, filed]) => {
    expect(filed).toBe(true);
    const [letter, ...others] = await lettersOn(fs);
    expect(others).toEqual([]);
    expect(letter?.state).toBe(woken === 1 ? 'waiting' : 'later');
  });
  expect(count).toBeGreaterThan(10);
}, 900_000);

test('[N-15] a directory is removed while a letter is filed into it: it is there', async () => {
  for (const end of ['hold', 'release'] as const) {
    const start = async () => {
      const { fs, letter } = await oneLetter();
      const [own, tidier] = [await treesOn(fs), await treesOn(fs)];
      const claim = (await (await own(fs)).claim(letter)) as OutboundSpooled;
      const ends = ENDS[end] as (typeof ENDS)[string];
      const files: Actor = async (gated) => ends(await own(gated), claim);
      const tidies: Actor = async (gated) => {
        const tree = await tidier(gated);
        const lane = `${tree.root}/waiting/${LANE}`;
        await tree.tidy([`${lane}/${letter.place}`, lane]);
      };
      return { fs, actors: [files, tidies] };
    };
    await everyOrder(start, async (fs, [filed]) => {
      expect(filed).toBe(true);
      expect(await lettersOn(fs)).toHaveLength(1);
    });
  }
}, 900_000);
