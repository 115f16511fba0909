import type { Answers, Batch, Call } from '../jmap/batch.ts';
import type { Connection } from '../jmap/connection.ts';
import { LIST_PROPERTIES, type Filter } from '../jmap/types.ts';
import { Observable } from '../observable.ts';
import type { Emails } from './emails.ts';
import { PAGE, Rows } from './rows.ts';

export interface ListParts {
  readonly connection: Connection;
  readonly emails: Emails;
  /** A row is a conversation, not an email. */
  readonly threads: boolean;
  readonly filter: Filter;
  readonly newBatch: () => Batch;
  /** The action that takes an email away from this list is under way. */
  readonly isLeaving: (emailId: string) => boolean;
}

/** Calls of one look at a part of the list. */
export interface ListCalls {
  readonly position: number;
  readonly query: Call<'Email/query'>;
  readonly threads: Call<'Thread/get'> | undefined;
  readonly emails: Call<'Email/get'>;
}

const SORT = [{ property: 'receivedAt', isAscending: false }] as const;

/** Emails of a folder or of a search, the newest first, loaded where they are looked at. */
export class MailList extends Observable {
  readonly rows = new Rows();
  readonly threads: boolean;
  readonly #parts: ListParts;
  readonly #loading = new Set<number>();
  readonly #ended = new AbortController();
  /** What is on the screen. */
  #first = 0;
  #end = PAGE;
  /** How many rows came in above the first one on the screen, since the view asked. */
  #shift = 0;
  #searchedBackTo: string | null | undefined;
  error: string | undefined;

  constructor(parts: ListParts) {
    super();
    this.#parts = parts;
    this.threads = parts.threads;
  }

  get filter(): Filter {
    return this.#parts.filter;
  }

  get isLoading(): boolean {
    return this.#loading.size > 0;
  }

  /** What the last search came to, a UTCDate; null: unknown; undefined: all was searched. */
  get searchedBackTo(): string | null | undefined {
    return this.#searchedBackTo;
  }

  end(): void {
    this.#ended.abort();
  }

  /** Asks again: the server has gone on reading meanwhile, so that this search comes further. */
  searchOn(): void {
    void this.#load(Math.floor(Math.max(0, this.#first) / PAGE) * PAGE);
    this.changed();
  }

  /** What the user selects and opens: the conversation, or the email. */
  key(emailId: string): string {
    return this.threads ? (this.#parts.emails.get(emailId)?.threadId ?? emailId) : emailId;
  }

  positionOfKey(key: string): number {
    for (let at = 0; at < this.rows.length; at += 1) {
      const id = this.rows.at(at);
      if (id !== undefined && this.key(id) === key) return at;
    }
    return -1;
  }

  /** Rows that came or went above the screen since this was last asked. */
  takeShift(): number {
    const shift = this.#shift;
    this.#shift = 0;
    return shift;
  }

  /** The screen shows positions `first` to `end`: what is missing there is fetched. */
  show(first: number, end: number): void {
    this.#first = first;
    this.#end = end;
    this.rows.forgetFar(first, end);
    for (const page of this.rows.missing(first, end)) void this.#load(page);
  }

  /** The calls that see again what is on the screen. */
  look(batch: Batch): ListCalls {
    const position = Math.max(0, this.#first);
    const limit = Math.max(PAGE, Math.min(this.#end - this.#first, 4 * PAGE));
    return this.#calls(batch, position, limit);
  }

  /** What they answered. */
  take(answers: Answers, calls: ListCalls): void {
    const { emails } = this.#parts;
    const query = answers.of(calls.query);
    if (calls.threads) emails.putThreads(answers.maybe(calls.threads)?.list ?? []);
    emails.put(answers.maybe(calls.emails)?.list ?? []);
    const anchor = this.rows.at(this.#first);
    const total = query.total ?? calls.position + query.ids.length;
    this.rows.put(calls.position, query.ids, total);
    this.rows.remove(new Set(query.ids.filter(this.#parts.isLeaving)));
    const now = anchor === undefined ? -1 : this.rows.indexOf(anchor);
    if (now >= 0) this.#shift += now - this.#first;
    const { 'mailfarm:incomplete': isPart = false } = query;
    this.#searchedBackTo = isPart ? (query['mailfarm:searchedBackTo'] ?? null) : undefined;
    this.error = undefined;
    this.changed();
    // Those of conversations too large for one request, or that came without their emails.
    const without = query.ids.filter((id) => emails.get(id) === undefined);
    if (without.length > 0) void this.#fill(without);
  }

  /** Something in the known rows changed. */
  touch(): void {
    this.changed();
  }

  async #load(position: number): Promise<void> {
    if (this.#loading.has(position)) return;
    this.#loading.add(position);
    try {
      const batch = this.#parts.newBatch();
      const calls = this.#calls(batch, position, PAGE);
      const answers = await this.#parts.connection.send(batch, { signal: this.#ended.signal });
      this.take(answers, calls);
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      this.error = error instanceof Error ? error.message : String(error);
    } finally {
      this.#loading.delete(position);
    }
    this.changed();
  }

  async #fill(ids: readonly string[]): Promise<void> {
    const batch = this.#parts.newBatch();
    const got = batch.add('Email/get', { ids, properties: LIST_PROPERTIES });
    try {
      const answers = await this.#parts.connection.send(batch, { signal: this.#ended.signal });
      this.#parts.emails.put(answers.of(got).list);
      this.changed();
    } catch {
      // The rows stay grey; the next look asks again.
    }
  }

  /** A list with all that it shows is one request (RFC 8620 §3.7, RFC 8621 §4.10). */
  #calls(batch: Batch, position: number, limit: number): ListCalls {
    const query = batch.add('Email/query', {
      filter: this.#parts.filter,
      sort: SORT,
      collapseThreads: this.threads,
      position,
      limit,
      calculateTotal: true,
    });
    if (!this.threads) {
      const ids = { '#ids': query.at('/ids'), properties: LIST_PROPERTIES };
      return { position, query, threads: undefined, emails: batch.add('Email/get', ids) };
    }
    const heads = batch.add('Email/get', { '#ids': query.at('/ids'), properties: ['threadId'] });
    const threads = batch.add('Thread/get', { '#ids': heads.at('/list/*/threadId') });
    const emails = batch.add('Email/get', {
      '#ids': threads.at('/list/*/emailIds'),
      properties: LIST_PROPERTIES,
    });
    return { position, query, threads, emails };
  }
}
