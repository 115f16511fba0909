import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { VolumeTable } from '../volumes/table.ts';
import type { SpoolOptions } from './options.ts';
import type { OutboundClaim, OutboundDraft, OutboundSpools } from './outbound.ts';

export interface OutboundSpoolsParts {
  readonly table: Pick<VolumeTable, 'volumes'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly node: string;
  /** The defaults where nothing is said. */
  readonly options?: SpoolOptions | undefined;
}

/** Outbound mail on the spool volumes of the table. Has nothing that would have to be closed. */
export const openOutboundSpools = (parts: OutboundSpoolsParts): OutboundSpools =>
  new OutboundSpoolsOnVolumes(parts);

class OutboundSpoolsOnVolumes implements OutboundSpools {
  readonly #parts: OutboundSpoolsParts;

  constructor(parts: OutboundSpoolsParts) {
    this.#parts = parts;
  }

  open(): OutboundDraft {
    throw new Error(`not yet, ${this.#parts.node}`);
  }

  async requireRoom(): Promise<void> {}

  async take(): Promise<readonly OutboundClaim[]> {
    return [];
  }

  onCommitted(): void {}

  async wake(): Promise<number> {
    return 0;
  }
}
