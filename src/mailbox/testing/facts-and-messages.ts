/** For tests of what reads messages: facts in memory that fail when asked to, and a folder. */
import type { Facts, FolderState, Numbered } from '#maildir';
import type { SearchSource } from '../search.ts';
import type { MessageSource } from '../summaries.ts';

type PutRequest = Parameters<Facts['putFact']>[0];

/** Facts as Maildirs have them, without files. */
export class MemoryFacts implements Facts {
  readonly #facts = new Map<string, Uint8Array>();
  /** What fails from now on. */
  fails: 'nothing' | 'read' | 'all' = 'nothing';

  async facts(_: unknown, drawer: string): Promise<readonly string[]> {
    if (this.fails === 'all') throw new Error('no drawer');
    const start = `${drawer}/`;
    const names = [...this.#facts.keys()].filter((name) => name.startsWith(start));
    return names.map((name) => name.slice(start.length)).sort();
  }

  async readFact(_: unknown, drawer: string, name: string): Promise<Uint8Array> {
    const bytes = this.#facts.get(`${drawer}/${name}`);
    if (bytes === undefined || this.fails !== 'nothing') throw new Error('ENOENT');
    return bytes;
  }

  async putFact({ drawer, name, bytes }: PutRequest): Promise<void> {
    if (this.fails !== 'nothing') throw new Error('ENOSPC');
    this.#facts.set(`${drawer}/${name}`, bytes);
  }

  async removeFact(_: unknown, drawer: string, name: string): Promise<void> {
    this.#facts.delete(`${drawer}/${name}`);
  }
}

/** A folder of texts as files of other tools; UIDs count from 1, dates are as many seconds. */
export class TestFolder implements SearchSource {
  readonly ref = { maildir: '/m', folder: '' };
  readonly facts: Facts | undefined;
  readonly messages: Numbered[];
  readonly #files = new Map<string, Buffer>();
  /** Messages that were read from their start, and octets. */
  reads = 0;
  octetsRead = 0;
  trouble: Error | undefined;

  constructor(facts: Facts | undefined, texts: readonly string[], host = 'host') {
    this.facts = facts;
    this.messages = texts.map((text, at) => {
      const key = `${at + 1}.file.${host}`;
      this.#files.set(key, Buffer.from(text));
      const entry = { directory: 'cur', name: `${key}:2,` } as const;
      return { uid: at + 1, key, entry, flags: '', keywords: [], modseq: 1 };
    });
  }

  get state(): FolderState {
    return {
      journalId: '1',
      uidValidity: 1,
      uidNext: this.messages.length + 1,
      modseq: 1,
      messages: this.messages,
      expunged: [],
      expungedSince: 1,
      unnumbered: 0,
    };
  }

  current(): readonly Numbered[] {
    return this.messages.filter(({ key }) => this.#files.has(key));
  }

  /** Its file goes; who has an old state still knows it. */
  remove(at: number): void {
    this.#files.delete((this.messages[at] as Numbered).key);
  }

  change(at: number, change: Partial<Numbered>): void {
    this.messages[at] = { ...(this.messages[at] as Numbered), ...change };
  }

  octets({ key }: Numbered): number {
    return this.#files.get(key)?.toString('latin1').replaceAll('\n', '\r\n').length ?? 0;
  }

  date({ uid }: Numbered): number {
    return uid * 1000;
  }

  async read(
    { key }: Numbered,
    piece: Parameters<MessageSource['read']>[1],
  ): ReturnType<MessageSource['read']> {
    if (this.trouble) throw this.trouble;
    const file = this.#files.get(key);
    if (file === undefined) return undefined;
    const end = Math.min(file.length, piece.offset + piece.length);
    if (piece.offset === 0) this.reads += 1;
    this.octetsRead += end - piece.offset;
    return { bytes: file.subarray(piece.offset, end), end: end === file.length };
  }
}
