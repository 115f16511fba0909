import {
  emailIdOf,
  nameFlags,
  nameKey,
  nameWireOctets,
  publishedName,
  withFlags,
  type Entry,
  type Expunged,
  type FlagChange,
  type FolderState,
  type Numbered,
  type Stored,
} from '#maildir';
import type { Clock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { changeKeywords, changeLetters, without } from './flag-change.ts';
import { INBOX } from './folder-names.ts';
import type { SpecialUse } from './mail.ts';
import { Searches } from './search.ts';
import { Summaries } from './summaries.ts';
import { MemoryFacts } from './user-facts.ts';
import { lineEndsOf, wireCount } from './wire.ts';

/** A message that is to be put into a folder in memory. */
export interface MemoryMessage {
  readonly stored: Buffer;
  /** Its file name; one of our own when left out. */
  readonly name?: string;
  readonly directory: Entry['directory'];
  readonly letters: string;
  readonly keywords: readonly string[];
  /** INTERNALDATE in milliseconds since 1970. */
  readonly date: number;
}

const EMPTY = { messages: [], expunged: [], expungedSince: 0, unnumbered: 0 } as const;
const MS = 1000;
const KEPT = { random: systemRandom, octetsMax: 16 * 1024 * 1024 };
const LIMITS = { octets: 1024 * 1024 * 1024, ms: 60_000 };

/** A folder's messages: what all that have it open share. Each change makes a new state. */
export class MemoryFolderData {
  state: FolderState;
  readonly contents = new Map<string, Buffer>();
  readonly listeners = new Set<(state: FolderState) => void>();
  use: SpecialUse | undefined;
  readonly #names: () => string;
  /** Keywords as their first writer in this folder spelled them, by lower case. */
  readonly #spelled = new Map<string, string>();

  constructor(uidValidity: number, names: () => string) {
    const journalId = uidValidity.toString(16).padStart(16, '0');
    this.state = { journalId, uidValidity, uidNext: 1, modseq: 1, ...EMPTY };
    this.#names = names;
  }

  get octets(): number {
    let sum = 0;
    for (const stored of this.contents.values()) sum += stored.length;
    return sum;
  }

  /** @returns the UIDs given */
  put(messages: readonly MemoryMessage[]): readonly number[] {
    if (messages.length === 0) return [];
    const { uidNext } = this.state;
    const modseq = this.state.modseq + 1;
    const added = messages.map((message, at) => this.#numbered(message, uidNext + at, modseq));
    this.#change({
      ...this.state,
      modseq,
      uidNext: uidNext + added.length,
      messages: [...this.state.messages, ...added],
    });
    return added.map(({ uid }) => uid);
  }

  claim(): readonly number[] {
    const claimed = this.state.messages.filter(({ entry }) => entry.directory === 'new');
    if (claimed.length === 0) return [];
    this.#change({
      ...this.state,
      messages: this.state.messages.map((message) =>
        message.entry.directory === 'cur'
          ? message
          : {
              ...message,
              entry: { directory: 'cur', name: withFlags(message.entry.name, '', '') },
            },
      ),
    });
    return claimed.map(({ uid }) => uid);
  }

  store(asked: FlagChange): Stored {
    const change = { ...asked, keywords: this.#spell(asked.keywords) };
    if (!this.#isOf(change.uidValidity)) {
      return { state: this.state, modified: [], gone: change.uids };
    }
    const wanted = new Set(change.uids);
    const { unchangedSince = Infinity } = change;
    const modified: number[] = [];
    const modseq = this.state.modseq + 1;
    let changes = 0;
    const messages = this.state.messages.map((message) => {
      if (!wanted.delete(message.uid)) return message;
      if (message.modseq > unchangedSince) {
        modified.push(message.uid);
        return message;
      }
      const flags = changeLetters(message.flags, change);
      const keywords = changeKeywords(message.keywords, change);
      if (flags === message.flags && keywords.join(' ') === message.keywords.join(' ')) {
        return message;
      }
      changes += 1;
      const name = withFlags(message.entry.name, flags, without(message.flags, flags));
      return { ...message, flags, keywords, modseq, entry: { directory: 'cur' as const, name } };
    });
    if (changes > 0) this.#change({ ...this.state, modseq, messages });
    return { state: this.state, modified, gone: [...wanted] };
  }

  expunge(uids: readonly number[], uidValidity?: number): FolderState {
    if (!this.#isOf(uidValidity)) return this.state;
    const wanted = new Set(uids);
    const modseq = this.state.modseq + 1;
    const gone = this.state.messages.filter(({ uid }) => wanted.has(uid));
    if (gone.length === 0) return this.state;
    for (const { key } of gone) this.contents.delete(key);
    const expunged = gone.map(({ uid, key }): Expunged => {
      return { uid, modseq, emailId: emailIdOf(key) };
    });
    this.#change({
      ...this.state,
      modseq,
      messages: this.state.messages.filter(({ uid }) => !wanted.has(uid)),
      expunged: [...this.state.expunged, ...expunged],
    });
    return this.state;
  }

  /** Whether UIDs told with this UIDVALIDITY mean our messages. */
  #isOf(uidValidity = this.state.uidValidity): boolean {
    return uidValidity === this.state.uidValidity;
  }

  #numbered(message: MemoryMessage, uid: number, modseq: number): Numbered {
    const { stored, letters, keywords, directory } = message;
    const base = message.name ?? publishedName(this.#base(message.date), ...sizesOf(stored));
    const name = directory === 'new' && letters === '' ? base : withFlags(base, letters, '');
    const key = nameKey(name);
    this.contents.set(key, stored);
    const none = { how: 'replace', keywords: this.#spell(keywords) } as const;
    return {
      uid,
      key,
      entry: { directory, name },
      flags: nameFlags(name),
      keywords: changeKeywords([], none),
      modseq,
    };
  }

  #spell(keywords: readonly string[]): readonly string[] {
    return keywords.map((keyword) => {
      const key = keyword.toLowerCase();
      const first = this.#spelled.get(key) ?? keyword;
      this.#spelled.set(key, first);
      return first;
    });
  }

  #base(date: number): string {
    return `${Math.floor(date / MS)}.${this.#names()}`;
  }

  #change(state: FolderState): void {
    this.state = state;
    for (const listener of this.listeners) {
      queueMicrotask(() => this.listeners.has(listener) && listener(this.state));
    }
  }
}

