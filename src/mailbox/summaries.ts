/**
 * Summaries of messages: read once, kept for all.
 *
 * What a message says never changes, so what is known of it is true for ever, whoever found it out
 * and whenever. Summaries lie in the drawer `summaries2` of each folder, many in a file (a batch,
 * `summaries-drawer.ts`): a batch is written whole under a random name and never changed.
 *
 * Invariant: a record of key K says what the file of key K says. Nothing else is promised: that
 * there is a record, that there is one only, or that its message is still there.
 *
 * The races, and why none of them matters:
 * - Two nodes read the same messages at once: two batches hold the same records. They are equal.
 * - A node lists the drawer while another compacts it: names are gone when it reads them (ENOENT).
 *   What they held is missing, and read again from the messages.
 * - Two nodes compact at once: both write what they merged and remove what they read; a batch that
 *   one of them never read is never removed by it. The next compaction makes one of the two.
 * - A node compacts with a view of the folder that is old: records of messages that it does not
 *   know are dropped with those of messages that are gone. Time is lost, nothing else.
 * - A crash leaves a torn batch: its checksum says so, it counts as empty, compaction removes it.
 * - The volume is full, or the drawer cannot be read: no batch is written or found, and nobody who
 *   asks for summaries hears of it. Trouble with a message itself is told.
 * - A batch of one folder under another's name (a copied folder): keys are those of files, and
 *   they say the same there.
 *
 * Rejected: one file that grows, with a lock or without (torn tails, and a lock); a file for each
 * message (50,000 opens for a list); summaries in the journal (what may be lost beside what may
 * not); keys by UID (a new UIDVALIDITY would make other messages of them).
 */
import { setImmediate } from 'node:timers/promises';
import type { Random } from '../base/random.ts';
import { MessageParser, parseHead } from '../message/mime/parse.ts';
import type { Facts, FolderRef, Numbered } from '#maildir';
import { OneByOne } from './one-by-one.ts';
import { inParallel } from './summaries-parallel.ts';
import { PackedSummary, packHead, packRest, type Packed } from './summaries-record.ts';
import type { SummaryDrawer } from './summaries-drawer.ts';
import { Drawers } from './summaries-drawers.ts';
import type { HeadSummary, Summary, SummaryNeed } from './summary.ts';
import { lineEndsOf } from './wire.ts';

/** Messages of a folder, as whoever reads them needs them. */
export interface MessageSource {
  readonly ref: FolderRef;
  /** Undefined: nothing is kept but in memory. */
  readonly facts: Facts | undefined;
  /** All messages of the folder, as far as this process knows. */
  current(): readonly Numbered[];
  /**
   * Stored octets from `offset`, fewer than `length` only at the end. They may lie in `into`, which
   * nobody uses again after a failure. Undefined: the message is gone.
   */
  read(
    message: Numbered,
    piece: { readonly offset: number; readonly length: number; readonly into: Uint8Array },
  ): Promise<Piece | undefined>;
  /** Where the begins of many messages may be had in one go. */
  readonly begins?: Begins;
}

/** The begins of many messages in one go. */
export interface Begins {
  /** Whether so many cost less than as many readings. Asks nothing. */
  ready(messages: number): boolean;
  /** At most `length` octets of each. Undefined: it is gone. @throws StoreError */
  read(
    messages: readonly Numbered[],
    piece: { readonly length: number; readonly into: Uint8Array },
  ): Promise<readonly (Piece | undefined)[]>;
}

/** Stored octets; `end`: they are the last. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly end: boolean;
}

/** Messages looked at together; between them the process does other work. */
const CHUNK = 256;
/** Most headers of mail end before this. */
const HEAD_READ_OCTETS = 8192;
/** Of a longer header only what is before this is looked at for a head. */
const HEAD_OCTETS_MAX = 1024 * 1024;
const PIECE_OCTETS = 128 * 1024;
const PARALLEL = { head: 16, all: 4 };
/** Messages read in one go, and what of each: most are smaller, and need no more. */
const TOGETHER = 64;
const TOGETHER_OCTETS = { head: HEAD_READ_OCTETS, all: 16_384 };
/** So few are read from the messages rather than looked for in new batches of others. */
const FEW = 4;

/** The summaries that a process keeps, of all folders, within a bound. */
export class Summaries {
  readonly #drawers: Drawers;

  constructor(parts: { readonly random: Random; readonly octetsMax: number }) {
    this.#drawers = new Drawers({ drawer: 'summaries2', ...parts });
  }

  /** One for each message, in order; undefined: it is gone. @throws StoreError */
  of(
    source: MessageSource,
    messages: readonly Numbered[],
    need: SummaryNeed,
  ): AsyncIterableIterator<Summary | undefined> {
    return new OneByOne(this.lists(source, messages, need));
  }

  /** The same, some at a time. */
  async *lists(
    source: MessageSource,
    messages: readonly Numbered[],
    need: SummaryNeed,
  ): AsyncGenerator<readonly (Summary | undefined)[]> {
    const drawer = this.#drawers.of(source);
    const current = (): readonly Numbered[] => source.current();
    try {
      for (let start = 0; start < messages.length; start += CHUNK) {
        const chunk = messages.slice(start, start + CHUNK);
        await drawer.load(chunk, current);
        const found = chunk.map((message) => drawer.find(message, need));
        this.#drawers.bound(drawer, chunk);
        if (found.includes(undefined)) yield await this.#read(source, drawer, chunk, need);
        else {
          await setImmediate();
          yield found.map((packed) => packed && new PackedSummary(packed));
        }
      }
    } finally {
      drawer.flush(current);
      this.#drawers.bound(drawer);
    }
  }

