/**
 * Records of one folder: those in memory, and the batches they come from and go to.
 *
 * A batch holds records of one block, which is so many UIDs in a row, and says in its name of
 * which: `<block>-<random>`. That says where to look and nothing else; what a record is of is said
 * by its key. So a list of fifty has one or two batches read, and a search through a folder goes
 * from one block to the next: those that it has left behind stay in memory only as far as there is
 * room, and what is not in memory lies in the drawer all the same. A folder may be of any size.
 */
import { traceId } from '../base/ids.ts';
import type { Random } from '../base/random.ts';
import type { Facts, FolderRef, Numbered } from '#maildir';
import { indexFrom } from './shared-folder.ts';
import { readBatch, writeBatch, type BatchRecord } from './summaries-batch.ts';
import type { Packed } from './summaries-record.ts';
import type { SummaryNeed } from './summary.ts';

/** UIDs of a block. */
const BLOCK = 512;
/** Fewer new records are not worth a file, unless they make a block whole. */
const WORTH_WRITING = 50;
/** More batches of one block than this are made one. */
const BATCHES_MAX = 4;
/** Records that are twice in the drawer, before its batches are made one. */
const DOUBLE_MAX = BLOCK / 2;
/** So few messages of a block are read rather than its batches. */
const FEW = 4;
/** Messages in a row lie in no more blocks; those of the last are asked for next. */
const ROW_BLOCKS_MAX = 3;
/** What a record takes in memory beside its octets. */
const RECORD_OCTETS = 250;

export const blockOf = ({ uid }: { readonly uid: number }): number => Math.floor(uid / BLOCK);

export interface DrawerParts {
  readonly ref: FolderRef;
  /** Where batches lie. */
  readonly drawer: string;
  readonly facts: Facts | undefined;
  readonly random: Random;
}

/** Messages of a folder, ascending, as far as this process knows. */
type Current = () => readonly Numbered[];

class Block {
  readonly number: number;
  readonly records = new Map<string, Packed>();
  /** Batches that are in memory, with their records; 0: torn. */
  readonly batches = new Map<string, number>();
  /** Keys of records that no batch has. */
  readonly pending = new Set<string>();
  /** Whether its batches were read, as far as they were known. */
  isRead = false;
  /** Messages that were asked for before that. */
  asked = 0;
  octets = 0;

  constructor(number: number) {
    this.number = number;
  }

  keep(key: string, packed: Packed): 'kept' | 'known' {
    const known = this.records.get(key);
    // One with the structure is worth more than one of the head alone.
    if (known && (known.restOctets > 0 || packed.restOctets === 0)) return 'known';
    this.octets += octetsOf(packed) - (known ? octetsOf(known) : 0);
    this.records.set(key, packed);
    return 'kept';
  }

  get isDouble(): boolean {
    const stored = this.batches.values().reduce((sum, count) => sum + Math.max(1, count), 0);
    return this.batches.size > BATCHES_MAX || stored > this.records.size + DOUBLE_MAX;
  }
}

const octetsOf = ({ headOctets, restOctets }: Packed): number =>
  headOctets + restOctets + RECORD_OCTETS;

