import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import { silentLogger, type Logger } from '../log/types.ts';
import { StoreError } from '../volumes/error.ts';
import type { VolumeTable } from '../volumes/table.ts';
import type { Volume } from '../volumes/volume.ts';
import { SPOOL_OPTIONS, type SpoolOptions } from './options.ts';
import type { OutboundClaim, OutboundDraft, OutboundEnvelope, OutboundSpools } from './outbound.ts';
import { SpoolClaim } from './outbound-claim.ts';
import { SpoolDraft, type DraftParts } from './outbound-draft.ts';
import { OutboundLook, type Candidate, type Rooms } from './outbound-look.ts';
import type { OutboundSpooled } from './outbound-names.ts';
import { OutboundTree } from './outbound-tree.ts';
import { sweepOutbound } from './sweep.ts';

export interface OutboundSpoolsParts {
  readonly table: Pick<VolumeTable, 'volumes'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly node: string;
  /** The defaults where nothing is said. */
  readonly options?: SpoolOptions | undefined;
  readonly log?: Logger | undefined;
}

/** Outbound mail on the spool volumes of the table. Has nothing that would have to be closed. */
export const openOutboundSpools = (parts: OutboundSpoolsParts): OutboundTrees =>
  new OutboundTrees(parts);

/** Claims made at once. */
const AT_ONCE = 16;
/** So long one spool volume is waited for when another has answered. */
const GRACE_MS = 250;
const SWEEP_MS = 3_600_000;
/** Half a lease: a claim that nobody took over until then goes back, or two would send it. */
const READY_MS = 60_000;

interface Place {
  readonly tree: OutboundTree;
  readonly look: OutboundLook;
  /** A look that has not answered yet. */
  taking: Promise<void> | undefined;
  /** Claims that came after their look was waited for. */
  ready: Ready[];
  failed: Error | undefined;
  /** When one bucket is to be swept. */
  sweepAt: number;
}

interface Ready {
  readonly claim: OutboundClaim;
  /** When it was claimed, ms by our clock. */
  readonly at: number;
}

type TakeOptions = Parameters<OutboundSpools['take']>[0];

export class OutboundTrees implements OutboundSpools {
  readonly #parts: OutboundSpoolsParts;
  readonly #options: SpoolOptions;
  readonly #log: Logger;
  readonly #places = new Map<Volume, Place>();
  readonly #listeners: (() => void)[] = [];
  #turn = 0;

  constructor(parts: OutboundSpoolsParts) {
    this.#parts = parts;
    this.#options = parts.options ?? defaults(SPOOL_OPTIONS);
    this.#log = parts.log ?? silentLogger;
  }

  /** Of all spool volumes, up or not. */
  get all(): readonly OutboundTree[] {
    return this.#all().map(({ tree }) => tree);
  }

  open(octets: number): OutboundDraft {
    const trees = this.#withRoom(octets);
    const onCommitted: DraftParts['onCommitted'] = (...all) => this.#committed(...all);
    return new SpoolDraft({ trees, onCommitted });
  }

  async requireRoom(octets: number): Promise<void> {
    await this.#seen();
    this.#withRoom(octets);
  }

  async take(options: TakeOptions): Promise<readonly OutboundClaim[]> {
    await this.#seen();
    const places = this.#up();
    if (places.length === 0) throw noneUp();
    const rooms = roomsOf(options.perRoute);
    const start = this.#turn++ % places.length;
    const inTurn = [...places.slice(start), ...places.slice(0, start)];
    const claims = inTurn.flatMap((place) => this.#handedOver(place, options.limit));
    const limit = Math.max(0, options.limit - claims.length);
    inTurn.forEach((place, index) => {
      const own = Math.floor((limit + places.length - 1 - index) / places.length);
      if (own === 0) return;
      place.taking ??= this.#take(place, own, rooms).finally(() => {
        place.taking = undefined;
      });
    });
    await this.#answered(inTurn.flatMap(({ taking }) => taking ?? []));
    const failed = inTurn.find((place) => place.failed !== undefined)?.failed;
    for (const place of inTurn) {
      place.failed = undefined;
      claims.push(...this.#handedOver(place, options.limit - claims.length));
    }
    if (claims.length === 0 && failed !== undefined) throw failed;
    return claims;
  }

