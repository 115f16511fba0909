import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { VolumeTable } from '../volumes/table.ts';
import type { Volume } from '../volumes/volume.ts';
import { SpoolTree } from './tree.ts';

export interface SpoolsParts {
  readonly table: Pick<VolumeTable, 'volumes'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly node: string;
  /** Name below `spool/`: parked mail where none is given. */
  readonly tree?: string | undefined;
}

/**
 * The tree of mail that is parked, or held, on each spool volume of the table, as they come and go.
 */
export class Spools {
  readonly #parts: SpoolsParts;
  readonly #trees = new Map<Volume, SpoolTree>();

  constructor(parts: SpoolsParts) {
    this.#parts = parts;
  }

  /** Of all spool volumes, up or not. */
  get all(): readonly SpoolTree[] {
    const { table, tree = 'parked', ...parts } = this.#parts;
    const volumes = table.volumes.filter(({ entry }) => entry.use === 'spool');
    for (const volume of this.#trees.keys()) {
      if (!volumes.includes(volume)) this.#trees.delete(volume);
    }
    return volumes.map((volume) => {
      const known = this.#trees.get(volume) ?? new SpoolTree({ ...parts, volume, tree });
      this.#trees.set(volume, known);
      return known;
    });
  }

  get up(): readonly SpoolTree[] {
    return this.all.filter(({ volume }) => volume.up && volume.entry.state !== 'offline');
  }

  /** Where a letter of so many octets can be parked, the roomiest first. */
  withRoom(octets: number): readonly SpoolTree[] {
    return this.up
      .filter(({ volume }) => volume.entry.state === 'active' && volume.fits(octets))
      .toSorted((a, b) => (b.volume.space?.freeBytes ?? 0) - (a.volume.space?.freeBytes ?? 0));
  }
}