export class SummaryDrawer {
  readonly #parts: DrawerParts;
  readonly #blocks = new Map<number, Block>();
  /** Names of batches by block, when somebody looked. */
  #names: Map<number, string[]> | undefined;
  #looking: Promise<void> | undefined;
  #isSwept = false;
  /** That records were added to last. */
  #last: Block | undefined;
  #octets = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: DrawerParts) {
    this.#parts = parts;
  }

  /** That it takes in memory, about. */
  get octets(): number {
    return this.#octets;
  }

  find({ uid, key }: Numbered, need: SummaryNeed): Packed | undefined {
    const packed = this.#blocks.get(blockOf({ uid }))?.records.get(key);
    return packed && (need === 'head' || packed.restOctets > 0) ? packed : undefined;
  }

  /** Has the batches in memory that these messages may be in. */
  async load(messages: readonly Numbered[], current: Current): Promise<void> {
    if (this.#parts.facts === undefined) return;
    const counts = countsOf(messages);
    const isRow = messages.length > FEW && counts.size <= ROW_BLOCKS_MAX;
    for (const [number, count] of counts) {
      const block = this.#block(number);
      if (block.isRead) continue;
      block.asked += count;
      if (isRow || block.asked > FEW) await this.#read(block, current);
    }
  }

  /** Has those that came since. @returns whether there were any */
  async loadNew(messages: readonly Numbered[], current: Current): Promise<boolean> {
    if (this.#parts.facts === undefined) return false;
    await this.#look();
    let came = false;
    for (const [number, count] of countsOf(messages)) {
      const block = this.#block(number);
      if (!block.isRead && count <= FEW) continue;
      if (await this.#read(block, current)) came = true;
    }
    return came;
  }

  /** Records that were found out just now. */
  add(records: readonly (readonly [message: Numbered, packed: Packed])[]): void {
    for (const [message, packed] of records) {
      const block = this.#block(blockOf(message));
      // Whoever reads a folder from end to end has left that one behind.
      if (this.#last !== block) this.#leave(this.#last);
      this.#last = block;
      const before = block.octets;
      // What may lie in a batch that was not read is not written again.
      const isNew = block.isRead || this.#names?.has(block.number) === false;
      if (block.keep(message.key, packed) === 'kept' && isNew) block.pending.add(message.key);
      this.#octets += block.octets - before;
    }
  }

  /** Writes what is worth it, in its own time; makes one batch of many. */
  flush(current: Current): void {
    if (this.#parts.facts === undefined) return;
    for (const block of this.#blocks.values()) {
      if (isWorthWriting(block, current)) this.#write(block);
      if (block.isDouble) this.#later(() => this.#compact(block, current()));
    }
    if (this.#names !== undefined && !this.#isSwept) {
      this.#isSwept = true;
      this.#later(() => this.#sweep(current()));
    }
  }

  settled(): Promise<void> {
    return this.#writing;
  }

  /** Forgets the oldest messages first until so much is left; not the blocks of `working`. */
  shrink(octetsMax: number, working: readonly Numbered[]): void {
    if (this.#octets <= octetsMax) return;
    const kept = countsOf(working);
    const oldest = [...this.#blocks.values()].sort((a, b) => a.number - b.number);
    for (const block of oldest) {
      if (this.#octets <= octetsMax) return;
      if (kept.has(block.number)) continue;
      this.#leave(block);
      this.#octets -= block.octets;
      this.#blocks.delete(block.number);
    }
  }

  #leave(block: Block | undefined): void {
    if (block && block.pending.size >= WORTH_WRITING) this.#write(block);
  }

  #block(number: number): Block {
    const known = this.#blocks.get(number);
    if (known) return known;
    const block = new Block(number);
    this.#blocks.set(number, block);
    return block;
  }

  /** Which batches there are. */
  async #look(): Promise<void> {
    this.#looking ??= this.#list().finally(() => (this.#looking = undefined));
    await this.#looking;
  }

  async #list(): Promise<void> {
    const { facts, ref, drawer } = this.#parts;
    const found = new Map<number, string[]>();
    for (const name of (await facts?.facts(ref, drawer).catch(() => [])) ?? []) {
      const number = Number.parseInt(name, 10);
      const names = found.get(number);
      if (names) names.push(name);
      else found.set(number, [name]);
    }
    this.#names = found;
  }

  /** Batches of a block that are not in memory yet. @returns whether there were any */
  async #read(block: Block, current: Current): Promise<boolean> {
    if (this.#names === undefined) await this.#look();
    const { facts, ref, drawer } = this.#parts;
    let came = false;
    for (const name of this.#names?.get(block.number) ?? []) {
      if (block.batches.has(name)) continue;
      const bytes = await facts?.readFact(ref, drawer, name).catch(() => undefined);
      // Compacted meanwhile, or not to be read now: it is asked for again.
      if (bytes === undefined || block.batches.has(name)) continue;
      this.#took(block, name, bytes, aliveIn(block, current()));
      came = true;
    }
    block.isRead = true;
    return came;
  }

  #took(block: Block, name: string, bytes: Uint8Array, alive: ReadonlySet<string>): void {
    const batch = readBatch(bytes);
    const before = block.octets;
    block.batches.set(name, batch?.size ?? 0);
    for (const [key, packed] of batch ?? []) if (alive.has(key)) block.keep(key, packed);
    // What was forgotten meanwhile is not counted.
    if (this.#blocks.get(block.number) === block) this.#octets += block.octets - before;
  }

  #write(block: Block): void {
    const keys = new Set(block.pending);
    block.pending.clear();
    this.#later(() => this.#put(block, keys));
  }

  #later(work: () => Promise<unknown>): void {
    this.#writing = this.#writing.then(work).then(() => {}, ignored);
  }

  async #put(block: Block, keys: ReadonlySet<string>): Promise<void> {
    const { facts, ref, drawer, random } = this.#parts;
    const records = [...keys].flatMap((key) => {
      const packed = block.records.get(key);
      return packed ? [recordOf(key, packed)] : [];
    });
    if (facts === undefined || records.length === 0) return;
    const name = `${block.number}-${traceId(random)}`;
    const bytes = writeBatch(records);
    await facts.putFact({ ref, drawer, name, bytes, durable: false });
    // From now on the records lie in one piece of memory, as they would after loading.
    const before = block.octets;
    block.batches.set(name, records.length);
    for (const [key, packed] of readBatch(bytes) ?? []) {
      const known = block.records.get(key);
      if (known && octetsOf(known) === octetsOf(packed)) block.records.set(key, packed);
    }
    if (this.#blocks.get(block.number) === block) this.#octets += block.octets - before;
  }

  /** One batch of many: what is in memory of them, and still a message. */
  async #compact(block: Block, current: readonly Numbered[]): Promise<void> {
    const { facts, ref, drawer } = this.#parts;
    if (facts === undefined || current.length === 0 || !block.isDouble) return;
    const names = [...block.batches.keys()];
    const alive = aliveIn(block, current);
    block.pending.clear();
    await this.#put(block, new Set(block.records.keys().filter((key) => alive.has(key))));
    for (const name of names) {
      await facts.removeFact(ref, drawer, name);
      block.batches.delete(name);
    }
  }

  /** Batches of blocks that have no message any more. */
  async #sweep(current: readonly Numbered[]): Promise<void> {
    const { facts, ref, drawer } = this.#parts;
    if (facts === undefined || current.length === 0) return;
    for (const [number, names] of this.#names ?? []) {
      if (rangeOf(number, current).length > 0) continue;
      for (const name of names) await facts.removeFact(ref, drawer, name);
    }
  }
}

