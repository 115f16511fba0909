import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { silentLogger } from '../log/types.ts';
import { StoreError } from '../volumes/error.ts';
import { openVolumes, type Volumes } from '../volumes/open.ts';
import type { MailboxOwner, VolumeEntry } from '../volumes/types.ts';
import type { Envelope } from './envelope.ts';
import { laneOf } from './lane.ts';
import { byId, isId } from './names.ts';
import type { OutboundEnvelope } from './outbound.ts';
import { openOutboundSpools, type OutboundTrees } from './outbound-spools.ts';
import {
  busyFor,
  outboundQueue,
  parkedQueue,
  type QueueItem,
  type QueueKind,
  type QueuePlace,
  type QueueState,
  type QueueTree,
} from './queue-trees.ts';
import { Spools } from './spools.ts';

/**
 * What waits on the spool volumes of a farm, for administrators: seen and changed by the same
 * renames as landers and senders use, so that it may be done while they run.
 */
export type QueuedLetter = QueueItem['letter'] & {
  readonly kind: QueueKind;
  readonly spool: string;
  /** Of parked mail; undefined where it cannot be read (any more). */
  readonly envelope: Envelope | undefined;
  /** Of mail that leaves. */
  readonly outbound: OutboundEnvelope | undefined;
};

export interface QueuePage {
  readonly letters: readonly QueuedLetter[];
  /** To be given for the next page; undefined after the last. */
  readonly next: string | undefined;
}

export interface PageOptions {
  readonly limit: number;
  readonly after?: string | undefined;
  readonly kind?: QueueKind | undefined;
  readonly state?: QueueState | undefined;
  /** Domain or lane of mail that leaves, volume of parked mail. */
  readonly lane?: string | undefined;
  /** MAIL FROM of mail that leaves; reads the envelope of each letter passed. */
  readonly sender?: string | undefined;
}

interface Found {
  readonly tree: QueueTree;
  readonly item: QueueItem;
}

export class Queue {
  readonly #parked: Spools;
  readonly #outbound: OutboundTrees;
  readonly #close: () => void;
  readonly #ready: Promise<unknown>;

  constructor(parts: {
    readonly entries: readonly VolumeEntry[];
    readonly clock: Clock;
    readonly random: Random;
  }) {
    const { clock, random } = parts;
    const volumes = openSpoolVolumes(parts);
    const { table } = volumes;
    const common = { table, clock, random, node: 'command' };
    this.#parked = new Spools(common);
    this.#outbound = openOutboundSpools(common);
    this.#ready = table.loaded();
    this.#close = () => volumes.close();
  }

  /**
   * A page, by spool volume, kind, state, lane and arrival. It costs a listing of each directory
   * passed and the envelope of each letter shown. @throws StoreError
   */
  async page(options: PageOptions): Promise<QueuePage> {
    const { limit, after = '', sender } = options;
    const found: QueuedLetter[] = [];
    let last = '';
    for await (const { tree, place } of this.#places(after, options)) {
      const at = `${keyOf(tree, place)}/`;
      for (const item of await tree.list(place)) {
        const { id } = item.letter;
        if (after.startsWith(at) && byId({ id }, { id: after.slice(at.length) }) <= 0) continue;
        if (found.length === limit) return { letters: found, next: last };
        const letter = await shown({ tree, item });
        if (sender !== undefined && letter.outbound?.sender !== sender) continue;
        last = `${at}${id}`;
        found.push(letter);
      }
    }
    return { letters: found, next: undefined };
  }

