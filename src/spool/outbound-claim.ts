import type { OutboundClaim, OutboundEnvelope, Settlement } from './outbound.ts';
import type { OutboundSpooled } from './outbound-names.ts';
import type { OutboundTree } from './outbound-tree.ts';
import { StoreError } from '../volumes/error.ts';
import { isUnknown } from './tree-files.ts';

/** A message that one read brought whole is read once, for signing and for sending. */
const KEPT_OCTETS_MAX = 65_536;

/**
 * A letter that this process has claimed. After a renewal whose result is unknown it has one of two
 * names; each step tries both, so that what was sent is not sent again for want of an answer.
 */
export class SpoolClaim implements OutboundClaim {
  readonly envelope: OutboundEnvelope;
  readonly #tree: OutboundTree;
  #text: Buffer | undefined;
  /** Names that may be the claim's, the likely one first; none when it was settled or lost. */
  #names: readonly OutboundSpooled[];

  constructor(
    tree: OutboundTree,
    held: OutboundSpooled,
    envelope: OutboundEnvelope,
    text: Buffer | undefined,
  ) {
    this.#tree = tree;
    this.#text = text?.length === held.octets ? text : undefined;
    this.#names = [held];
    this.envelope = envelope;
  }

  get spool(): string {
    return this.#tree.volume.name;
  }

  now(): Promise<number> {
    return this.#tree.serverNow();
  }

  async renew(): Promise<boolean> {
    for (const held of this.#names) {
      const renewal = await this.#tree.renewal(held);
      try {
        if (!(await this.#tree.renew(held, renewal))) continue;
      } catch (error) {
        if (isUnknownStore(error)) this.#names = [...this.#names, renewal];
        throw error;
      }
      this.#names = [renewal];
      return true;
    }
    this.#names = [];
    return false;
  }

  async read(offset: number, length: number): Promise<Buffer | undefined> {
    const [held] = this.#names;
    if (held === undefined) return undefined;
    if (this.#text !== undefined) return this.#text.subarray(offset, offset + length);
    const found = await this.#tree.read(held, offset, length);
    const isWhole = offset === 0 && found?.length === held.octets;
    if (isWhole && held.octets <= KEPT_OCTETS_MAX) this.#text = found;
    return found;
  }

  settle(settlement: Settlement): Promise<boolean> {
    return this.#end((held) => {
      if (settlement.kind === 'done') return this.#tree.finish(held);
      if (settlement.kind === 'hold') return this.#tree.hold(held, settlement.reason);
      return this.#tree.postpone(held, this.envelope, settlement);
    });
  }

  async release(): Promise<void> {
    await this.#end((held) => this.#tree.release(held)).catch(() => {}); // The lease will be over.
  }

  async #end(step: (held: OutboundSpooled) => Promise<boolean>): Promise<boolean> {
    for (const held of this.#names) {
      if (!(await step(held))) continue;
      this.#names = [];
      return true;
    }
    this.#names = [];
    return false;
  }
}

const isUnknownStore = (error: unknown): boolean => error instanceof StoreError && isUnknown(error);
