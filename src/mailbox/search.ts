/**
 * Searches: what a query says of the messages of a folder, at a bounded cost.
 *
 * Messages are decided in steps, each dearer than the one before and only for those that the
 * steps before left open: flags, UIDs and sizes in names; heads, from summaries; headers, read;
 * whole messages, read and decoded. Before the last step signatures (search-signature.ts) say of
 * most messages that a text is not in them; whoever reads a message for a search keeps its
 * signature in batches of the drawer `signatures2`, which are as harmless to lose, to double and to
 * tear as those of summaries (summaries.ts): the key of a message stands for its bytes. A signature
 * that says yes decides nothing. In memory are those of the blocks of UIDs that are searched just
 * now, and of others as far as there is room: a folder of any size has all of its own. Answers are
 * those of the state given: a message that another session removes meanwhile is left out, one that
 * comes meanwhile is not in the state.
 *
 * A search that needs to read more than `mailbox.search.octets.max`, or takes longer than
 * `mailbox.search.time.max`, ends as 'too-costly': part of an answer would look like all of it.
 *
 * Who can say that it is a part (JMAP) searches `newest` first, a stretch of the folder after the
 * other until time is up. Then what is left goes on being read, for nobody, within the same limits
 * and one folder of the process at a time, in blocks by chance: so two nodes that were asked in
 * turn do not read the same. That who asks again is told some day that all was searched needs two
 * things:
 *  - on this node, that what was decided is remembered (search-answers.ts): each search decides
 *    some more, even where nothing can be written;
 *  - on another, that signatures and heads are written as they are found out, block by block, and
 *    looked for before a block is read.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { FolderState, Numbered } from '#maildir';
import { nameOctets, nameWireOctets } from '#maildir';
import { MailError } from './mail.ts';
import type { Query } from './query.ts';
import { evaluate, foldedText, isSummaryField, type Knowledge } from './search-evaluate.ts';
import { AllAnswers, type Answers } from './search-answers.ts';
import { readFields, readTexts, type ReadBudget } from './search-read.ts';
import { GroupCollector, mayContain } from './search-signature.ts';
import { searchedHeader } from './search-text.ts';
import { blockOf, type SummaryDrawer } from './summaries-drawer.ts';
import { Drawers } from './summaries-drawers.ts';
import { inParallel } from './summaries-parallel.ts';
import type { Packed } from './summaries-record.ts';
import type { MessageSource, Summaries } from './summaries.ts';

export interface SearchSource extends MessageSource {
  /** Of one message in wire form. */
  octets(message: Knowledge['message']): number | Promise<number>;
  /** INTERNALDATE. */
  date(message: Knowledge['message']): number | Promise<number>;
}

export interface SearchParts {
  readonly summaries: Summaries;
  readonly clock: Clock;
  readonly random: Random;
  /** Memory for signatures. */
  readonly octetsMax: number;
  readonly limits: { readonly octets: number; readonly ms: number };
}

/** Part of a folder that was searched; the first ends with its newest message. */
export interface Stretch {
  /** UIDs that match, ascending. */
  readonly uids: readonly number[];
  /** So many of the folder's messages, all older, are left to be searched. */
  readonly left: number;
}

/** Messages of the first stretch, and of the longest. */
const STRETCH_MIN = 256;
const STRETCH_MAX = 2048;
/** Keys, each looked at for one message, between two looks at the clock: some milliseconds. */
const KEYS_AT_ONCE = 4000;
/** What decoding a part costs in keys, its text aside. */
const PART_KEYS = 100;
const PARALLEL = 4;
/** Signatures of so many messages of a block are worth looking for those of others. */
const MANY = 10;
/** So much of the memory for signatures is for answers. */
const ANSWERS_SHARE = 1 / 8;

/**
 * The searches of a process, of all folders. The number in the drawer's name goes up whenever
 * something else of a message is searched than before.
 */
export class Searches {
  readonly #parts: SearchParts;
  readonly #drawers: Drawers;
  readonly #answers: AllAnswers;
  #isGoingOn = false;

  constructor(parts: SearchParts) {
    this.#parts = parts;
    const { random, octetsMax } = parts;
    const forAnswers = octetsMax * ANSWERS_SHARE;
    const drawer = 'signatures2';
    this.#drawers = new Drawers({ drawer, random, octetsMax: octetsMax - forAnswers });
    this.#answers = new AllAnswers(forAnswers);
  }

  /** That signatures and answers take in memory, about. */
  get octets(): number {
    return this.#drawers.octets + this.#answers.octets;
  }