  /** @throws StoreError 'message-gone' when no letter has the id */
  async show(id: string): Promise<QueuedLetter> {
    return shown(await this.#find(id));
  }

  /** The letter as it is stored, by pieces. @throws StoreError */
  async *message(id: string): AsyncGenerator<Buffer> {
    const { item } = await this.#find(id);
    for (let offset = 0; offset < item.letter.octets;) {
      const bytes = await item.read(offset, 65_536);
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
    const found = await this.#idle(id);
    if (!(await found.item.release())) throw busy(id);
    return this.show(id);
  }

  /**
   * Nobody sends it until it is released.
   * @throws StoreError 'volume-busy' while somebody does, or for a letter that cannot be held
   */
  async hold(id: string, reason: string): Promise<QueuedLetter> {
    const { item } = await this.#idle(id);
    if (item.hold === undefined) {
      const why = `it waits for volume ${item.letter.lane} and goes to its user, not out`;
      throw new StoreError('volume-busy', `${id} is parked mail and cannot be held: ${why}`);
    }
    if (!(await item.hold(reason))) throw busy(id);
    return this.show(id);
  }

  /** For good. @throws StoreError 'volume-busy' while somebody is at work on it */
  async remove(id: string): Promise<QueuedLetter> {
    const found = await this.#idle(id);
    const letter = await shown(found);
    if (!(await found.item.remove())) throw busy(id);
    return letter;
  }

  /** Mail that leaves for this domain, or of this lane, is due now. @returns how much */
  async wake(domain: string): Promise<number> {
    await this.#ready;
    const text = domain.toLowerCase();
    const lanes = new Set([laneOf({ kind: 'mx', domain: text }), text]);
    let count = 0;
    for (const tree of this.#outbound.all) {
      await tree.volume.ready();
      for (const lane of lanes) count += await tree.wake(lane);
    }
    return count;
  }

  /** All mail that leaves is due now, but what is held. @returns how much. @throws StoreError */
  async flush(): Promise<number> {
    await this.#ready;
    let count = 0;
    for (const tree of this.#outbound.all) {
      await tree.volume.ready();
      for (const slot of await tree.slots()) {
        for (const lane of await tree.lanes('later', slot)) count += await tree.wakeIn(slot, lane);
      }
    }
    return count;
  }

  close(): void {
    this.#close();
  }

  /**
   * Whoever holds it may be giving it to its mailbox, or to its peer, right now: taken away, it
   * would be told to be deleted and come all the same, or come twice. A lease is short.
   */
  async #idle(id: string): Promise<Found> {
    const found = await this.#find(id);
    const seconds = await busyFor(found.tree, found.item);
    if (seconds === undefined) return found;
    const holder = found.item.letter.lease?.holder;
    const advice = `try again when that has ended, in ${seconds} s if it died`;
    throw new StoreError('volume-busy', `${id} is being worked on by ${holder}; ${advice}`);
  }

  async #find(id: string): Promise<Found> {
    if (!isId(id)) throw gone(id);
    // It may be on its way from one state to another while all are listed.
    for (let round = 0; round < 2; round++) {
      for await (const { tree, place } of this.#places('', {})) {
        const item = (await tree.list(place)).find(({ letter }) => letter.id === id);
        if (item !== undefined) return { tree, item };
      }
    }
    throw gone(id);
  }

  /** @throws StoreError when a spool volume cannot be used on this host */
  async *#places(
    after: string,
    only: Pick<PageOptions, 'kind' | 'state' | 'lane'>,
  ): AsyncGenerator<{ readonly tree: QueueTree; readonly place: QueuePlace }> {
    await this.#ready;
    const all = [...this.#outbound.all.map(outboundQueue), ...this.#parked.all.map(parkedQueue)];
    const trees = all.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    for (const tree of trees) {
      if (only.kind !== undefined && tree.kind !== only.kind) continue;
      if (`${keyOf(tree)}/` < after && !after.startsWith(`${keyOf(tree)}/`)) continue;
      await tree.volume.ready();
      for await (const place of tree.places(only.lane)) {
        if (only.state !== undefined && place.state !== only.state) continue;
        const key = keyOf(tree, place);
        if (key >= after || after.startsWith(`${key}/`)) yield { tree, place };
      }
    }
  }
}

/** The spool volumes of the table, as a command has them. */
function openSpoolVolumes(parts: {
  readonly entries: readonly VolumeEntry[];
  readonly clock: Clock;
  readonly random: Random;
}): Pick<Volumes<MailboxOwner>, 'table' | 'close'> {
  const spools = parts.entries.filter(({ use }) => use === 'spool');
  const directory = {
    volumes: () => Promise.resolve(spools),
    assignVolume: () => Promise.reject(new Error('Nobody is placed by a queue')),
    volumeByRule: () => Promise.resolve(undefined),
    storedVolume: () => Promise.resolve(undefined),
  };
  const { clock, random } = parts;
  return openVolumes({ directory, clock, random, log: silentLogger, node: 'command' });
}

async function shown({ tree, item }: Found): Promise<QueuedLetter> {
  const { parked, outbound } = await item.envelopes();
  const { kind, letter } = item;
  return { ...letter, kind, spool: tree.volume.name, envelope: parked, outbound };
}

const keyOf = ({ volume, kind }: QueueTree, place?: QueuePlace): string =>
  `${volume.name}/${kind}${place === undefined ? '' : `/${place.path}`}`;

const gone = (id: string): StoreError =>
  new StoreError('message-gone', `No letter ${id.slice(0, 100)} waits (any more)`);

const busy = (id: string): StoreError =>
  new StoreError('volume-busy', `${id} has just been taken by somebody else; try again`);