  /** Of messages that are not all known. */
  async #read(
    source: MessageSource,
    drawer: SummaryDrawer,
    chunk: readonly Numbered[],
    need: SummaryNeed,
  ): Promise<readonly (Summary | undefined)[]> {
    const missing = await this.#missing(source, drawer, chunk, need);
    const fresh = missing.length > 0 ? await readAll(source, missing, need) : undefined;
    if (fresh) {
      drawer.add(Array.from(fresh, ([message, { packed }]) => [message, packed]));
    } else await setImmediate();
    return chunk.map((message) => {
      const packed = drawer.find(message, need);
      return fresh?.get(message)?.summary ?? (packed && new PackedSummary(packed));
    });
  }

  /** What they take in memory, about. */
  get octets(): number {
    return this.#drawers.octets;
  }

  /** When all that was found out has been written, or was given up. */
  settled(): Promise<void> {
    return this.#drawers.settled();
  }

  async #missing(
    source: MessageSource,
    drawer: SummaryDrawer,
    chunk: readonly Numbered[],
    need: SummaryNeed,
  ): Promise<readonly Numbered[]> {
    const missing = (): Numbered[] => chunk.filter((message) => !drawer.find(message, need));
    const first = missing();
    if (first.length <= FEW) return first;
    // Somebody else may have read them since.
    return (await drawer.loadNew(first, () => source.current())) ? missing() : first;
  }
}

interface Fresh {
  /** With a head alone where no more is needed: what is not asked for is not there. */
  readonly summary: Summary;
  readonly packed: Packed;
}

/** Those that are not gone. */
async function readAll(
  source: MessageSource,
  messages: readonly Numbered[],
  need: SummaryNeed,
): Promise<ReadonlyMap<Numbered, Fresh>> {
  const found = new Map<Numbered, Fresh>();
  const read = need === 'head' ? readHead : readWhole;
  const length = need === 'head' ? HEAD_READ_OCTETS : PIECE_OCTETS;
  if (source.begins?.ready(messages.length)) {
    const into = Buffer.allocUnsafe(length);
    const all = begins(source.begins, messages, TOGETHER_OCTETS[need]);
    for await (const [message, piece] of all) {
      const fresh = piece && (await read(source, message, into, piece));
      if (fresh) found.set(message, fresh);
    }
    return found;
  }
  await inParallel(messages, PARALLEL[need], () => {
    const into = Buffer.allocUnsafe(length);
    return async (message) => {
      const fresh = await read(source, message, into, undefined);
      if (fresh) found.set(message, fresh);
    };
  });
  return found;
}

/** The begin of each, some read in one go while those before are looked at. */
async function* begins(
  source: Begins,
  messages: readonly Numbered[],
  length: number,
): AsyncGenerator<readonly [Numbered, Piece | undefined]> {
  const buffers = [0, 1].map(() => Buffer.allocUnsafe(TOGETHER * length));
  const ask = (from: number): Promise<readonly (Piece | undefined)[]> => {
    const into = buffers[(from / TOGETHER) & 1] as Buffer;
    const pieces = source.read(messages.slice(from, from + TOGETHER), { length, into });
    pieces.catch(() => {}); // Of those that nobody waits for any more.
    return pieces;
  };
  let next = ask(0);
  for (let from = 0; from < messages.length; from += TOGETHER) {
    const pieces = await next;
    if (from + TOGETHER < messages.length) next = ask(from + TOGETHER);
    for (const [index, piece] of pieces.entries()) {
      yield [messages[from + index] as Numbered, piece];
    }
  }
}

/** @param first the message's begin, where that was read already */
async function readHead(
  source: MessageSource,
  message: Numbered,
  into: Buffer,
  first: Piece | undefined,
): Promise<Fresh | undefined> {
  const lineEnds = lineEndsOf(message.entry.name);
  let buffer = into;
  let known = first;
  for (;;) {
    const length = known === undefined ? buffer.length : known.bytes.length;
    const piece = known ?? (await source.read(message, { offset: 0, length, into: buffer }));
    known = undefined;
    if (piece === undefined) return undefined;
    const all = piece.end || length >= HEAD_OCTETS_MAX ? 'all' : 'start';
    const head = parseHead(piece.bytes, lineEnds, all);
    if (head) return packedHead(head);
    buffer = Buffer.allocUnsafe(length * 8);
  }
}

/** @param first the message's begin, where that was read already */
async function readWhole(
  source: MessageSource,
  message: Numbered,
  into: Buffer,
  first: Piece | undefined,
): Promise<Fresh | undefined> {
  const parser = new MessageParser(lineEndsOf(message.entry.name));
  let known = first;
  for (let offset = 0; ;) {
    const piece = known ?? (await source.read(message, { offset, length: into.length, into }));
    known = undefined;
    if (piece === undefined) return undefined;
    parser.push(piece.bytes);
    offset += piece.bytes.length;
    if (piece.end || piece.bytes.length === 0) return packedWhole(parser.end());
  }
}

function packedHead(head: HeadSummary): Fresh {
  const bytes = packHead(head);
  const packed = { bytes, at: 0, headOctets: bytes.length, restOctets: 0 };
  return { summary: head as Summary, packed };
}

function packedWhole(summary: Summary): Fresh {
  const head = packHead(summary);
  const rest = packRest(summary);
  const bytes = Buffer.concat([head, rest]);
  const packed = { bytes, at: 0, headOctets: head.length, restOctets: rest.length };
  return { summary, packed };
}