  /** UIDs that match, ascending. @throws MailError 'too-costly', StoreError */
  async run(source: SearchSource, query: Query, state: FolderState): Promise<readonly number[]> {
    return await this.#search(source, query, state, Infinity).run(state.messages);
  }

  /**
   * The newest messages first. Ends early, with messages left, when it is `until`, in milliseconds
   * of the clock. @throws StoreError
   */
  async *newest(
    source: SearchSource,
    query: Query,
    state: FolderState,
    until: number,
  ): AsyncGenerator<Stretch> {
    const search = this.#search(source, query, state, until);
    let left = state.messages.length;
    for await (const stretch of this.#stretches(search, state.messages)) {
      ({ left } = stretch);
      yield stretch;
    }
    if (left > 0) this.#goOn(this.#search(source, query, state, Infinity), state.messages, left);
  }

  async *#stretches(search: Search, messages: readonly Numbered[]): AsyncGenerator<Stretch> {
    let length = search.isCheap ? messages.length : STRETCH_MIN;
    let left = messages.length;
    do {
      const from = Math.max(0, left - length);
      if (left > 0 && search.isOver && !search.isCheap) return;
      try {
        yield { uids: await search.run(messages.slice(from, left)), left: from };
      } catch (error) {
        if (error instanceof MailError && error.kind === 'too-costly') return;
        throw error;
      }
      left = from;
      length = Math.min(2 * length, Math.max(length, STRETCH_MAX));
    } while (left > 0);
  }

  /** Finds out what the rest of a folder says; trouble is told to whoever searches next. */
  #goOn(search: Search, messages: readonly Numbered[], left: number): void {
    if (this.#isGoingOn) return;
    this.#isGoingOn = true;
    const blocks = inBlocks(messages.slice(0, left), (one) => one);
    const work = async (): Promise<void> => {
      while (blocks.length > 0 && !search.isOver) {
        await search.run(takeAny(blocks, this.#parts.random));
        await setImmediate();
      }
    };
    void work()
      .catch(() => {})
      .finally(() => (this.#isGoingOn = false));
  }

  #search(source: SearchSource, query: Query, state: FolderState, until: number): Search {
    const folder = `${source.ref.maildir}\0${source.ref.folder}\0${state.journalId}`;
    const answers = new Map<Query, Answers>();
    for (const part of partsOf(query)) {
      if ('text' in part) answers.set(part, this.#answers.of(folder, part));
    }
    this.#answers.bound();
    return new Search({ ...this.#parts, source, query, answers, drawers: this.#drawers, until });
  }

  /** When all signatures have been written, or were given up. */
  settled(): Promise<void> {
    return this.#drawers.settled();
  }
}

interface Asked extends SearchParts {
  readonly source: SearchSource;
  readonly query: Query;
  readonly answers: ReadonlyMap<Query, Answers>;
  readonly drawers: Drawers;
  /** The limit of time holds all the same. */
  readonly until: number;
}

class Search implements ReadBudget {
  readonly #parts: SearchParts;
  readonly #source: SearchSource;
  readonly #query: Query;
  readonly #answers: ReadonlyMap<Query, Answers>;
  readonly #drawers: Drawers;
  readonly #signatures: SummaryDrawer;
  readonly #needs: Needs;
  readonly #until: number;
  #found: number[] = [];
  #octetsLeft: number;
  #keys = 0; // Looked at since others had their turn.

  constructor({ source, query, answers, drawers, until, ...parts }: Asked) {
    this.#parts = parts;
    this.#source = source;
    this.#query = query;
    this.#answers = answers;
    this.#drawers = drawers;
    this.#signatures = drawers.of(source);
    this.#needs = needsOf(query);
    this.#until = Math.min(until, parts.clock.now() + parts.limits.ms);
    this.#octetsLeft = parts.limits.octets;
  }

  /** Whether nothing but names and flags is looked at. */
  get isCheap(): boolean {
    const { head, facts, fields, texts } = this.#needs;
    return !head && !facts && !fields && texts.length === 0;
  }

  get isOver(): boolean {
    return this.#parts.clock.now() >= this.#until;
  }

  /** UIDs that match, ascending. The limits are for all that one search runs over. */
  async run(messages: readonly Numbered[]): Promise<readonly number[]> {
    this.#found = [];
    let open = await this.#byState(messages);
    if (this.#needs.head && open.length > 0) open = await this.#byHead(open);
    if (this.#needs.facts && open.length > 0) open = await this.#byFacts(open);
    const { head, fields } = this.#needs;
    if ((head || fields) && open.length > 0) open = await this.#byFields(open);
    if (this.#needs.texts.length > 0 && open.length > 0) await this.#byText(open);
    return this.#found.sort((a, b) => a - b);
  }

  /** Octets that are read from now on. @throws MailError */
  spend(octets: number): void {
    this.#octetsLeft -= octets;
    if (this.#octetsLeft < 0) throw tooCostly('it would have to read too much mail');
    this.#inTime();
  }

  #inTime(): void {
    if (this.#parts.clock.now() > this.#until) throw tooCostly('it took too long');
  }

  /** After many looks others have their turn. @throws MailError */
  async #pause(): Promise<void> {
    this.#keys = 0;
    this.#inTime();
    await setImmediate();
  }

  /** @returns whether it is still open */
  #isOpen(known: Knowledge): boolean {
    this.#keys += this.#needs.keys;
    const answer = evaluate(this.#query, known);
    if (answer === true) this.#found.push(known.message.uid);
    return answer === undefined;
  }

  async #byState(messages: readonly Numbered[]): Promise<Knowledge[]> {
    const open: Knowledge[] = [];
    for (const message of messages) {
      const known: Knowledge = {
        message,
        octets: nameWireOctets(message.entry.name),
        date: undefined,
        head: undefined,
        fields: undefined,
        inBody: undefined,
        inHeader: undefined,
        answers: this.#answers,
      };
      if (this.#isOpen(known)) open.push(known);
      if (this.#keys >= KEYS_AT_ONCE) await this.#pause();
    }
    return open;
  }

  async #byHead(open: readonly Knowledge[]): Promise<Knowledge[]> {
    const left: Knowledge[] = [];
    const messages = open.map(({ message }) => message);
    let at = 0;
    for await (const head of this.#parts.summaries.of(this.#source, messages, 'head')) {
      const known = open[at++] as Knowledge;
      if (this.#keys >= KEYS_AT_ONCE) await this.#pause();
      if (head === undefined) continue; // Gone.
      known.head = head;
      if (this.#isOpen(known)) left.push(known);
    }
    return left;
  }

  async #byFacts(open: readonly Knowledge[]): Promise<Knowledge[]> {
    const left: Knowledge[] = [];
    for (const known of open) {
      if (this.#keys >= KEYS_AT_ONCE) await this.#pause();
      const facts = await this.#facts(known);
      if (facts === 'gone') continue;
      if (this.#isOpen(known)) left.push(known);
    }
    return left;
  }

  async #facts(known: Knowledge): Promise<'known' | 'gone'> {
    const { message } = known;
    try {
      const octets = known.octets ?? this.#source.octets(message);
      const date = this.#source.date(message);
      known.octets = typeof octets === 'number' ? octets : await octets;
      known.date = typeof date === 'number' ? date : await date;
      return 'known';
    } catch (error) {
      if (isGone(error)) return 'gone';
      throw error;
    }
  }

  /** Where heads leave it open, because the query or the header has more than they say. */
  async #byFields(open: readonly Knowledge[]): Promise<Knowledge[]> {
    const left: Knowledge[] = [];
    const { fields } = this.#needs;
    await inParallel(open, PARALLEL, () => async (known) => {
      if (!fields && known.head?.partial !== true) return void left.push(known);
      known.fields = await readFields(this.#source, known.message, this);
      if (known.fields && this.#isOpen(known)) left.push(known);
    });
    return left;
  }

  /** Block by block, so that in memory is one, and written what was found out of it. */
  async #byText(open: readonly Knowledge[]): Promise<void> {
    try {
      for (const some of inBlocks(open, ({ message }) => message)) await this.#byTextIn(some);
    } finally {
      this.#drawers.bound(this.#signatures);
    }
  }

  async #byTextIn(open: readonly Knowledge[]): Promise<void> {
    const signatures = this.#signatures;
    const current = (): readonly Numbered[] => this.#source.current();
    const messages = open.map(({ message }) => message);
    await signatures.load(messages, current);
    const unknown = messages.filter((message) => !signatures.find(message, 'all'));
    if (unknown.length > MANY) await signatures.loadNew(unknown, current);
    const left: Knowledge[] = [];
    for (const known of open) {
      if (this.#keys >= KEYS_AT_ONCE) await this.#pause();
      if (this.#isOpenAfterSignature(known)) left.push(known);
    }
    this.#drawers.bound(signatures, messages);
    if (left.length === 0) return;
    const made: [message: Numbered, packed: Packed][] = [];
    try {
      const work = () => async (known: Knowledge) => {
        const packed = await this.#read(known);
        if (packed) made.push([known.message, packed]);
      };
      // A text of 8 MB takes several times that while it is decoded.
      const [small, large] = [left.filter(isSmall), left.filter((known) => !isSmall(known))];
      await inParallel(small, PARALLEL, work);
      await inParallel(large, 1, work);
    } finally {
      signatures.add(made);
      signatures.flush(current);
    }
  }

  #signature(known: Knowledge): { readonly body: Buffer; readonly header: Buffer } | undefined {
    const packed = this.#signatures.find(known.message, 'all');
    if (packed === undefined) return undefined;
    const { bytes, at, headOctets, restOctets } = packed;
    const middle = at + headOctets;
    return {
      body: bytes.subarray(at, middle),
      header: bytes.subarray(middle, middle + restOctets),
    };
  }

  #isOpenAfterSignature(known: Knowledge): boolean {
    const signature = this.#signature(known);
    if (signature === undefined) return true;
    const { body, header } = signature;
    known.inBody = (text) => (mayContain(body, text) ? undefined : false);
    known.inHeader = (text) => (mayContain(header, text) ? undefined : false);
    return this.#isOpen(known);
  }

  /** Reads the message and decides. @returns its signature */
  async #read(known: Knowledge): Promise<Packed | undefined> {
    const read = await readTexts(this.#source, known.message, this);
    if (read === undefined) return undefined;
    const header = searchedHeader(read.fields);
    const collector = new GroupCollector();
    const present = new Set<string>();
    for await (const text of read.texts) {
      // A signature of half a message would say no where the text is there.
      if (text === undefined) return undefined;
      collector.add(text);
      for (const wanted of this.#needs.texts) if (text.includes(wanted)) present.add(wanted);
      // A message may have 10,000 parts.
      this.#keys += PART_KEYS + (text.length >> 6);
      if (this.#keys >= KEYS_AT_ONCE) await this.#pause();
    }
    known.fields = read.fields;
    known.inBody = (text) => present.has(text);
    known.inHeader = (text) => header.includes(text);
    this.#isOpen(known);
    const headerCollector = new GroupCollector();
    headerCollector.add(header);
    const body = collector.signature();
    const bytes = Buffer.concat([body, headerCollector.signature()]);
    return { bytes, at: 0, headOctets: body.length, restOctets: bytes.length - body.length };
  }
}

const SMALL_OCTETS = 2 * 1024 * 1024;
const isSmall = ({ message }: Knowledge): boolean =>
  (nameOctets(message.entry.name) ?? Infinity) < SMALL_OCTETS;

interface Needs {
  /** Of the query, in all its parts. */
  keys: number;
  head: boolean;
  /** Sizes that names do not say, and dates. */
  facts: boolean;
  /** Fields that summaries do not have. */
  fields: boolean;
  /** Folded texts that are looked for in bodies. */
  texts: string[];
}

/** A query and all in it. */
function* partsOf(query: Query): Generator<Query> {
  yield query;
  if (query.kind === 'and' || query.kind === 'or') for (const one of query.of) yield* partsOf(one);
  if (query.kind === 'not') yield* partsOf(query.of);
}

/** By block. @param items Ascending */
function inBlocks<T>(items: readonly T[], messageOf: (item: T) => Numbered): T[][] {
  const blocks: T[][] = [];
  let last = -1;
  for (const item of items) {
    const number = blockOf(messageOf(item));
    if (number !== last) blocks.push([]);
    last = number;
    blocks.at(-1)?.push(item);
  }
  return blocks;
}

/** Takes one out. */
function takeAny<T>(items: T[], random: Random): T {
  const [a = 0, b = 0] = random.bytes(2);
  const at = (a * 256 + b) % items.length;
  const [taken] = items.splice(at, 1, items.at(-1) as T);
  items.pop();
  return taken as T;
}

function needsOf(query: Query): Needs {
  const needs: Needs = { keys: 0, head: false, facts: false, fields: false, texts: [] };
  for (const part of partsOf(query)) {
    needs.keys += 1;
    if (part.kind === 'header') {
      if (isSummaryField(part.field.toLowerCase())) needs.head = true;
      if (!isSummaryField(part.field.toLowerCase()) || part.text === '') needs.fields = true;
    } else if (part.kind === 'date') {
      if (part.which === 'sent') needs.head = true;
      else needs.facts = true;
    } else if (part.kind === 'larger' || part.kind === 'smaller') needs.facts = true;
    else if (part.kind === 'body' || part.kind === 'text') needs.texts.push(foldedText(part));
  }
  return needs;
}

const isGone = (error: unknown): boolean =>
  error instanceof Error && 'kind' in error && error.kind === 'message-gone';

const tooCostly = (why: string): MailError =>
  new MailError(
    'too-costly',
    `The search was given up because ${why}. Search in fewer messages, by date, sender or subject.`,
  );
