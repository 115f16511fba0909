import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { silentLogger } from '../log/types.ts';
import type { Envelope } from '../spool/envelope.ts';
import { isId } from '../spool/names.ts';
import { Spools } from '../spool/spools.ts';
import type { SpoolTree, Spooled } from '../spool/tree.ts';
import { StoreError } from '../volumes/error.ts';
import { openVolumes } from '../volumes/open.ts';
import type { VolumeEntry } from '../volumes/types.ts';
import { APPROVED, MODERATION_TREE } from './moderation.ts';

/** A letter to a moderated list. */
export interface HeldLetter extends Spooled {
  readonly spool: string;
  /** Undefined where it cannot be read (any more). */
  readonly envelope: Envelope | undefined;
}

/** Letters that wait for a moderator, for people: by the same renames as moderation.ts. */
export class HeldLetters {
  readonly #spools: Spools;
  readonly #ready: Promise<unknown>;
  readonly #close: () => void;

  constructor(parts: {
    readonly entries: readonly VolumeEntry[];
    readonly clock: Clock;
    readonly random: Random;
  }) {
    const { entries, clock, random } = parts;
    const directory = {
      volumes: () => Promise.resolve(entries.filter(({ use }) => use === 'spool')),
      assignVolume: () => Promise.reject(new Error('Nobody is placed here')),
      volumeByRule: () => Promise.resolve(undefined),
      storedVolume: () => Promise.resolve(undefined),
    };
    const common = { clock, random, node: 'command' };
    const volumes = openVolumes({ ...common, directory, log: silentLogger });
    this.#spools = new Spools({ ...common, table: volumes.table, tree: MODERATION_TREE });
    this.#ready = volumes.table.loaded();
    this.#close = () => volumes.close();
  }

  /** Those that nobody has decided over, of one list or of all. @throws StoreError */
  async list(address?: string): Promise<readonly HeldLetter[]> {
    const found: HeldLetter[] = [];
    for await (const { tree, letter } of this.#all()) {
      const envelope = await tree.envelope(letter);
      if (address !== undefined && envelope?.address !== address.toLowerCase()) continue;
      found.push({ ...letter, spool: tree.volume.name, envelope });
    }
    return found;
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

  /** The next process that looks sends it to the members. @throws StoreError */
  async approve(id: string): Promise<void> {
    const { tree, letter } = await this.#find(id);
    const claim = await tree.claim(letter);
    if (claim === undefined || !(await tree.fail(claim, APPROVED))) throw gone(id);
  }

  /** It is removed, and nobody is told. @throws StoreError */
  async reject(id: string): Promise<void> {
    const { tree, letter } = await this.#find(id);
    const claim = await tree.claim(letter);
    if (claim === undefined || !(await tree.finish(claim))) throw gone(id);
  }

  close(): void {
    this.#close();
  }

  async #find(id: string): Promise<{ readonly tree: SpoolTree; readonly letter: Spooled }> {
    if (isId(id)) {
      for await (const found of this.#all()) if (found.letter.id === id) return found;
    }
    throw gone(id);
  }

  async *#all(): AsyncGenerator<{ readonly tree: SpoolTree; readonly letter: Spooled }> {
    await this.#ready;
    for (const tree of this.#spools.all) {
      await tree.volume.ready();
      for (const lane of await tree.lanes()) {
        for (const bucket of await tree.buckets('waiting', lane)) {
          for (const letter of await tree.list('waiting', lane, bucket)) yield { tree, letter };
        }
      }
    }
  }
}

const gone = (id: string): StoreError =>
  new StoreError('message-gone', `No letter ${id.slice(0, 100)} waits for a moderator (any more)`);
