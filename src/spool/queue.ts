import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { silentLogger } from '../log/types.ts';
import { StoreError } from '../volumes/error.ts';
import { openVolumes } from '../volumes/open.ts';
import type { VolumeEntry } from '../volumes/types.ts';
import type { Envelope } from './envelope.ts';
import { byId, isId, STATES, type State } from './names.ts';
import { Spools } from './spools.ts';
import { isOver, LEASE_MS, type SpoolTree, type Spooled } from './tree.ts';

/**
 * What waits on the spool volumes of a farm, for administrators: seen and changed by the same
 * renames as landers use, so that it may be done while they run.
 */
export interface QueuedLetter extends Spooled {
  readonly spool: string;
  /** Undefined where it cannot be read (any more). */
  readonly envelope: Envelope | undefined;
}

export interface QueuePage {
  readonly letters: readonly QueuedLetter[];
  /** To be given for the next page; undefined after the last. */
  readonly next: string | undefined;
}

export class Queue {
  readonly #spools: Spools;
  readonly #close: () => void;
  readonly #ready: Promise<unknown>;

  constructor(parts: {
    readonly entries: readonly VolumeEntry[];
    readonly clock: Clock;
    readonly random: Random;
  }) {
    const { entries, clock, random } = parts;
    const spools = entries.filter(({ use }) => use === 'spool');
    const directory = {
      volumes: () => Promise.resolve(spools),
      assignVolume: () => Promise.reject(new Error('Nobody is placed by a queue')),
      volumeByRule: () => Promise.resolve(undefined),
      storedVolume: () => Promise.resolve(undefined),
    };
    const log = silentLogger;
    const volumes = openVolumes({ directory, clock, random, log, node: 'command' });
    this.#spools = new Spools({ table: volumes.table, clock, random, node: 'command' });
    this.#ready = volumes.table.loaded();
    this.#close = () => volumes.close();
  }

  /**
   * A page, by spool volume, state, volume waited for, bucket and arrival. It costs a listing of
   * each bucket passed and the envelope of each letter shown. @throws StoreError
   */
  async page(options: {
    readonly limit: number;
    readonly after?: string | undefined;
    readonly state?: State | undefined;
  }): Promise<QueuePage> {
    const { limit, after = '', state: only } = options;
    const found: QueuedLetter[] = [];
    let last = '';
    for await (const { tree, state, lane, bucket } of this.#places(after)) {
      if (only !== undefined && state !== only) continue;
      for (const letter of await tree.list(state, lane, bucket)) {
        const place = `${placeKey(tree, state, lane, bucket)}/`;
        const isSame = after.startsWith(place);
        if (isSame && byId(letter, { id: after.slice(place.length) }) <= 0) continue;
        if (found.length === limit) return { letters: found, next: last };
        last = `${place}${letter.id}`;
        found.push(await this.#withEnvelope(tree, letter));
      }
    }
    return { letters: found, next: undefined };
  }

  /** @throws StoreError 'message-gone' when no letter has the id */
  async show(id: string): Promise<QueuedLetter> {
    const { tree, letter } = await this.#find(id);
    return this.#withEnvelope(tree, letter);
  }

  /** The letter as it is stored, by pieces. @throws StoreError */
  async *message(id: string): AsyncGenerator<Buffer> {
    const { tree, letter } = await this.#find(id);
    for (let offset = 0; offset < letter.octets;) {
      const bytes = await tree.read(letter, offset, 65_536);
      if (bytes === undefined || bytes.length === 0) throw gone(id);
      yield bytes;
      offset += bytes.length;
    }
  }

  /**
   * Back to be tried at the next look, whoever has set it aside or died over it.
   * @throws StoreError 'volume-busy' while somebody is at work on it
   */
  async release(id: string): Promise<QueuedLetter> {
    const { tree, letter } = await this.#find(id);
    await requireIdle(tree, letter);
    if (letter.state !== 'waiting' && !(await tree.release(letter))) throw gone(id);
    return this.show(id);
  }

  /** For good. @throws StoreError 'volume-busy' while somebody is at work on it */
  async remove(id: string): Promise<QueuedLetter> {
    const { tree, letter } = await this.#find(id);
    await requireIdle(tree, letter);
    const shown = await this.#withEnvelope(tree, letter);
    const claim = await tree.claim(letter);
    if (claim === undefined || !(await tree.finish(claim))) {
      throw new StoreError('volume-busy', `${id} is being worked on; try again`);
    }
    return shown;
  }

  close(): void {
    this.#close();
  }

  async #find(id: string): Promise<{ readonly tree: SpoolTree; readonly letter: Spooled }> {
    if (!isId(id)) throw gone(id);
    // It may be on its way from one state to another while all are listed.
    for (let round = 0; round < 2; round++) {
      for await (const { tree, state, lane, bucket } of this.#places('')) {
        const letter = (await tree.list(state, lane, bucket)).find((one) => one.id === id);
        if (letter !== undefined) return { tree, letter };
      }
    }
    throw gone(id);
  }

  async #withEnvelope(tree: SpoolTree, letter: Spooled): Promise<QueuedLetter> {
    const envelope = await tree.envelope(letter);
    return { ...letter, spool: tree.volume.name, envelope };
  }

  /** @throws StoreError when a spool volume cannot be used on this host */
  async *#places(after: string): AsyncGenerator<QueuePlace> {
    await this.#ready;
    const trees = this.#spools.all.toSorted((a, b) => asPath(a.volume.name, b.volume.name));
    for (const tree of trees) {
      await tree.volume.ready();
      for (const state of STATES.toSorted()) {
        for (const lane of (await tree.lanes(state)).toSorted(asPath)) {
          const buckets = state === 'taken' ? [''] : await tree.buckets(state, lane);
          for (const bucket of buckets.toSorted()) {
            const key = placeKey(tree, state, lane, bucket);
            if (key >= after || after.startsWith(`${key}/`)) yield { tree, state, lane, bucket };
          }
        }
      }
    }
  }
}

/**
 * Whoever holds it may be giving it to its mailbox right now: taken away, it would be told to be
 * deleted and come all the same, or come twice. A lease is short.
 */
async function requireIdle(tree: SpoolTree, { id, state, lease }: Spooled): Promise<void> {
  if (state !== 'taken') return;
  const now = await tree.serverNow();
  if (lease === undefined || isOver(lease, now)) return;
  const seconds = Math.ceil((lease.at * 1000 + LEASE_MS - now) / 1000);
  const text = `${id} is being worked on by ${lease.holder}; if that died, try in ${seconds} s`;
  throw new StoreError('volume-busy', text);
}

interface QueuePlace {
  readonly tree: SpoolTree;
  readonly state: State;
  readonly lane: string;
  readonly bucket: string;
}

const placeKey = ({ volume }: SpoolTree, state: State, lane: string, bucket: string): string =>
  `${volume.name}/${state}/${lane}/${bucket}`;

/** In the order of the paths that begin with them: `mail1-x/` is before `mail1/`. */
const asPath = (a: string, b: string): number => (`${a}/` < `${b}/` ? -1 : 1);

const gone = (id: string): StoreError =>
  new StoreError('message-gone', `No letter ${id.slice(0, 100)} is parked (any more)`);
