import type { Random } from '../base/random.ts';
import { traceId } from '../base/ids.ts';
import type { Facts, FolderRef, Numbered } from '#maildir';
import { readBatch, writeBatch, type BatchRecord } from './summaries-batch.ts';
import type { Packed } from './summaries-record.ts';
import type { SummaryNeed } from './summary.ts';

/** Fewer new records are not worth a file: they are found out again. */
const WORTH_WRITING = 50;
/** Records of one batch. */
const BATCH_RECORDS_MAX = 10_000;
/** More batches than this are made one, but for those that are large already. */
const BATCHES_MAX = 8;
const LARGE_OCTETS = 4 * 1024 * 1024;
/** What a record takes in memory beside its octets. */
const RECORD_OCTETS = 250;

export interface DrawerParts {
  readonly ref: FolderRef;
  /** Where batches lie. */
  readonly drawer: string;
  readonly facts: Facts | undefined;
  readonly random: Random;
  /** Of one folder; what is over it is not kept in memory. */
  readonly octetsMax: number;
}

interface Batch {
  readonly octets: number;
  readonly keys: readonly string[];
}

/** The records of one folder: those in memory, and the batches they come from and go to. */
export class SummaryDrawer {
  readonly #parts: DrawerParts;
  readonly #records = new Map<string, Packed>();
  /** Batches by name; undefined: torn. */
  readonly #batches = new Map<string, Batch | undefined>();
  /** Records that no batch has. */
  #pending = new Map<string, Packed>();
  #octets = 0;
  /** There was more than there is room for, so what is in memory is not all that batches hold. */
  #isPartial = false;
  #loading: Promise<boolean> | undefined;
  #loaded = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: DrawerParts) {
    this.#parts = parts;
  }

  /** That it takes in memory, about. */
  get octets(): number {
    return this.#octets;
  }

  find(key: string, need: SummaryNeed): Packed | undefined {
    const packed = this.#records.get(key);
    return packed && (need === 'head' || packed.restOctets > 0) ? packed : undefined;
  }

  /** Reads the batches there are, once. */
  async load(): Promise<void> {
    if (!this.#loaded) await this.loadNew();
  }

  /** Reads the batches that came since. @returns whether there were any */
  loadNew(): Promise<boolean> {
    this.#loading ??= this.#load().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  /** Records that were found out just now. */
  add(records: readonly (readonly [key: string, packed: Packed])[]): void {
    for (const [key, packed] of records) {
      this.#keep(key, packed);
      // What there is no room for may lie in a batch already: writing it again would never end.
      if (this.#parts.facts && !this.#isPartial) this.#pending.set(key, packed);
    }
    if (this.#pending.size >= BATCH_RECORDS_MAX) this.flush();
  }

  /** Writes what is worth it, in its own time; compacts when `current` says what is there. */
  flush(current?: () => readonly Numbered[]): void {
    if (this.#pending.size >= WORTH_WRITING) {
      const pending = this.#pending;
      this.#pending = new Map();
      this.#writing = this.#writing.then(() => this.#write(pending)).catch(ignored);
    }
    if (current === undefined || this.#small().length <= BATCHES_MAX) return;
    this.#writing = this.#writing.then(() => this.#compact(current())).catch(ignored);
  }

  settled(): Promise<void> {
    return this.#writing;
  }

  #keep(key: string, packed: Packed): void {
    const known = this.#records.get(key);
    // One with the structure is worth more than one of the head alone.
    if (known && known.restOctets > 0 && packed.restOctets === 0) return;
    const octets = packed.headOctets + packed.restOctets + RECORD_OCTETS;
    if (this.#octets + octets > this.#parts.octetsMax) {
      this.#isPartial = true;
      return;
    }
    this.#octets += octets;
    if (known) this.#octets -= known.headOctets + known.restOctets + RECORD_OCTETS;
    this.#records.set(key, packed);
  }

  async #load(): Promise<boolean> {
    const { facts, ref, drawer } = this.#parts;
    this.#loaded = true;
    if (facts === undefined) return false;
    const names = await facts.facts(ref, drawer).catch(() => []);
    let came = false;
    for (const name of names) {
      if (this.#batches.has(name)) continue;
      const bytes = await facts.readFact(ref, drawer, name).catch(() => undefined);
      // Compacted meanwhile, or not to be read now: it is asked for again.
      if (bytes === undefined) continue;
      this.#took(name, bytes);
      came = true;
    }
    return came;
  }

  #took(name: string, bytes: Uint8Array): void {
    const batch = readBatch(bytes);
    this.#batches.set(name, batch && { octets: bytes.length, keys: [...batch.keys()] });
    if (batch) for (const [key, packed] of batch) this.#keep(key, packed);
  }

  async #write(records: ReadonlyMap<string, Packed>): Promise<void> {
    await this.#put(Array.from(records, ([key, packed]) => recordOf(key, packed)));
  }

  async #put(records: readonly BatchRecord[]): Promise<void> {
    const { facts, ref, drawer, random } = this.#parts;
    if (facts === undefined || records.length === 0) return;
    const name = traceId(random);
    const bytes = writeBatch(records);
    await facts.putFact({ ref, drawer, name, bytes, durable: false });
    // From now on the records lie in one piece of memory, as they would after loading.
    this.#took(name, bytes);
  }

  /** Names of batches that are not large, torn ones among them. */
  #small(): readonly string[] {
    const small: string[] = [];
    for (const [name, batch] of this.#batches) {
      if (batch === undefined || batch.octets < LARGE_OCTETS) small.push(name);
    }
    return small;
  }

  /** One batch of many: what is in memory of them, and still a message. */
  async #compact(current: readonly Numbered[]): Promise<void> {
    const { facts, ref, drawer } = this.#parts;
    const names = this.#small();
    if (facts === undefined || current.length === 0 || names.length <= BATCHES_MAX) return;
    if (this.#isPartial) return; // What is merged comes from memory.
    const alive = new Set(current.map(({ key }) => key));
    const merged = new Map<string, BatchRecord>();
    for (const name of names) {
      for (const key of this.#batches.get(name)?.keys ?? []) {
        const packed = alive.has(key) ? this.#records.get(key) : undefined;
        if (packed) merged.set(key, recordOf(key, packed));
      }
    }
    await this.#put([...merged.values()]);
    for (const name of names) {
      await facts.removeFact(ref, drawer, name);
      this.#batches.delete(name);
    }
    this.#forgetDead(alive);
  }

  #forgetDead(alive: ReadonlySet<string>): void {
    for (const [key, packed] of this.#records) {
      if (alive.has(key)) continue;
      this.#records.delete(key);
      this.#octets -= packed.headOctets + packed.restOctets + RECORD_OCTETS;
    }
  }
}

const recordOf = (key: string, { bytes, at, headOctets, restOctets }: Packed): BatchRecord => ({
  key,
  head: bytes.subarray(at, at + headOctets),
  rest:
    restOctets === 0 ? undefined : bytes.subarray(at + headOctets, at + headOctets + restOctets),
});

/** Batches save time; what cannot be written now is found out again. */
const ignored = (): void => {};
