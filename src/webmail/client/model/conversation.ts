import { MethodFailed, type Answers, type Batch, type Call } from '../jmap/batch.ts';
import type { Connection } from '../jmap/connection.ts';
import { FULL_PROPERTIES, LIST_PROPERTIES, type ListEmail } from '../jmap/types.ts';
import { Observable } from '../observable.ts';
import type { Emails } from './emails.ts';

export interface ConversationParts {
  readonly connection: Connection;
  readonly emails: Emails;
  readonly newBatch: () => Batch;
  /** An email that is shown with its others only where they are looked at. */
  readonly isHidden: (email: ListEmail) => boolean;
}

/** Emails that are fetched with their text at once. */
const OPEN_MAX = 8;
/** Of each text; more is fetched when it is asked for. */
const TEXT_OCTETS_MAX = 512 * 1024;

/** The conversation (or, without threads, the one email) that is open. */
export class Conversation extends Observable {
  readonly key: string;
  readonly #parts: ConversationParts;
  readonly #isThread: boolean;
  readonly #ended = new AbortController();
  /** Those that are unfolded. */
  readonly unfolded = new Set<string>();
  readonly #asked = new Set<string>();
  #ids: readonly string[];
  status: 'loading' | 'ready' | 'gone' | 'failed' = 'loading';
  error: string | undefined;

  constructor(key: string, isThread: boolean, parts: ConversationParts) {
    super();
    this.key = key;
    this.#isThread = isThread;
    this.#parts = parts;
    this.#ids = isThread ? (parts.emails.thread(key) ?? []) : [key];
    void this.load();
  }

  end(): void {
    this.#ended.abort();
  }

  /** What is shown, oldest first. */
  get emails(): readonly ListEmail[] {
    const all = this.#ids.flatMap((id) => this.#parts.emails.get(id) ?? []);
    const shown = all.filter((email) => !this.#parts.isHidden(email));
    return shown.length > 0 ? shown : all;
  }

  /** One request for the thread, its emails' heads, and the texts of those that will be open. */
  async load(): Promise<void> {
    const batch = this.#parts.newBatch();
    const take = this.look(batch);
    const known = this.#toOpen();
    const full = known.length > 0 ? this.#fullCall(batch, known) : undefined;
    try {
      const answers = await this.#parts.connection.send(batch, { signal: this.#ended.signal });
      take(answers);
      if (full) this.#parts.emails.putFull(answers.of(full).list);
      if (this.emails.length === 0) this.status = 'gone';
      else await this.#unfoldFirst();
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      this.status = error instanceof MethodFailed && error.type === 'notFound' ? 'gone' : 'failed';
      this.error = error instanceof Error ? error.message : String(error);
    }
    this.changed();
  }

  /** Calls that see the thread anew. @returns what takes their answers */
  look(batch: Batch): (answers: Answers) => void {
    const thread = this.#isThread ? batch.add('Thread/get', { ids: [this.key] }) : undefined;
    const ids = thread ? { '#ids': thread.at('/list/*/emailIds') } : { ids: [this.key] };
    const heads = batch.add('Email/get', { ...ids, properties: LIST_PROPERTIES });
    return (answers) => {
      const { emails } = this.#parts;
      const threads = thread ? (answers.maybe(thread)?.list ?? []) : [];
      emails.putThreads(threads);
      const got = answers.maybe(heads);
      emails.put(got?.list ?? []);
      emails.drop(got?.notFound ?? []);
      if (thread) this.#ids = threads[0]?.emailIds ?? [];
      if (this.emails.length === 0 && this.status === 'ready') this.status = 'gone';
      this.changed();
    };
  }

  async toggle(id: string): Promise<void> {
    if (this.unfolded.delete(id)) return this.changed();
    this.unfolded.add(id);
    this.changed();
    await this.#fetchFull([id]);
  }

  /** The newest, and all that have not been read. */
  #toOpen(): string[] {
    const { emails } = this;
    const unread = emails.filter((email) => email.keywords['$seen'] !== true);
    const last = emails.at(-1);
    const wanted = [...new Set([...unread.slice(-OPEN_MAX), ...(last ? [last] : [])])];
    return wanted.map((email) => email.id);
  }

  async #unfoldFirst(): Promise<void> {
    const wanted = this.#toOpen();
    if (this.status === 'loading') for (const id of wanted) this.unfolded.add(id);
    this.status = 'ready';
    this.changed();
    await this.#fetchFull([...this.unfolded]);
  }

  async #fetchFull(ids: readonly string[]): Promise<void> {
    const { emails, connection, newBatch } = this.#parts;
    const wanted = ids.filter((id) => !emails.full(id) && !this.#asked.has(id));
    if (wanted.length === 0) return;
    for (const id of wanted) this.#asked.add(id);
    try {
      const batch = newBatch();
      const call = this.#fullCall(batch, wanted);
      const answers = await connection.send(batch, { signal: this.#ended.signal });
      emails.putFull(answers.of(call).list);
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      this.error = error instanceof Error ? error.message : String(error);
    } finally {
      for (const id of wanted) this.#asked.delete(id);
    }
    this.changed();
  }

  #fullCall(batch: Batch, ids: readonly string[]): Call<'Email/get'> {
    return batch.add('Email/get', {
      ids,
      properties: FULL_PROPERTIES,
      fetchTextBodyValues: true,
      fetchHTMLBodyValues: true,
      maxBodyValueBytes: TEXT_OCTETS_MAX,
    });
  }
}
