/**
 * The letter that is open, and those on their way out: what views of it know. One letter is open at
 * a time; another one that is begun saves it. What is typed is kept in the browser at once
 * (`kept.ts`) and saved as a draft soon after; saves of a letter never overlap (`#last`), so what
 * one does not know of the other is nothing.
 */
import type { Address, FullEmail } from '../jmap/types.ts';
import type { App } from '../model/app.ts';
import { Observable } from '../observable.ts';
import { beginningOf, begunAs } from './beginning.ts';
import { Contacts } from './contacts.ts';
import { nextOf, pauseOf, type Attempt } from './attempt.ts';
import {
  discardDraft,
  FilesGone,
  isBusy,
  merged,
  saveDraft,
  sendDraft,
  wasSent,
  wasSubmitted,
} from './drafts.ts';
import { KeptLetters } from './kept.ts';
import {
  doubtOf,
  asKind,
  asSender,
  completed,
  isEmpty,
  type Begun,
  type Doubt,
  type Identity,
  type Letter,
  type LetterFile,
  type LetterKind,
} from './letter.ts';
import { uploadFile } from './uploads.ts';

/** Of rest after a key; the browser's own copy is made at once. */
const SAVE_AFTER_MS = 2000;
/** How long Undo holds a letter back. */
export const SEND_AFTER_MS = 8000;
const SAVE_AGAIN_MS = 15_000;
const IDENTITIES_WAIT_MS = 1000;

export type SaveStatus = 'fresh' | 'typed' | 'saving' | 'saved' | 'failed';

export interface FileProgress {
  readonly sent: number;
  readonly error: string | undefined;
  readonly file: File;
  readonly abort: AbortController;
}