function countsOf(messages: readonly Numbered[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const message of messages) {
    const number = blockOf(message);
    counts.set(number, (counts.get(number) ?? 0) + 1);
  }
  return counts;
}

const rangeOf = (number: number, current: readonly Numbered[]): readonly Numbered[] =>
  current.slice(indexFrom(current, number * BLOCK), indexFrom(current, (number + 1) * BLOCK));

const aliveIn = ({ number }: Block, current: readonly Numbered[]): ReadonlySet<string> =>
  new Set(rangeOf(number, current).map(({ key }) => key));

function isWorthWriting({ number, pending, records }: Block, current: Current): boolean {
  if (pending.size === 0 || pending.size >= WORTH_WRITING) return pending.size > 0;
  const messages = current();
  const last = messages.at(-1);
  if (last === undefined || blockOf(last) === number) return false;
  return rangeOf(number, messages).every(({ key }) => records.has(key));
}

const recordOf = (key: string, { bytes, at, headOctets, restOctets }: Packed): BatchRecord => ({
  key,
  head: bytes.subarray(at, at + headOctets),
  rest:
    restOctets === 0 ? undefined : bytes.subarray(at + headOctets, at + headOctets + restOctets),
});

/** Batches save time; what cannot be written now is found out again. */
const ignored = (): void => {};
