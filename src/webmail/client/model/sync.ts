/**
 * What the server has, kept up to date by changes (RFC 8620 §5.2): one request at a time, each from
 * the states that the one before ended with, so that no change is missed and any node can answer.
 * Where changes cannot be told everything is looked at anew.
 */
import type { Clock } from '../clock.ts';
import { MethodFailed, type Answers, type Batch, type Call } from '../jmap/batch.ts';
import type { Connection } from '../jmap/connection.ts';
import type { Conversation } from './conversation.ts';
import type { Emails } from './emails.ts';
import { Folders } from './folders.ts';
import type { ListCalls, MailList } from './list.ts';

export interface SyncParts {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly emails: Emails;
  readonly newBatch: () => Batch;
  /** What is looked at now. */
  readonly list: () => MailList | undefined;
  readonly conversation: () => Conversation | undefined;
  readonly folders: () => Folders;
  readonly onFolders: (folders: Folders) => void;
  readonly onNews: () => void;
}

/** Changes in one answer; a list longer than that is asked for in turns. */
const CHANGES_MAX = 256;
/** Turns before it is cheaper to look at everything. */
const TURNS_MAX = 8;
/** Several signs in a moment are one look. */
const GATHER_MS = 150;

interface SyncCalls {
  readonly mailboxes: Call<'Mailbox/changes'>;
  readonly gotMailboxes: readonly Call<'Mailbox/get'>[];
  readonly changes: Call<'Email/changes'>;
  readonly updated: Call<'Email/get'>;
  readonly created: Call<'Email/get'>;
  readonly list: ListCalls | undefined;
}

export class Sync {
  readonly #parts: SyncParts;
  #emailState: string | undefined;
  #mailboxState: string | undefined;
  #running = false;
  #again = false;
  #gathering = false;
  #ended = false;

  constructor(parts: SyncParts) {
    this.#parts = parts;
  }

  end(): void {
    this.#ended = true;
  }

  /** The first look: folders and states; the list is loaded beside it. */
  start(batch: Batch): (answers: Answers) => void {
    const emails = batch.add('Email/get', { ids: [] });
    const mailboxes = batch.add('Mailbox/get', { ids: null });
    return (answers) => {
      this.#emailState = answers.of(emails).state;
      const { state, list } = answers.of(mailboxes);
      this.#mailboxState = state;
      this.#parts.onFolders(new Folders(list));
    };
  }

  /** Looks soon; signs that come meanwhile are one more look after it. */
  soon(): void {
    if (this.#gathering || this.#ended || this.#emailState === undefined) return;
    this.#gathering = true;
    this.#parts.clock.after(GATHER_MS, () => {
      this.#gathering = false;
      void this.now();
    });
  }

  async now(): Promise<void> {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    try {
      do {
        this.#again = false;
        await this.#look();
      } while (this.#again);
    } finally {
      this.#running = false;
    }
  }

  async #look(): Promise<void> {
    for (let turn = 0; turn < TURNS_MAX && !this.#ended; turn += 1) {
      try {
        if (!(await this.#turn())) return;
      } catch (error) {
        if (!(error instanceof MethodFailed)) throw error;
        return this.#anew();
      }
    }
    return this.#anew();
  }

  /** @returns whether there is more */
  async #turn(): Promise<boolean> {
    const batch = this.#parts.newBatch();
    const list = this.#parts.list();
    const calls = this.#calls(batch, list);
    const conversation = this.#parts.conversation();
    const takeConversation = conversation?.look(batch);
    const answers = await this.#parts.connection.send(batch);
    const mailboxes = answers.of(calls.mailboxes);
    const changes = answers.of(calls.changes);
    const { emails } = this.#parts;
    emails.update(answers.maybe(calls.updated)?.list ?? []);
    emails.drop(changes.destroyed);
    emails.dropThreads((answers.maybe(calls.created)?.list ?? []).map((email) => email.threadId));
    const folders = calls.gotMailboxes.flatMap((call) => answers.maybe(call)?.list ?? []);
    this.#emailState = changes.newState;
    this.#mailboxState = mailboxes.newState;
    if (folders.length + mailboxes.destroyed.length > 0) {
      this.#parts.onFolders(this.#parts.folders().with(folders, mailboxes.destroyed));
    }
    // Another list may have come on the screen meanwhile: it has asked for itself.
    if (list && calls.list && list === this.#parts.list()) list.take(answers, calls.list);
    takeConversation?.(answers);
    this.#parts.onNews();
    return changes.hasMoreChanges || mailboxes.hasMoreChanges;
  }

  #calls(batch: Batch, list: MailList | undefined): SyncCalls {
    const mailboxes = batch.add('Mailbox/changes', { sinceState: this.#mailboxState });
    const gotMailboxes = ['/created', '/updated'].map((path) =>
      batch.add('Mailbox/get', { '#ids': mailboxes.at(path) }),
    );
    const changes = batch.add('Email/changes', {
      sinceState: this.#emailState,
      maxChanges: CHANGES_MAX,
    });
    const updated = batch.add('Email/get', {
      '#ids': changes.at('/updated'),
      properties: ['id', 'threadId', 'keywords', 'mailboxIds'],
    });
    const created = batch.add('Email/get', {
      '#ids': changes.at('/created'),
      properties: ['id', 'threadId'],
    });
    return { mailboxes, gotMailboxes, changes, updated, created, list: list?.look(batch) };
  }

  /** Nothing that is known counts any more. */
  async #anew(): Promise<void> {
    const batch = this.#parts.newBatch();
    const take = this.start(batch);
    const list = this.#parts.list();
    const calls = list?.look(batch);
    const answers = await this.#parts.connection.send(batch);
    this.#parts.emails.clear();
    take(answers);
    if (list && calls) {
      list.rows.clear();
      list.take(answers, calls);
    }
    void this.#parts.conversation()?.load();
    this.#parts.onNews();
  }
}
