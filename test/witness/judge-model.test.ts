/**
 * The judge before farms by chance. One that does only what is allowed must not be blamed, in every
 * order: attempts with each end, landings late, sessions that overlap and end amid their messages,
 * deletions that nobody confirms and that happen late. One that does a single thing wrong must.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { testDirectory } from '../harness/directory.ts';
import { chance, pick, type Chance } from './chance.ts';
import { Desk } from './desk.ts';
import { Judge, type Listing } from './judge.ts';
import { makeLetter } from './letter.ts';
import { settle } from './options.ts';
import type { End } from './records.ts';

const FARMS = 60;
const LETTERS = 8;
const SESSIONS = 14;
const SPAN = 1_000;
const LATER = 10_000;
const FAULTS = ['loses', 'doubles', 'renames', 'revives', 'hides', 'swaps'] as const;
type Fault = (typeof FAULTS)[number];

const SETTINGS = settle({
  smtp: ['h:1'],
  pop3: ['h:2'],
  users: [{ login: 'u', password: 'p' }],
  octetsMax: 40,
});

interface Stored {
  uidl: string;
  letter: string;
  readonly from: number;
  until: number;
  readonly acked: boolean;
}

/** A farm, its users and the witness, moved by a list of events. */
class World {
  readonly desk: Desk;
  readonly judge: Judge;
  readonly stored: Stored[] = [];
  readonly #random: Chance;
  readonly #events: { readonly at: number; readonly run: (at: number) => void }[] = [];
  readonly #parking: boolean;
  #uidls = 0;

  constructor(ledger: string, seed: number) {
    this.#random = chance(seed);
    this.#parking = this.#random() < 0.3;
    this.desk = new Desk(ledger);
    this.desk.put({ kind: 'begin', at: 0, series: 's', start: 1, settings: SETTINGS });
    this.judge = new Judge(this.desk, SETTINGS);
    for (let n = 0; n < LETTERS; n++) this.#letter(`l${n}`);
    for (let n = 0; n < SESSIONS; n++) {
      const breaks = this.#random() < 0.2;
      this.#session(this.#time(0), { breaks, deletes: !breaks });
    }
  }

  #time = (after: number, span = SPAN): number => after + 1 + this.#random() * span;

  at(at: number, run: (at: number) => void): void {
    this.#events.push({ at, run });
  }

  land(letter: string, at: number, acked: boolean): Stored {
    const stored = { uidl: `m${this.#uidls++}`, letter, from: at, until: Infinity, acked };
    this.stored.push(stored);
    return stored;
  }

