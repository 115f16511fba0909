import { StoreError } from '../volumes/error.ts';
import { laneOf } from './lane.ts';
import type { NewEnvelope, OutboundDraft, OutboundEnvelope } from './outbound.ts';
import type { OutboundSpooled } from './outbound-names.ts';
import type { OutboundTree } from './outbound-tree.ts';
import { isUnknown } from './tree-files.ts';

/** Envelopes written or committed at once for one letter. */
const AT_ONCE = 8;

/** A message of so many octets is remembered: whoever sends it here soon needs not read it. */
const KEPT_OCTETS_MAX = 32_768;

/** One envelope on its way. `perhaps`: it may be visible, now or later. */
interface Written {
  readonly envelope: OutboundEnvelope;
  readonly lane: string;
  state: 'drafted' | 'perhaps' | 'committed';
  letter: OutboundSpooled | undefined;
}

export interface DraftParts {
  /** Those it may go to, the best first; one that fails at the first piece is passed over. */
  readonly trees: readonly OutboundTree[];
  readonly onCommitted: (
    tree: OutboundTree,
    letters: readonly (readonly [OutboundSpooled, OutboundEnvelope])[],
    /** The message, where it is small. */
    text: Buffer | undefined,
  ) => void;
}

export class SpoolDraft implements OutboundDraft {
  readonly #parts: DraftParts;
  readonly #others: OutboundTree[];
  readonly #id: string;
  #tree: OutboundTree;
  #written: readonly Written[] = [];
  #text: Buffer | undefined;

  constructor(parts: DraftParts) {
    this.#parts = parts;
    const [first, ...others] = parts.trees;
    if (first === undefined) throw new Error('a draft for no spool volume');
    this.#tree = first;
    this.#others = others;
    this.#id = first.newId();
  }

  get spool(): string {
    return this.#tree.volume.name;
  }

  async write(offset: number, bytes: Uint8Array, last: boolean): Promise<void> {
    const isKept = offset === 0 && last && bytes.length <= KEPT_OCTETS_MAX;
    this.#text = isKept ? Buffer.from(bytes) : undefined;
    for (;;) {
      try {
        return await this.#tree.write(this.#id, { offset, bytes, last });
      } catch (error) {
        // Nothing of it is anywhere else but in the hands of the caller.
        const next = offset === 0 ? this.#others.shift() : undefined;
        if (next === undefined || !(error instanceof StoreError)) throw error;
        void this.#tree.discard(this.#id, 'never'); // It may hang.
        this.#tree = next;
      }
    }
  }

  async seal(octets: number, wireOctets: number, envelopes: readonly NewEnvelope[]): Promise<void> {
    const acceptedAt = Math.round(await this.#tree.serverNow());
    const { node } = this.#tree;
    const fresh = { octets, wireOctets, node, acceptedAt, tries: 0, delayTold: false };
    this.#written = envelopes.map((envelope, index) => {
      const id = index === 0 ? this.#id : this.#tree.newId();
      const whole = { id, ...envelope, ...fresh, troubles: [] };
      return { envelope: whole, lane: laneOf(envelope.route), state: 'drafted', letter: undefined };
    });
    await inTurn(this.#written, ({ envelope }) => this.#tree.draft(envelope, this.#id));
  }

  async commit(): Promise<void> {
    const tree = this.#tree;
    const failures: unknown[] = [];
    await inTurn(this.#written, async (one) => {
      if (failures.length > 0) return; // It would only be taken back.
      try {
        one.letter = await tree.commit(one.envelope, one.lane);
        one.state = 'committed';
      } catch (error) {
        failures.push(error);
        if (!(error instanceof StoreError) || isUnknown(error)) one.state = 'perhaps';
      }
    });
    if (failures.length > 0) {
      await this.#retract();
      throw failures[0];
    }
    const letters = this.#written.map(
      ({ letter, envelope }) => [letter as OutboundSpooled, envelope] as const,
    );
    this.#parts.onCommitted(tree, letters, this.#text);
  }

  async discard(): Promise<void> {
    if (this.#written.length === 0) return this.#tree.discard(this.#id, 'never');
    await inTurn(this.#written, async ({ envelope, state }) => {
      if (state === 'committed') return;
      await this.#tree.discard(envelope.id, state === 'drafted' ? 'never' : 'perhaps');
    });
  }

  /** The client will be told to try again: what a sender has not claimed yet is taken back. */
  async #retract(): Promise<void> {
    await inTurn(this.#written, async (one) => {
      if (one.state !== 'committed' || one.letter === undefined) return;
      try {
        if (await this.#tree.retract(one.letter)) one.state = 'drafted';
      } catch {
        one.state = 'perhaps';
      }
    });
  }
}

async function inTurn<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += AT_ONCE) {
    const some = await Promise.allSettled(all.slice(at, at + AT_ONCE).map(work));
    const failed = some.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