export class Composer extends Observable {
  readonly #app: App;
  readonly contacts: Contacts;
  identities: readonly Identity[] = [];
  letter: Letter | undefined;
  status: SaveStatus = 'fresh';
  error: string | undefined;
  /** Why it is asked once more before it goes: no file is there, or no subject. */
  doubt: Doubt | undefined;
  readonly progress = new Map<string, FileProgress>();
  /** On their way, still held back by Undo or under way. */
  readonly #outgoing = new Set<Letter>();
  #kept: KeptLetters | undefined;
  #callOff: (() => void) | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(app: App) {
    super();
    this.#app = app;
    this.contacts = new Contacts(app);
    // They may come after the letters that somebody typed to find them.
    this.contacts.subscribe(() => this.changed());
  }

  /** Whether closing the page would lose, or keep back, anything. */
  get isBusy(): boolean {
    const typed = this.letter !== undefined && ['typed', 'saving', 'failed'].includes(this.status);
    return typed || this.#outgoing.size > 0;
  }

  /** Once the session is open: takes up what was not saved when a page was closed. */
  begin(): void {
    const { browser, connection } = this.#app;
    this.#kept = new KeptLetters({
      storage: browser.storage,
      accountId: connection.accountId,
      pageId: browser.pageId,
      now: () => browser.clock.now(),
      newId: browser.newId,
    });
    const [last, ...others] = this.#kept.found();
    if (!last) return;
    void this.#takeUp(last, others);
  }

  async #takeUp(last: Letter, others: readonly Letter[]): Promise<void> {
    await this.#identitiesSoon();
    for (const one of others) if (!(await this.#hasGone(one))) void this.#saveApart(one);
    if (this.letter || (await this.#hasGone(last))) return;
    this.#show({ ...last, isUnsettled: true }, 'typed');
    this.#soon();
  }

  /** Sent by the page that was closed before it could say so. */
  async #hasGone(letter: Letter): Promise<boolean> {
    if (letter.draft === undefined || !(await wasSubmitted(this.#app, letter.draft))) return false;
    this.#kept?.drop(letter);
    return true;
  }

  async open(kind: LetterKind, email?: FullEmail, to: readonly Address[] = []): Promise<void> {
    const closed = this.close();
    // What is taken up again may be what is being saved; others wait for no volume that hangs.
    if (kind === 'edit') await closed;
    await this.#identitiesSoon();
    void this.contacts.load();
    const begin = await beginningOf(this.#app, email, kind).catch((error: unknown) => {
      // Never without the words that it is about: they would be lost with the next save.
      const values = { why: error instanceof Error ? error.message : String(error) };
      this.#app.notices.show({ kind: 'failed', key: 'compose.notBegun', values });
    });
    if (!begin) return;
    const again = (identities: readonly Identity[]): Letter => {
      const letter = begunAs(kind, email, { ...begin, identities });
      return to.length > 0 ? { ...letter, to } : letter;
    };
    const letter = again(this.identities);
    if (letter.identityId === undefined) this.#begun.set(letter.id, { letter, again });
    this.#show(letter, 'fresh');
  }

  edit(some: Partial<Letter>): void {
    if (!this.letter) return;
    this.letter = { ...this.letter, ...some };
    this.doubt = undefined;
    this.status = 'typed';
    this.#kept?.put(this.letter);
    this.#soon();
    this.changed();
  }

  setSender(id: string): void {
    const to = this.identities.find((one) => one.id === id);
    const from = this.identities.find((one) => one.id === this.letter?.identityId);
    if (this.letter && to) this.edit(asSender(this.letter, from, to));
  }

  setKind(isPlain: boolean): void {
    if (this.letter) this.edit(asKind(this.letter, isPlain));
  }

  /** @param shown a picture for the text where it is put; else it is attached */
  attach(
    files: readonly File[],
    shown: (file: File) => string | undefined = () => undefined,
  ): void {
    const added = files.map((file): LetterFile => {
      const id = this.#app.browser.newId();
      const { name, type, size } = file;
      this.progress.set(id, { sent: 0, error: undefined, file, abort: new AbortController() });
      const known = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(type) ? type : 'application/octet-stream';
      return { id, name, type: known, size, cid: shown(file), blobId: undefined };
    });
    const all = [...(this.letter?.files ?? []), ...added];
    this.edit({
      files: all.toSorted((a, b) => Number(a.cid === undefined) - Number(b.cid === undefined)),
    });
    for (const { id } of added) void this.upload(id);
  }

  async upload(id: string): Promise<void> {
    const known = this.progress.get(id);
    if (!known) return;
    const tell = (some: Partial<FileProgress>): void => {
      const now = this.progress.get(id);
      if (now) this.progress.set(id, { ...now, ...some });
      this.changed();
    };
    tell({ error: undefined, sent: 0 });
    try {
      const { signal } = known.abort;
      const onProgress = (sent: number): void => tell({ sent });
      const blobId = await uploadFile(this.#app, known.file, { onProgress, signal });
      const files = this.letter?.files.map((one) => (one.id === id ? { ...one, blobId } : one));
      this.progress.delete(id);
      if (files) this.edit({ files });
    } catch (error) {
      tell({ error: error instanceof Error ? error.message : String(error) });
    }
  }

  removeFile(id: string): void {
    this.progress.get(id)?.abort.abort();
    this.progress.delete(id);
    this.edit({ files: this.letter?.files.filter((one) => one.id !== id) ?? [] });
  }

  /** Saves what is to be saved, and shows no letter. */
  async close(): Promise<void> {
    const { letter, status } = this;
    if (!letter) return;
    this.#callOff?.();
    const isWorth = status !== 'fresh' && status !== 'saved';
    this.letter = undefined;
    this.changed();
    if (isWorth && !(letter.draft === undefined && isEmpty(letter, this.#signature(letter)))) {
      await this.#saveApart(letter);
    } else this.#kept?.drop(letter);
  }

  /** The page is hidden, and may never be seen again; or the user wants it saved now. */
  flush(): void {
    if (this.letter && (this.status === 'typed' || this.status === 'failed')) this.#save();
  }

  /** With all its saved states, after Undo is over. */
  discard(): void {
    const { letter } = this;
    if (!letter) return;
    this.#forget();
    const { notices } = this.#app;
    const callOff = this.#app.browser.clock.after(SEND_AFTER_MS + 4000, () => {
      void this.#after(async () => {
        this.#kept?.drop(letter);
        await discardDraft(this.#app, letter);
        this.#app.news();
      });
    });
    const undo = (): void => {
      callOff();
      this.#show(letter, 'typed');
      this.#soon();
    };
    notices.show({ kind: 'done', key: 'compose.discarded', values: {}, undo });
  }

  /** @param sure the user has seen what is doubted */
  send(sure = false): void {
    const { letter } = this;
    if (!letter) return;
    if ([...letter.to, ...letter.cc, ...letter.bcc].length === 0) {
      return this.#fail('compose.nobody');
    }
    if (letter.files.some(({ blobId }) => blobId === undefined)) return this.#fail('compose.wait');
    if (!sure) {
      this.doubt = doubtOf(letter);
      if (this.doubt) return this.changed();
    }
    this.#forget();
    this.#kept?.put(letter);
    this.#outgoing.add(letter);
    const callOff = this.#app.browser.clock.after(SEND_AFTER_MS, () => void this.#sendNow(letter));
    this.#offerUndo('compose.sending', [letter, letter], callOff);
  }

  #forget(): void {
    this.#callOff?.();
    this.letter = undefined;
    this.doubt = undefined;
    this.error = undefined;
    this.changed();
  }

  #fail(key: 'compose.nobody' | 'compose.wait'): void {
    this.error = this.#app.text?.say(key);
    this.changed();
  }

  async #sendNow(letter: Letter, before?: Attempt): Promise<void> {
    const { notices, browser } = this.#app;
    let { current, isSaved } = before ?? { current: letter, isSaved: false };
    const [isAgain, now] = [isSaved, browser.clock.now()];
    let busy: string | undefined;
    // Nothing waits for Undo any more.
    notices.show({ kind: 'done', key: 'compose.sending', values: {} });
    await this.#after(async () => {
      try {
        if (!isSaved) {
          await this.#loadIdentities();
          await this.#refuseSent(this.#newest(current));
          current = await saveDraft(this.#app, this.#newest(this.#withSender(current)));
          isSaved = true;
          // With the state that is sent: whoever takes it up can ask whether it was.
          this.#kept?.put(current);
        }
        const result = await sendDraft(this.#app, current, isAgain);
        if (result.kind === 'sent') {
          notices.show({ kind: 'done', key: 'compose.sent', values: {} });
          this.#kept?.drop(letter);
          void this.contacts.remember([...letter.to, ...letter.cc, ...letter.bcc]);
        } else if (result.kind === 'busy') busy = result.why;
        else this.#comesBack(current, 'saved', result.kind === 'refused' ? result.why : undefined);
      } catch (error) {
        const why = this.#reason(error);
        if (!isSaved && isBusy(error)) busy = why;
        else this.#comesBack(current, isSaved ? 'saved' : 'failed', why);
      }
      if (busy === undefined) this.#outgoing.delete(letter);
      else this.#sendLater(letter, { ...nextOf(before, now), current, isSaved }, busy);
      this.#app.news();
    });
    browser.clock.after(0, () => this.changed());
  }

  /** A busy farm: the letter waits outside of the queue, so that others are saved and sent. */
  #sendLater(letter: Letter, next: Attempt, why: string): void {
    const { browser } = this.#app;
    const pause = pauseOf(next, browser.clock.now());
    if (pause === undefined) {
      this.#outgoing.delete(letter);
      return this.#comesBack(next.current, next.isSaved ? 'saved' : 'failed', why);
    }
    // What the server made of a save that it says it did not do is found by the next.
    const current = next.isSaved ? next.current : { ...next.current, isUnsettled: true };
    const again = (): void => void this.#sendNow(letter, { ...next, current });
    this.#offerUndo('compose.later', [letter, current], browser.clock.after(pause, again));
  }

  #offerUndo(
    key: 'compose.sending' | 'compose.later',
    [letter, shown]: readonly [Letter, Letter],
    callOff: () => void,
  ): void {
    const undo = (): void => {
      callOff();
      this.#outgoing.delete(letter);
      this.#show(shown, 'typed');
      this.#soon();
    };
    this.#app.notices.show({ kind: 'done', key, values: {}, undo });
  }

  /** It was not sent, or nobody knows: the user decides. */
  #comesBack(letter: Letter, status: 'saved' | 'failed', why: string | undefined): void {
    const key = why === undefined ? 'compose.unknown' : 'compose.failed';
    this.#app.notices.show({ kind: 'failed', key, values: { why: why ?? '' } });
    if (this.letter) {
      // Another is open: it is in Drafts, or goes there when that can be.
      if (status === 'failed') void this.#saveApart({ ...letter, isUnsettled: true });
      return;
    }
    if (status === 'saved') return this.#show(letter, status);
    this.#show({ ...letter, isUnsettled: true }, status);
    this.error = why;
    this.#kept?.put({ ...letter, isUnsettled: true });
    this.#soon(SAVE_AGAIN_MS);
    this.changed();
  }

  /** Another page sent it, or this one, which did not learn of it. Once told, the user decides. */
  async #refuseSent(letter: Letter): Promise<void> {
    if (letter.draft === undefined || this.#told.has(letter.id)) return;
    if (!(await wasSent(this.#app, letter))) return;
    this.#told.add(letter.id);
    throw new Error(this.#app.text?.say('compose.sentBefore'));
  }

  #reason(error: unknown): string {
    const { text } = this.#app;
    const names = error instanceof FilesGone ? error.names.join(', ') : undefined;
    if (names !== undefined && text) return text.say('compose.fileGone', { names });
    return error instanceof Error ? error.message : String(error);
  }

  /** What is known of its saved states may be newer than the letter. */
  #newest(letter: Letter): Letter {
    const known = this.#states.get(letter.id);
    return known ? { ...letter, ...known } : letter;
  }

  /** Those that were begun before it was known who writes. */
  readonly #begun = new Map<string, Begun>();
  readonly #states = new Map<string, Pick<Letter, 'draft' | 'isUnsettled'>>();
  /** Letters of whose being in Sent the user was told. */
  readonly #told = new Set<string>();

  #show(letter: Letter, status: SaveStatus): void {
    this.letter = this.#newest(letter);
    this.status = status;
    this.error = undefined;
    this.doubt = undefined;
    this.changed();
  }

  #soon(ms = SAVE_AFTER_MS): void {
    this.#callOff?.();
    this.#callOff = this.#app.browser.clock.after(ms, () => this.#save());
  }

  #save(): void {
    this.#callOff?.();
    void this.#after(async () => {
      const before = this.letter;
      if (!before || (this.status !== 'typed' && this.status !== 'failed')) return;
      if (before.draft === undefined && isEmpty(before, this.#signature(before))) return;
      this.status = 'saving';
      this.changed();
      try {
        const saved = await this.#saved(before);
        if (this.letter?.id !== before.id) return;
        const isNewer = this.letter !== before;
        this.letter = { ...merged(this.letter, saved) };
        this.status = isNewer ? 'typed' : 'saved';
        this.error = undefined;
        if (isNewer) this.#soon();
        else this.#kept?.drop(saved);
      } catch (error) {
        if (this.letter?.id !== before.id) return;
        this.status = 'failed';
        this.letter = { ...this.letter, isUnsettled: true };
        this.error = this.#reason(error);
        this.#kept?.put(this.letter);
        this.#soon(SAVE_AGAIN_MS);
      }
      this.changed();
      this.#app.news();
    });
  }

  async #saved(letter: Letter): Promise<Letter> {
    await this.#loadIdentities();
    const current = this.#newest(this.#withSender(letter));
    this.#states.set(letter.id, { draft: current.draft, isUnsettled: true });
    // Written before it is begun: whoever takes the letter up after a crash looks for its states.
    this.#kept?.put({ ...current, isUnsettled: true });
    const saved = await saveDraft(this.#app, current);
    this.#states.set(letter.id, { draft: saved.draft, isUnsettled: saved.isUnsettled });
    return saved;
  }

  /** Of a letter that is open no more. What fails stays in the browser for the next page. */
  async #saveApart(letter: Letter): Promise<void> {
    await this.#after(async () => {
      try {
        await this.#saved(letter);
        this.#kept?.drop(letter);
        this.#app.news();
      } catch (error) {
        const why = this.#reason(error);
        this.#app.notices.show({ kind: 'failed', key: 'compose.notSaved', values: { why } });
      }
    });
  }

  /** One after the other. */
  #after(run: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(run, run);
    return this.#last;
  }

  #signature(letter: Letter): string {
    return this.identities.find(({ id }) => id === letter.identityId)?.textSignature ?? '';
  }

  async #loadIdentities(): Promise<void> {
    if (this.identities.length > 0) return;
    const batch = this.#app.newBatch();
    const call = batch.add('Identity/get', { ids: null });
    this.identities = (await this.#app.connection.send(batch)).of(call).list;
    if (this.letter) this.letter = this.#withSender(this.letter);
    this.changed();
  }

  /**
   * A letter opens without a sender rather than not at all: it has one before it is saved. What
   * fails here is asked again by that save, which tells it.
   */
  async #identitiesSoon(): Promise<void> {
    if (this.identities.length > 0) return;
    const loaded = this.#loadIdentities().catch(() => undefined);
    const { clock } = this.#app.browser;
    const waited = new Promise<void>((resolve) => void clock.after(IDENTITIES_WAIT_MS, resolve));
    await Promise.race([loaded, waited]);
  }

  #withSender(letter: Letter): Letter {
    return completed(letter, this.identities, this.#begun.get(letter.id));
  }

  /** Settings changed them. */
  forgetIdentities(): void {
    this.identities = [];
  }
}
