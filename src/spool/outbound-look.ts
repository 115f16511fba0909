/**
 * Which letters of one spool volume a process tries to claim next.
 *
 * What this process committed is known here at once, with its envelope and, where that is small,
 * its message: neither a listing nor a read is spent on it. What others committed is found by
 * listing `waiting` every `spool.look`, and then, only of lanes that have room, their buckets one
 * after another: one directory's names of a lane are in memory at most, so that a hundred thousand
 * letters cost no more than some hundred.
 *
 * Fairness: lanes have their turn one letter at a time. Within a lane the buckets go round, each
 * process beginning at another, and within a bucket at another letter; one in four is of those that
 * were listed, so that a process that is busy with its own does not forget those of one that died.
 *
 * A name may be claimed by another between the listing and here: the claim is lost, which costs one
 * call. Some of that in a row say that the listing is old: it is dropped.
 *
 * Cost while nothing happens: one listing each `spool.look` for each process and spool volume;
 * every 15 seconds one of `later` and each slot that is due; every 30 seconds, or more seldom where
 * there are many lanes, `taken` and its lanes, for claims whose holder died.
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { OutboundEnvelope } from './outbound.ts';
import { pathOf, slotTime, type OutboundPlace, type OutboundSpooled } from './outbound-names.ts';
import type { OutboundTree } from './outbound-tree.ts';

export interface Candidate {
  readonly letter: OutboundSpooled;
  /** Known where this process committed it. */
  readonly envelope: OutboundEnvelope | undefined;
  /** The message, where this process committed it and remembers it. */
  readonly text: Buffer | undefined;
}

/** How many letters of a lane may be taken still. */
export interface Rooms {
  /** Whether there was room for one; now there is one less. */
  take(lane: string): boolean;
  give(lane: string): void;
}

export interface OutboundLookParts {
  readonly tree: OutboundTree;
  readonly clock: Clock;
  readonly random: Random;
  readonly lookMs: number;
}

const SLOTS_MS = 15_000;
const RECLAIM_MS = 30_000;
const RECLAIM_MS_PER_LANE = 250;
/** What was empty for so long is removed; longer than a commit relies on it. */
const TIDY_MS = 30_000;
/** Own letters that are remembered; others are found by listing. */
const OWN_MAX = 1000;
/** Octets of their messages that are remembered; others are read. */
const TEXTS_OCTETS_MAX = 4_194_304;
/** Letters of one directory that are remembered. */
const LISTED_MAX = 1000;
const OWN_IN_A_ROW = 3;
const LOST_IN_A_ROW = 3;

interface Lane {
  /** What this process committed, by id, in order of arrival. */
  readonly own: Map<string, Candidate>;
  listed: OutboundSpooled[];
  /** Directories to be listed when those are used up. */
  sources: OutboundPlace[];
  /** Something may have come since its buckets were listed. */
  isStale: boolean;
  turn: number;
  lost: number;
}

export class OutboundLook {
  readonly #parts: OutboundLookParts;
  readonly #lanes = new Map<string, Lane>();
  /** Directories that were empty, and since when. */
  readonly #emptySince = new Map<string, number>();
  readonly #start: number;
  #own = 0;
  #texts = 0;
  #turn: number;
  #lookedAt = -Infinity;
  #slotsAt = -Infinity;
  #nextSlotAt = Infinity;
  /** Slots that are due, and their lanes. */
  #due = new Map<string, readonly string[]>();
  #reclaimAt: number;

  constructor(parts: OutboundLookParts) {
    this.#parts = parts;
    const [start = 0, turn = 0, wait = 0] = parts.random.bytes(3);
    this.#start = start / 256;
    this.#turn = turn;
    this.#reclaimAt = parts.clock.now() + (RECLAIM_MS * wait) / 256;
  }