  #letter(id: string): void {
    const { payload, hash, body } = makeLetter(SETTINGS, id);
    this.desk.put({ kind: 'letter', id, to: ['u'], octets: payload.length, hash, body });
    let at = this.#time(0);
    for (let n = 1, end: End | undefined; end !== 'acked' && n <= 3; n++) {
      end = pick(this.#random, ['acked', 'unclear', 'temporary'] as const);
      const tried = at;
      const ended = this.#time(tried, 100);
      const told = { id, n, at: ended, end, to: ['u'], reply: '' } as const;
      this.at(tried, () =>
        this.desk.put({ kind: 'try', id, n, at: tried, frontEnd: 'h:1', to: ['u'] }),
      );
      const parking = this.#parking ? { parking: true as const } : {};
      this.at(ended, () => this.desk.put({ kind: 'end', ...told, ...parking }));
      const slow = this.#time(tried, SPAN);
      const inTime = tried + this.#random() * (ended - tried);
      if (end === 'acked') this.land(id, this.#parking ? slow : inTime, true);
      else if (this.#random() < 0.5) this.land(id, slow, false);
      at = this.#time(ended, 100);
    }
  }

  shown(at: number): Stored[] {
    return this.stored.filter(({ from, until }) => from <= at && at < until);
  }

  text = (letter: string): Buffer => makeLetter(SETTINGS, letter).payload;

  #session(from: number, { breaks, deletes }: { breaks: boolean; deletes: boolean }): void {
    const until = this.#time(from, 50);
    const shownAt = from + this.#random() * (until - from);
    const judgedAt = this.#time(until, 100);
    const box = this.desk.book.box('u');
    let expected: readonly string[] = [];
    this.at(from, () => (expected = [...box.unseen]));
    this.at(judgedAt, () => {
      const there = this.shown(shownAt);
      const rows = new Map(there.map(({ uidl, letter }) => [uidl, this.text(letter).length]));
      const listing: Listing = { box, frontEnd: 'h:2', from, until, rows, expected };
      let complete = true;
      for (const { uidl, letter } of there) {
        const fetched = box.messages.has(uidl) || !breaks || this.#random() < 0.5;
        if (!fetched) complete = false;
        else this.judge.fetched(listing, uidl, this.text(letter));
      }
      this.judge.listing(listing, complete);
      if (deletes) this.#delete(judgedAt, there);
    });
  }

  #delete(asked: number, there: readonly Stored[]): void {
    const chosen = there.filter(() => this.#random() < 0.2);
    if (chosen.length === 0) return;
    const uidls = chosen.map(({ uidl }) => uidl);
    this.desk.put({ kind: 'ask', box: 'u', uidls, at: asked });
    const clear = this.#random() < 0.5;
    let last = asked;
    for (const one of chosen) {
      if (!clear && this.#random() < 0.5) continue; // It never happens.
      const gone = this.#time(asked, clear ? 100 : SPAN);
      one.until = Math.min(one.until, gone);
      last = Math.max(last, gone);
    }
    if (clear) this.at(last, () => this.desk.put({ kind: 'deleted', box: 'u', uidls, at: last }));
  }

  /** Lets it all happen. */
  run(): void {
    while (this.#events.length > 0) {
      const next = this.#events.reduce((a, b) => (b.at < a.at ? b : a));
      this.#events.splice(this.#events.indexOf(next), 1);
      next.run(next.at);
    }
  }

  /** One thing that is wrong, at LATER. @returns whether there was anything to do it to */
  plant(fault: Fault): boolean {
    const box = this.desk.book.box('u');
    const known = ({ uidl }: Stored): boolean =>
      box.messages.has(uidl) && box.messages.get(uidl)?.askedAt === undefined;
    const copies = (id: string): number => this.stored.filter(({ letter }) => letter === id).length;
    const tries = (id: string): number => this.desk.book.copy(id, 'u')?.tries ?? 0;
    const chosen = this.stored.find((one) => {
      if (fault === 'revives') return box.messages.get(one.uidl)?.deletedAt !== undefined;
      if (fault === 'doubles') return copies(one.letter) === tries(one.letter);
      const alone = one.acked && copies(one.letter) === 1 && !box.messages.has(one.uidl);
      if (fault === 'loses' && alone) return true;
      return known(one);
    });
    if (!chosen) return false;
    const { uidl, letter } = chosen;
    if (fault === 'revives') chosen.until = Infinity;
    else if (fault === 'doubles') this.land(letter, LATER, false);
    else if (fault === 'renames') chosen.uidl = `${uidl}x`;
    else if (fault === 'swaps') chosen.letter = letter === 'l0' ? 'l1' : 'l0';
    else chosen.until = LATER;
    if (fault === 'hides') this.stored.push({ ...chosen, from: LATER + 100, until: Infinity });
    return true;
  }

  /** The end: two sessions look at all. @returns what is violated */
  verify(): string[] {
    for (const from of [LATER + 1, LATER + 101]) {
      this.#session(from, { breaks: false, deletes: false });
    }
    this.run();
    const rows = new Map(this.shown(2 * LATER).map(({ uidl }) => [uidl, 1]));
    const lost = this.judge.lost(this.desk.book.box('u'), rows).map(() => 'lost');
    return [...this.desk.book.violations.map(({ kind }) => kind), ...lost];
  }
}

async function farm(ctx: TestContext, seed: number, fault?: Fault): Promise<string[] | undefined> {
  const path = join(testDirectory(ctx), 'ledger');
  const world = new World(path, seed);
  world.run();
  const planted = fault === undefined || world.plant(fault);
  const found = world.verify();
  await world.desk.ledger.close();
  rmSync(path);
  return planted ? found : undefined;
}

test('a farm that does only what is allowed is not blamed', async (ctx) => {
  for (let seed = 1; seed <= FARMS; seed++)
    expect(await farm(ctx, seed), `seed ${seed}`).toEqual([]);
});

const NAMES: Readonly<Record<Fault, readonly string[]>> = {
  loses: ['lost', 'missing', 'empty'],
  doubles: ['doubled'],
  renames: ['uidl-changed', 'missing', 'empty', 'doubled', 'lost'],
  revives: ['came-back'],
  hides: ['missing', 'empty'],
  swaps: ['uidl-reused', 'doubled', 'missing', 'size', 'foreign'],
};

for (const fault of FAULTS) {
  test(`a farm that ${fault} one message is found out, in every history`, async (ctx) => {
    let planted = 0;
    for (let seed = 1; seed <= FARMS / 3; seed++) {
      const found = await farm(ctx, seed, fault);
      if (!found) continue;
      planted++;
      expect(found, `seed ${seed}`).not.toEqual([]);
      expect(NAMES[fault], `seed ${seed}`).toEqual(expect.arrayContaining([...new Set(found)]));
    }
    expect(planted).toBeGreaterThan(FARMS / 10);
  });
}