  #handedOver({ ready }: Place, limit: number): readonly OutboundClaim[] {
    const now = this.#parts.clock.now();
    return ready.splice(0, limit).flatMap(({ claim, at }) => {
      if (now - at < READY_MS) return [claim];
      void claim.release();
      return [];
    });
  }

  onCommitted(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async wake(lane: string): Promise<number> {
    let count = 0;
    for (const { tree, look } of this.#up()) {
      count += await tree.wake(lane);
      look.stir();
    }
    if (count > 0) this.#tell();
    return count;
  }

  /** A volume that hangs is not waited for when another has answered. */
  async #answered(taking: readonly Promise<void>[]): Promise<void> {
    if (taking.length < 2) return void (await Promise.all(taking));
    const grace = Promise.any(taking).then(() => this.#parts.clock.sleep(GRACE_MS));
    await Promise.race([Promise.all(taking), grace]);
  }

  /** Never rejects. */
  async #take(place: Place, limit: number, rooms: Rooms): Promise<void> {
    const { look, ready } = place;
    this.#sweep(place);
    try {
      // What others were quicker with leaves room for a second try.
      for (let round = 0, left = limit; round < 2 && left > 0; round++) {
        const candidates = await look.pick(left, rooms);
        if (candidates.length === 0) return;
        for (let from = 0; from < candidates.length; from += AT_ONCE) {
          const some = candidates.slice(from, from + AT_ONCE);
          const at = this.#parts.clock.now();
          const claims = some.map(async (one) => {
            const claim = await this.#claim(place, one);
            if (claim === undefined) return rooms.give(one.letter.lane);
            ready.push({ claim, at });
            left -= 1;
          });
          const failed = (await Promise.allSettled(claims)).find(
            (one) => one.status === 'rejected',
          );
          if (failed !== undefined) throw failed.reason;
        }
      }
    } catch (error) {
      place.failed = error instanceof Error ? error : new Error(String(error));
    }
  }

  async #claim({ tree, look }: Place, candidate: Candidate): Promise<OutboundClaim | undefined> {
    const held = await tree.claim(candidate.letter);
    look.tried(candidate, held === undefined ? 'lost' : 'claimed');
    if (held === undefined) return undefined;
    const envelope = candidate.envelope ?? (await tree.envelope(held));
    if (envelope !== undefined) return new SpoolClaim(tree, held, envelope, candidate.text);
    this.#log.error(
      { code: 'MF-SPL-001', spool: tree.volume.name, id: held.id, lane: held.lane },
      'an envelope cannot be read: the letter is held',
    );
    await tree.hold(held, 'damaged');
    return undefined;
  }

  #committed(
    tree: OutboundTree,
    letters: readonly (readonly [OutboundSpooled, OutboundEnvelope])[],
    text: Buffer | undefined,
  ): void {
    const place = this.#all().find((one) => one.tree === tree);
    for (const [letter, envelope] of letters) place?.look.committed(letter, envelope, text);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Now and then a bucket of what nobody answers for, beside the work. */
  #sweep(place: Place): void {
    const now = this.#parts.clock.now();
    if (now < place.sweepAt) return;
    place.sweepAt = now + SWEEP_MS * (0.5 + this.#chance());
    const bucket = Math.floor(256 * this.#chance())
      .toString(16)
      .padStart(2, '0');
    void sweepOutbound(place.tree, bucket).catch((err: unknown) => {
      this.#log.warn({ spool: place.tree.volume.name, bucket, err }, 'spool not swept');
    });
  }

  /** From 0 to below 1. */
  #chance(): number {
    return (this.#parts.random.bytes(1)[0] ?? 0) / 256;
  }

  #all(): readonly Place[] {
    const { table } = this.#parts;
    const volumes = table.volumes.filter(({ entry }) => entry.use === 'spool');
    for (const volume of this.#places.keys()) {
      if (!volumes.includes(volume)) this.#places.delete(volume);
    }
    return volumes.map((volume) => {
      const known = this.#places.get(volume) ?? this.#place(volume);
      this.#places.set(volume, known);
      return known;
    });
  }

  #place(volume: Volume): Place {
    const { clock, random, node } = this.#parts;
    const tree = new OutboundTree({
      volume,
      clock,
      random,
      node,
      slotMs: this.#options['spool.slot'],
    });
    const look = new OutboundLook({ tree, clock, random, lookMs: this.#options['spool.look'] });
    const sweepAt = clock.now() + SWEEP_MS * this.#chance();
    return { tree, look, taking: undefined, ready: [], failed: undefined, sweepAt };
  }

  /** A process that just began has not seen any volume yet. */
  async #seen(): Promise<void> {
    if (this.#up().length > 0) return;
    await Promise.allSettled(this.#all().map(({ tree }) => tree.volume.ready()));
  }

  #up(): readonly Place[] {
    return this.#all().filter(({ tree }) => isUp(tree.volume));
  }

  /** The roomiest first. @throws StoreError when there is none */
  #withRoom(octets: number): readonly OutboundTree[] {
    const up = this.#up().map(({ tree }) => tree);
    if (up.length === 0) throw noneUp();
    const trees = up
      .filter(({ volume }) => volume.entry.state === 'active' && volume.fits(octets))
      .toSorted((a, b) => freeBytes(b.volume) - freeBytes(a.volume));
    if (trees.length > 0) return trees;
    throw new StoreError('volume-full', `No spool volume has room for ${octets} octets`);
  }
}

const isUp = ({ up, entry }: Volume): boolean => up && entry.state !== 'offline';
const noneUp = (): StoreError => new StoreError('volume-down', 'No spool volume is up');
const freeBytes = ({ space }: Volume): number => space?.freeBytes ?? 0;

/** What one volume takes of a lane is not there for the others. */
function roomsOf(perRoute: (lane: string) => number): Rooms {
  const left = new Map<string, number>();
  return {
    take: (lane) => {
      const room = left.get(lane) ?? perRoute(lane);
      left.set(lane, Math.max(0, room - 1));
      return room > 0;
    },
    give: (lane) => void left.set(lane, (left.get(lane) ?? 0) + 1),
  };
}