  /** Remembers what this process committed. */
  committed(letter: OutboundSpooled, envelope: OutboundEnvelope, message?: Buffer): void {
    if (this.#own >= OWN_MAX) return;
    const lane = this.#lane(letter.lane);
    const octets = message?.length ?? 0;
    const text = this.#texts + octets > TEXTS_OCTETS_MAX ? undefined : message;
    this.#own += 1;
    this.#texts += text?.length ?? 0;
    lane.own.set(letter.id, { letter, envelope, text });
  }

  /** Up to `limit` letters, as there is room for their lanes. @throws StoreError */
  async pick(limit: number, rooms: Rooms): Promise<readonly Candidate[]> {
    await this.#refresh();
    const picked: Candidate[] = [];
    for (let lanes = this.#inTurn(); picked.length < limit && lanes.length > 0;) {
      const more: string[] = [];
      for (const lane of lanes) {
        if (picked.length === limit) break;
        if (!rooms.take(lane)) continue;
        const candidate = await this.#next(lane);
        if (candidate === undefined) {
          rooms.give(lane);
          continue;
        }
        picked.push(candidate);
        more.push(lane);
      }
      lanes = more;
    }
    return picked;
  }

  /** What became of a candidate's claim. */
  tried({ letter: { lane } }: Candidate, how: 'claimed' | 'lost'): void {
    const known = this.#lanes.get(lane);
    if (known === undefined) return;
    known.lost = how === 'lost' ? known.lost + 1 : 0;
    if (known.lost < LOST_IN_A_ROW) return;
    known.lost = 0;
    known.listed = [];
    this.#parts.tree.doubt(lane);
  }

  /** Something has changed that a look would not see yet. */
  stir(): void {
    this.#lookedAt = -Infinity;
    this.#slotsAt = -Infinity;
  }

  /** Lanes, each time another one first. */
  #inTurn(): string[] {
    const lanes = [...this.#lanes.keys()];
    const start = lanes.length === 0 ? 0 : this.#turn++ % lanes.length;
    return [...lanes.slice(start), ...lanes.slice(0, start)];
  }

  #lane(name: string): Lane {
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    const nothing = { own: new Map<string, Candidate>(), listed: [], sources: [] };
    const lane: Lane = { ...nothing, isStale: false, turn: 0, lost: 0 };
    this.#lanes.set(name, lane);
    return lane;
  }

  async #next(name: string): Promise<Candidate | undefined> {
    const lane = this.#lane(name);
    const isOwnTurn = lane.turn++ % (OWN_IN_A_ROW + 1) < OWN_IN_A_ROW;
    const own = isOwnTurn ? this.#nextOwn(lane) : undefined;
    if (own !== undefined) return own;
    return (await this.#nextListed(name, lane)) ?? this.#nextOwn(lane);
  }

