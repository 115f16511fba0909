/**
 * Small messages that are read one after the other, read some at a time before they are asked for.
 *
 * A message of 20 KB alone costs three hops to another thread, several times what its octets do.
 * So a group of messages is read in one operation of the volume while the group before is used.
 *
 * Invariant: what `take` gives is what `read` of that message would give; of anything else (too
 * large, without a size in its name, gone, of a volume that makes no calls in one go) it gives
 * nothing, and the message is read by itself, where failures are told. So nothing is lost when a
 * group is dropped. Two groups are in memory, GROUP_OCTETS each, however slow the client is.
 */
import { nameOctets, type Numbered } from '#maildir';
import type { Begins, Piece } from './summaries.ts';

/** Messages of which so many octets are wanted are read by themselves. */
export const AHEAD_OCTETS_MAX = 65_536;
const GROUP_OCTETS = 256 * 1024;
const GROUP_MESSAGES = 64;
/** So few are not worth it. */
const MESSAGES_MIN = 8;

/** Messages of a folder that will be asked for, in order. */
export interface Ahead {
  /**
   * The message's begin as stored, good until the next is asked for; `end`: that is all of it.
   * Undefined: it is not here, and is to be read by itself. @throws StoreError
   */
  take(message: Numbered): Piece | undefined | Promise<Piece | undefined>;
  /** Nothing more is asked for. */
  stop(): void;
}

export interface AheadRequest {
  readonly messages: readonly Numbered[];
  /** Octets of each that are of use; 'all': of messages that are small. */
  readonly octets: number | 'all';
}

type Pieces = ReadonlyMap<Numbered, Piece>;
const NOTHING: Pieces = new Map();

/** @returns undefined where it would not help */
export function readAhead(source: Begins, request: AheadRequest): Ahead | undefined {
  const { length } = request.messages;
  if (length < MESSAGES_MIN || !source.ready(length)) return undefined;
  return new Reading(source, request);
}

class Reading implements Ahead {
  readonly #source: Begins;
  readonly #messages: readonly Numbered[];
  readonly #octets: number | 'all';
  readonly #buffers = takeBuffers();
  #groups = 0;
  /** Of `#messages`, the first that is in no group yet. */
  #next = 0;
  #current: Pieces = NOTHING;
  #coming: Promise<Pieces> | undefined;
  #expected: ReadonlySet<Numbered> = new Set();

  constructor(source: Begins, { messages, octets }: AheadRequest) {
    this.#source = source;
    this.#messages = messages;
    this.#octets = octets;
    this.#ask();
  }

  take(message: Numbered): Piece | undefined | Promise<Piece | undefined> {
    const known = this.#current.get(message);
    if (known !== undefined) return known;
    return this.#expected.has(message) ? this.#arrived(message) : undefined;
  }

  async #arrived(message: Numbered): Promise<Piece | undefined> {
    this.#current = (await this.#coming) ?? NOTHING;
    this.#ask();
    return this.#current.get(message);
  }

  stop(): void {
    this.#current = NOTHING;
    const buffers = this.#buffers;
    // What is under way still writes to them; after a failure nobody knows how long.
    this.#coming?.then(
      () => giveBack(buffers),
      () => {},
    );
    if (this.#coming === undefined) giveBack(buffers);
    this.#coming = undefined;
    this.#expected = new Set();
  }

  #ask(): void {
    const group = this.#group();
    this.#expected = new Set(group);
    this.#coming = group.length === 0 ? undefined : this.#read(group);
    this.#coming?.catch(() => {}); // Told to whoever takes one of them.
  }

  #group(): readonly Numbered[] {
    const group: Numbered[] = [];
    let octets = 0;
    for (; this.#next < this.#messages.length && group.length < GROUP_MESSAGES; this.#next++) {
      const message = this.#messages[this.#next] as Numbered;
      const wanted = this.#wanted(message);
      if (wanted === undefined) continue;
      if (octets + wanted > GROUP_OCTETS) break;
      octets += wanted;
      group.push(message);
    }
    return group;
  }

  #wanted({ entry }: Numbered): number | undefined {
    const said = nameOctets(entry.name);
    if (said === undefined) return undefined;
    if (this.#octets !== 'all') return Math.min(said + 1, this.#octets);
    return said < AHEAD_OCTETS_MAX ? said + 1 : undefined;
  }

  async #read(group: readonly Numbered[]): Promise<Pieces> {
    const length = this.#octets === 'all' ? AHEAD_OCTETS_MAX : this.#octets;
    const into = this.#buffers[this.#groups++ & 1] as Buffer;
    const pieces = await this.#source.read(group, { length, into });
    const found = new Map<Numbered, Piece>();
    for (const [index, piece] of pieces.entries()) {
      if (piece !== undefined) found.set(group[index] as Numbered, piece);
    }
    return found;
  }
}

/** Used again, as those of `reader.ts` are and for its reason. */
const spare: (readonly Buffer[])[] = [];
const SPARE_MAX = 8;

const takeBuffers = (): readonly Buffer[] =>
  spare.pop() ?? [Buffer.allocUnsafe(GROUP_OCTETS), Buffer.allocUnsafe(GROUP_OCTETS)];

function giveBack(buffers: readonly Buffer[]): void {
  if (spare.length < SPARE_MAX) spare.push(buffers);
}
