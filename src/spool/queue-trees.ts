import type { Volume } from '../volumes/volume.ts';
import type { Envelope } from './envelope.ts';
import { isOver, LEASE_MS } from './tree-files.ts';
import { STATES, type Lease, type Letter } from './names.ts';
import type { OutboundEnvelope } from './outbound.ts';
import { OUTBOUND_STATES, type OutboundPlace, type OutboundSpooled } from './outbound-names.ts';
import { outboundPlaces, type OutboundTree } from './outbound-tree.ts';
import type { SpoolTree, Spooled } from './tree.ts';

/** The two kinds of letters that wait on a spool volume, as administrators see them: alike. */
export type QueueKind = 'outbound' | 'parked';

/** States of either kind, as a command may name them. */
export const QUEUE_STATES = [...new Set([...OUTBOUND_STATES, ...STATES])];
export type QueueState = (typeof QUEUE_STATES)[number];

/** A directory with letters; `path` is its own below the tree. */
export interface QueuePlace {
  readonly state: QueueState;
  readonly lane: string;
  readonly path: string;
}

/** A letter, and how its tree changes it. Each step is false when somebody else was quicker. */
export interface QueueItem {
  readonly kind: QueueKind;
  readonly letter: Letter & {
    readonly state: QueueState;
    readonly lane: string;
    readonly lease: Lease | undefined;
    readonly dueAt?: number | undefined;
  };
  envelopes(): Promise<{
    readonly parked: Envelope | undefined;
    readonly outbound: OutboundEnvelope | undefined;
  }>;
  read(offset: number, length: number): Promise<Buffer | undefined>;
  /** To be tried at the next look. */
  release(): Promise<boolean>;
  /** Undefined: such letters cannot be held. */
  readonly hold: ((reason: string) => Promise<boolean>) | undefined;
  remove(): Promise<boolean>;
}

export interface QueueTree {
  readonly kind: QueueKind;
  readonly volume: Volume;
  serverNow(): Promise<number>;
  /** In the order of their paths, of one lane where one is given. @throws StoreError */
  places(lane: string | undefined): AsyncGenerator<QueuePlace>;
  /** In order of arrival. @throws StoreError */
  list(place: QueuePlace): Promise<readonly QueueItem[]>;
}

export function parkedQueue(tree: SpoolTree): QueueTree {
  const item = (letter: Spooled): QueueItem => ({
    kind: 'parked',
    letter,
    envelopes: async () => ({ parked: await tree.envelope(letter), outbound: undefined }),
    read: (offset, length) => tree.read(letter, offset, length),
    release: async () => letter.state === 'waiting' || tree.release(letter),
    hold: undefined,
    remove: async () => {
      const claim = await tree.claim(letter);
      return claim !== undefined && tree.finish(claim);
    },
  });
  return {
    kind: 'parked',
    volume: tree.volume,
    serverNow: () => tree.serverNow(),
    places: async function* places(only) {
      for (const state of STATES.toSorted()) {
        for (const lane of sorted(await tree.lanes(state))) {
          if (only !== undefined && lane !== only) continue;
          const buckets = state === 'taken' ? [''] : await tree.buckets(state, lane);
          for (const bucket of sorted(buckets)) {
            yield { state, lane, path: `${state}/${lane}/${bucket}` };
          }
        }
      }
    },
    list: async ({ path }) => {
      const [state, lane = '', bucket = ''] = path.split('/');
      return (await tree.list(state as Spooled['state'], lane, bucket)).map(item);
    },
  };
}

export function outboundQueue(tree: OutboundTree): QueueTree {
  const item = (letter: OutboundSpooled): QueueItem => ({
    kind: 'outbound',
    letter,
    envelopes: async () => ({ parked: undefined, outbound: await tree.envelope(letter) }),
    read: (offset, length) => tree.read(letter, offset, length),
    release: async () => letter.state === 'waiting' || tree.release(letter),
    hold: async (reason) => letter.state === 'hold' || tree.hold(letter, reason),
    remove: async () => {
      const claim = await tree.claim(letter);
      return claim !== undefined && tree.finish(claim);
    },
  });
  return {
    kind: 'outbound',
    volume: tree.volume,
    serverNow: () => tree.serverNow(),
    places: async function* places(only) {
      for await (const { state, lane, place } of outboundPlaces(tree, only)) {
        const path = state === 'later' ? `${state}/${place}/${lane}` : `${state}/${lane}/${place}`;
        yield { state, lane, path };
      }
    },
    list: async ({ state, path }) => {
      const [, second = '', third = ''] = path.split('/');
      const at =
        state === 'later' ? { lane: third, place: second } : { lane: second, place: third };
      const place: OutboundPlace = { state: state as OutboundPlace['state'], ...at };
      return (await tree.list(place)).map(item);
    },
  };
}

/** For how long somebody may still be at work on it, in seconds; undefined when nobody is. */
export async function busyFor(tree: QueueTree, item: QueueItem): Promise<number | undefined> {
  const { state, lease } = item.letter;
  if (state !== 'taken' || lease === undefined) return undefined;
  const now = await tree.serverNow();
  if (isOver(lease, now)) return undefined;
  return Math.ceil((lease.at * 1000 + LEASE_MS - now) / 1000);
}

/** In the order of the paths that begin with them: `mail1-x/` is before `mail1/`. */
const asPath = (a: string, b: string): number => (`${a}/` < `${b}/` ? -1 : 1);
export const sorted = (names: readonly string[]): readonly string[] => names.toSorted(asPath);