  #nextOwn({ own }: Lane): Candidate | undefined {
    const [first] = own.values();
    if (first === undefined) return undefined;
    own.delete(first.letter.id);
    this.#own -= 1;
    this.#texts -= first.text?.length ?? 0;
    return first;
  }

  async #nextListed(name: string, lane: Lane): Promise<Candidate | undefined> {
    for (;;) {
      const letter = lane.listed.shift();
      if (letter !== undefined) return { letter, envelope: undefined, text: undefined };
      const source = lane.sources.shift();
      if (source !== undefined) {
        lane.listed = await this.#listed(source, lane);
      } else if (lane.isStale) {
        lane.isStale = false;
        lane.sources = await this.#sources(name);
      } else {
        return undefined;
      }
    }
  }

  async #listed(source: OutboundPlace, lane: Lane): Promise<OutboundSpooled[]> {
    const all = await this.#parts.tree.list(source);
    await this.#seen(source, all.length);
    const others = all.filter(({ id }) => !lane.own.has(id));
    const some = this.#fromStart(others).slice(0, LISTED_MAX);
    if (others.length > some.length) lane.sources.push(source);
    return some;
  }

  /** Directories of a lane in which letters are due. */
  async #sources(lane: string): Promise<OutboundPlace[]> {
    const slots = [...this.#due].filter(([, lanes]) => lanes.includes(lane));
    const buckets = (await this.#parts.tree.buckets('waiting', lane)).toSorted();
    if (buckets.length === 0) await this.#empty(`waiting/${lane}`, []);
    return [
      ...slots.map(([place]): OutboundPlace => ({ state: 'later', lane, place })),
      ...this.#fromStart(buckets).map((place): OutboundPlace => ({
        state: 'waiting',
        lane,
        place,
      })),
    ];
  }

  /** Processes begin at different places. */
  #fromStart<T>(all: readonly T[]): T[] {
    const start = Math.floor(this.#start * all.length);
    return [...all.slice(start), ...all.slice(0, start)];
  }

  /** A directory has so many letters: one that is empty for long is removed. */
  async #seen(at: OutboundPlace, letters: number): Promise<void> {
    const path = pathOf(at);
    if (letters > 0) return void this.#emptySince.delete(path);
    if (at.state === 'taken') return this.#empty(path, []);
    const above = path.slice(0, path.lastIndexOf('/'));
    if (at.state !== 'later') return this.#empty(path, [above]);
    // Nobody files into a slot whose time is over.
    this.#due.set(at.place, this.#due.get(at.place)?.filter((lane) => lane !== at.lane) ?? []);
    await this.#tidy([path, above]);
  }

  /** Somebody may file into it at any time. */
  async #empty(path: string, above: readonly string[]): Promise<void> {
    const now = this.#parts.clock.now();
    const since = this.#emptySince.get(path) ?? now;
    if (this.#emptySince.size >= LISTED_MAX) this.#emptySince.clear();
    this.#emptySince.set(path, Math.min(since, now));
    if (now - since < TIDY_MS) return;
    this.#emptySince.delete(path);
    await this.#tidy([path, ...above]);
  }

  #tidy(paths: readonly string[]): Promise<void> {
    const { tree } = this.#parts;
    return tree.tidy(paths.map((path) => `${tree.root}/${path}`));
  }

  async #refresh(): Promise<void> {
    const { tree, clock, lookMs } = this.#parts;
    const now = clock.now();
    const since = now - this.#lookedAt;
    if (since >= 0 && since < lookMs) return;
    this.#lookedAt = now;
    if (now >= this.#reclaimAt) await this.#reclaim();
    await this.#refreshSlots(now);
    const there = new Set([...(await tree.lanes('waiting')), ...[...this.#due.values()].flat()]);
    for (const lane of there) this.#lane(lane).isStale = true;
    for (const [name, { own, listed, sources }] of this.#lanes) {
      const isUsedUp = own.size + listed.length + sources.length === 0;
      if (isUsedUp && !there.has(name)) this.#lanes.delete(name);
    }
  }

  async #refreshSlots(now: number): Promise<void> {
    const { tree } = this.#parts;
    const since = now - this.#slotsAt;
    if (since >= 0 && since < SLOTS_MS && now < this.#nextSlotAt) return;
    this.#slotsAt = now;
    const serverNow = await tree.serverNow();
    this.#nextSlotAt = Infinity;
    const due = new Map<string, readonly string[]>();
    for (const slot of await tree.slots()) {
      const at = slotTime(slot) ?? 0;
      if (at > serverNow) {
        this.#nextSlotAt = now + at - serverNow;
        break;
      }
      const lanes = await tree.lanes('later', slot);
      if (lanes.length > 0) due.set(slot, lanes);
      else await tree.tidy([`${tree.root}/later/${slot}`]);
    }
    this.#due = due;
  }

  async #reclaim(): Promise<void> {
    const { tree, clock } = this.#parts;
    const lanes = await tree.lanes('taken');
    for (const lane of lanes) {
      const { back, left } = await tree.reclaim(lane);
      await this.#seen({ state: 'taken', lane, place: '' }, back + left);
    }
    const [chance = 0] = this.#parts.random.bytes(1);
    const ms = Math.max(RECLAIM_MS, lanes.length * RECLAIM_MS_PER_LANE);
    this.#reclaimAt = clock.now() + ms * (0.75 + chance / 512);
  }
}