function sizesOf(stored: Buffer): [octets: number, wireOctets: number] {
  const count = wireCount('every-lf');
  count.add(stored);
  return [count.octets, count.wireOctets];
}

/** Octets in wire form, by the name or by the content. */
export function wireOctetsOf(name: string, stored: Buffer): number {
  const said = nameWireOctets(name);
  if (said !== undefined) return said;
  const count = wireCount(lineEndsOf(name));
  count.add(stored);
  return count.wireOctets;
}

/** One user's mail in memory: what all that work for this user share. */
export class MemoryMailbox {
  readonly clock: Clock;
  readonly folders = new Map<string, MemoryFolderData>();
  readonly subscribed = new Set<string>();
  readonly facts = new MemoryFacts();
  readonly summaries = new Summaries(KEPT);
  readonly searches: Searches;
  #uidValidity = 1_700_000_000;
  #count = 0;

  constructor(clock: Clock) {
    this.clock = clock;
    const { summaries } = this;
    this.searches = new Searches({ ...KEPT, summaries, clock, limits: LIMITS });
    this.folders.set(INBOX, this.newFolder());
  }

  get inbox(): MemoryFolderData {
    return this.folders.get(INBOX) as MemoryFolderData;
  }

  newFolder(): MemoryFolderData {
    this.#uidValidity += 1;
    return new MemoryFolderData(this.#uidValidity, () => this.uniqueName());
  }

  /** Without the seconds that a name begins with. */
  uniqueName(): string {
    this.#count += 1;
    return `M0P1Q${this.#count}R${this.#count.toString(16).padStart(16, '0')}.memory`;
  }

  get octets(): number {
    return [...this.folders.values()].reduce((sum, { octets }) => sum + octets, 0);
  }

  get messages(): number {
    return [...this.folders.values()].reduce((sum, { contents }) => sum + contents.size, 0);
  }
}
