/**
 * Threads of a user's mail (RFC 8621 §3). A thread's id is a function of one message's head: of the
 * first id in References, else In-Reply-To, else its own Message-ID, else of the email's id. So
 * every node says the same of every message, whatever else it has seen, and no message ever changes
 * its thread. What it costs: an answer to an answer by a program that sends In-Reply-To alone
 * begins a thread of its own.
 *
 * What is known is kept in the drawer `threads` of the user, by email id, which a move does not
 * change: one file for many (a batch), written whole, never changed, named by its content. As with
 * summaries (`summaries.ts`) a row of an email says what its head says, and nothing more is
 * promised; two nodes that write or compact at once leave rows twice or have them read again. A row
 * stays for 30 days after its email is gone: Thread/changes is asked for it then, of whatever node.
 * So a node that has shown an email in a thread writes its row at once, though it be the only one:
 * small batches are made one when there are many of them, and large ones are left alone meanwhile.
 *
 *     mailfarm-threads 1 <CRC-32 of the rest>
 *     <email id> <thread id>                    17 characters each
 */
import { hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { arrivalOf, emailIdOf } from '#maildir';
import { idsOf } from '../message/mime/envelope.ts';
import type { Numbered } from './mail.ts';
import { indexFrom } from './shared-folder.ts';
import type { HeadSummary } from './summary.ts';
import type { UserFacts } from './user-facts.ts';
import type { EmailPlace, FolderView, MailVersion, Threads } from './view.ts';

const DRAWER = 'threads';
const HEAD = 'mailfarm-threads 1 ';
const CRC_DIGITS = 8;
const ID_CHARACTERS = 17;
const ROW_CHARACTERS = 2 * ID_CHARACTERS + 2;
/** For so many rows batches of others are looked for. */
const MANY = 50;
const ROWS_MAX = 10_000;
/** A batch of so many rows is large. */
const LARGE_ROWS = 1_000;
/** More small ones, or large ones, are made one. */
const SMALL_MAX = 8;
const LARGE_MAX = 16;
/** Messages looked at before others have their turn. */
const SLICE = 2_000;
/** So much more than there is may be remembered of what is gone. */
const GONE_MAX = 20_000;

/** Id of the thread that a message with this head is in. */
export function threadIdOf(head: HeadSummary, emailId: string): string {
  const { inReplyTo, messageId } = head.envelope;
  return threadId(head.references[0] ?? idsOf(inReplyTo)[0] ?? idsOf(messageId)[0] ?? emailId);
}

const threadId = (root: string): string =>
  `t${hash('sha256', root, 'base64url').slice(0, ID_CHARACTERS - 1)}`;

/** One user's, shared by all requests of a process. */
export class ThreadIndex {
  readonly #facts: UserFacts;
  /** Thread by email. */
  #known = new Map<string, string>();
  /** Emails by thread, of all versions so far; one that was moved may be there twice. */
  #emails = new Map<string, string[]>();
  /** By journal: messages below this UID are in it. */
  #upTo = new Map<string, number>();
  /** Batches that were read or written by name; of small ones the emails, none of torn ones. */
  #batches = new Map<string, readonly string[] | 'large'>();
  #pending = new Map<string, string>();
  #turn: Promise<unknown> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();

  constructor(facts: UserFacts) {
    this.#facts = facts;
  }

  /** Of each email, in order; one that is gone is alone. @throws StoreError */
  async ids(places: readonly EmailPlace[]): Promise<readonly string[]> {
    const found = places.map(({ message }) => this.#known.get(emailIdOf(message.key)));
    const missing = new Map<FolderView, number[]>();
    for (const [at, thread] of found.entries()) {
      if (thread !== undefined) continue;
      const view = (places[at] as EmailPlace).in;
      const indices = missing.get(view);
      if (indices === undefined) missing.set(view, [at]);
      else indices.push(at);
    }
    for (const [view, indices] of missing) {
      const messages = indices.map((at) => (places[at] as EmailPlace).message);
      let next = 0;
      for await (const head of view.folder.summaries(messages, 'head')) {
        const id = emailIdOf((messages[next] as Numbered).key);
        const thread = head ? threadIdOf(head, id) : threadId(id);
        found[indices[next++] as number] = thread;
        if (head) this.#learn(id, thread);
      }
    }
    this.#write();
    return found.map((thread) => thread as string);
  }

  /**
   * Of all emails of a version, and of those that are gone as far as it is known. One at a time.
   * @throws StoreError
   */
  of(version: MailVersion, gone: readonly string[] = []): Promise<Threads> {
    const ready = this.#turn.catch(() => {}).then(() => this.#of(version, gone));
    this.#turn = ready;
    return ready;
  }

  /** What other nodes found out and wrote since; `soFar` has it then. */
  async others(): Promise<void> {
    await this.#load();
  }

  /** When all that was found out has been written, or was given up. */
  settled(): Promise<void> {
    return this.#writing;
  }

  async #of(version: MailVersion, gone: readonly string[]): Promise<Threads> {
    this.#forgetGone(version);
    if (this.#upTo.size === 0) await this.#load();
    for (const view of version.folders) await this.#take(view);
    if (gone.some((id) => !this.#known.has(id))) await this.#load();
    this.#write();
    this.#writing = this.#writing.then(() => this.#compact(version)).catch(ignored);
    return this.soFar(version);
  }

  /** As far as they are known, now and whenever it is asked. */
  soFar(version: MailVersion): Threads {
    return {
      threadOf: (emailId) => this.#known.get(emailId),
      emailsOf: (thread) => emailsOf(version, this.#emails.get(thread) ?? []),
    };
  }

  #forgetGone({ folders }: MailVersion): void {
    const there = folders.reduce((sum, { state }) => sum + state.messages.length, 0);
    if (this.#known.size <= 2 * there + GONE_MAX) return;
    this.#known = new Map();
    this.#emails = new Map();
    this.#upTo = new Map();
    this.#batches = new Map();
  }

  /** What is new in a folder: O(changes), after the first time. */
  async #take(view: FolderView): Promise<void> {
    const { journalId, messages, uidNext } = view.state;
    let unknown: Numbered[] = [];
    let looked = 0;
    for (let at = indexFrom(messages, this.#upTo.get(journalId) ?? 1); at < messages.length; at++) {
      const message = messages[at] as Numbered;
      if (!this.#known.has(emailIdOf(message.key))) unknown.push(message);
      if (++looked % SLICE === 0) await setImmediate();
    }
    if (unknown.length > MANY && (await this.#load())) {
      unknown = unknown.filter(({ key }) => !this.#known.has(emailIdOf(key)));
    }
    // The newest first: they are what a list begins with.
    const gone = await this.#read(view, unknown.reverse());
    this.#upTo.set(journalId, gone?.uid ?? Math.max(uidNext, this.#upTo.get(journalId) ?? 1));
  }

  /**
   * @param messages The newest first
   * @returns the oldest that is not there; its folder may have another name now, so it is no end
   */
  async #read(view: FolderView, messages: readonly Numbered[]): Promise<Numbered | undefined> {
    let gone: Numbered | undefined;
    let next = 0;
    for await (const head of view.folder.summaries(messages, 'head')) {
      const message = messages[next++] as Numbered;
      const emailId = emailIdOf(message.key);
      if (head === undefined) gone = message;
      else this.#learn(emailId, threadIdOf(head, emailId));
    }
    return gone;
  }

  /** What the head of an email says. */
  #learn(emailId: string, thread: string): void {
    if (!this.#put(emailId, thread)) return;
    this.#pending.set(emailId, thread);
    if (this.#pending.size >= ROWS_MAX) this.#write();
  }

  /** @returns whether it was not known */
  #put(emailId: string, thread: string): boolean {
    if (this.#known.has(emailId)) return false;
    this.#known.set(emailId, thread);
    const emails = this.#emails.get(thread);
    if (emails === undefined) this.#emails.set(thread, [emailId]);
    else emails.push(emailId);
    return true;
  }

  /** Batches that came since; what cannot be read is found out again. @returns whether any did */
  async #load(): Promise<boolean> {
    let came = false;
    const names = await this.#facts.list(DRAWER).catch(() => []);
    for (const name of names.filter((one) => !this.#batches.has(one))) {
      const bytes = await this.#facts.read(DRAWER, name).catch(() => undefined);
      const rows = bytes && readBatch(bytes);
      for (const [emailId, thread] of rows ?? []) this.#put(emailId, thread);
      this.#batches.set(name, sizeOf(rows ?? []));
      came = true;
    }
    return came;
  }

  #write(): void {
    const rows = this.#pending;
    if (rows.size === 0) return;
    this.#pending = new Map();
    this.#writing = this.#writing
      .then(async () => void (await this.#putBatch([...rows])))
      .catch(ignored);
  }

  async #putBatch(rows: readonly Row[]): Promise<string> {
    const bytes = writeBatch(rows);
    const name = hash('sha256', bytes, 'hex').slice(0, 2 * CRC_DIGITS);
    await this.#facts.put(DRAWER, name, bytes);
    this.#batches.set(name, sizeOf(rows));
    return name;
  }

  async #compact(version: MailVersion): Promise<void> {
    const large: string[] = [];
    const small: string[] = [];
    const rows = new Map<string, string>();
    for (const [name, emails] of this.#batches) {
      (emails === 'large' ? large : small).push(name);
      for (const id of emails === 'large' ? [] : emails) this.#copy(id, rows);
    }
    if (small.length > SMALL_MAX) await this.#replace(small, rows);
    if (large.length > LARGE_MAX) await this.#replace(large, await this.#alive(version));
  }

  /** One batch of many. */
  async #replace(names: readonly string[], rows: ReadonlyMap<string, string>): Promise<void> {
    const merged = await this.#putBatch([...rows]);
    for (const name of names.filter((one) => one !== merged)) {
      await this.#facts.remove(DRAWER, name);
      this.#batches.delete(name);
    }
  }

  #copy(emailId: string, to: Map<string, string>): void {
    const thread = this.#known.get(emailId);
    if (thread !== undefined) to.set(emailId, thread);
  }

  /** Rows of what is there, or was lately. */
  async #alive({ folders }: MailVersion): Promise<ReadonlyMap<string, string>> {
    const rows = new Map<string, string>();
    for (const { state } of folders) {
      for (const [at, { key }] of state.messages.entries()) {
        this.#copy(emailIdOf(key), rows);
        if (at % SLICE === SLICE - 1) await setImmediate();
      }
      for (const { emailId } of state.expunged) this.#copy(emailId, rows);
    }
    return rows;
  }
}

type Row = readonly [emailId: string, thread: string];

const sizeOf = (rows: readonly Row[]): readonly string[] | 'large' =>
  rows.length >= LARGE_ROWS ? 'large' : rows.map(([emailId]) => emailId);

function emailsOf(version: MailVersion, emails: readonly string[]): readonly string[] {
  const there = [...new Set(emails)].flatMap((emailId) => {
    const [place] = version.places(emailId);
    return place ? [{ emailId, at: arrivalOf(place.message.key) }] : [];
  });
  // Of the same moment in the same order on every node, whichever it learned of first.
  there.sort((a, b) => a.at - b.at || (a.emailId < b.emailId ? -1 : 1));
  return there.map(({ emailId }) => emailId);
}

function writeBatch(rows: readonly Row[]): Buffer {
  const text = rows.map(([emailId, thread]) => `${emailId} ${thread}\n`).join('');
  const sum = crc32(text).toString(16).padStart(CRC_DIGITS, '0');
  return Buffer.from(`${HEAD}${sum}\n${text}`, 'latin1');
}

/** Undefined: torn, or no batch. */
function readBatch(bytes: Buffer): readonly Row[] | undefined {
  const text = bytes.toString('latin1');
  const body = HEAD.length + CRC_DIGITS + 1;
  if (!text.startsWith(HEAD) || (text.length - body) % ROW_CHARACTERS !== 0) return undefined;
  const sum = Number.parseInt(text.slice(HEAD.length, body), 16);
  if (crc32(bytes.subarray(body)) !== sum) return undefined;
  const rows: Row[] = [];
  for (let at = body; at < text.length; at += ROW_CHARACTERS) {
    const thread = text.slice(at + ID_CHARACTERS + 1, at + ROW_CHARACTERS - 1);
    rows.push([text.slice(at, at + ID_CHARACTERS), thread]);
  }
  return rows;
}

/** Batches save time; what cannot be written now is found out again. */
const ignored = (): void => {};
