/**
 * The whole client without its views: what is open, what is selected, what the user does. Views
 * look at it when it says that it has changed.
 */
import { signIn, signOut, type Credentials, type SignInResult } from '../auth.ts';
import { Composer } from '../compose/composer.ts';
import type { LetterKind } from '../compose/letter.ts';
import { Formats } from '../i18n/dates.ts';
import { LANGUAGES, preferredLanguage, Text } from '../i18n/text.ts';
import { Batch } from '../jmap/batch.ts';
import { Connection } from '../jmap/connection.ts';
import { Push } from '../jmap/push.ts';
import type { BodyPart, Filter, FullEmail, ListEmail } from '../jmap/types.ts';
import { Observable } from '../observable.ts';
import { formatRoute, parseRoute, type Route } from '../routes.ts';
import { searchOf, type Unclear } from '../search/filter.ts';
import { Actions } from './actions.ts';
import { Conversation } from './conversation.ts';
import { Emails } from './emails.ts';
import { folderOfRole } from './folder-changes.ts';
import { Folders } from './folders.ts';
import { MailList } from './list.ts';
import { Notices } from './notices.ts';
import type { Browser } from './parts.ts';
import { QueueStore } from './queue-store.ts';
import { Selection } from './selection.ts';
import { Settings } from './settings.ts';
import { Sync } from './sync.ts';
import { Deeds } from './deeds.ts';

export type AnswerKind = 'reply' | 'replyAll' | 'forward';

const LOGIN_STORED_AS = 'mailfarm.login';
const SIGNED_OUT_STORED_AS = 'mailfarm.signedOut';

/** What a command is done to: what is selected, else what is open; or what is open at any rate. */
export type Scope = 'selection' | 'open';

/** What stands above the page, if anything. */
export type Sheet =
  | { readonly kind: 'help' }
  /** `open`: what is read, whatever is selected. */
  | { readonly kind: 'move'; readonly scope: Scope }
  | { readonly kind: 'new-folder'; readonly parent: string | undefined }
  | { readonly kind: 'rename-folder' | 'remove-folder'; readonly folder: string };

export class App extends Observable {
  readonly browser: Browser;
  readonly connection: Connection;
  readonly settings: Settings;
  readonly notices: Notices;
  readonly selection = new Selection();
  readonly emails: Emails;
  readonly deeds: Deeds;
  /** What is written. */
  readonly letters: Composer;
  #actions: Actions | undefined;
  #sync: Sync | undefined;
  #push: Push | undefined;
  text: Text | undefined;
  formats = new Formats('en');
  folders = new Folders([]);
  route: Route;
  list: MailList | undefined;
  conversation: Conversation | undefined;
  unclear: readonly Unclear[] = [];
  /** Position of the row that keys mean. */
  cursor = 0;
  sheet: Sheet | undefined;
  /** Whether the folders stand over the list, on a narrow screen. */
  foldersOpen = false;

  constructor(browser: Browser) {
    super();
    this.browser = browser;
    this.settings = new Settings(browser.storage);
    this.notices = new Notices(browser.clock);
    this.connection = new Connection({ fetch: browser.fetch, clock: browser.clock });
    this.emails = new Emails(() => this.#actions?.overlays() ?? []);
    this.deeds = new Deeds(this);
    this.letters = new Composer(this);
    this.letters.subscribe(() => this.changed());
    this.route = parseRoute(browser.address.get());
    this.connection.subscribe(() => this.changed());
    this.notices.subscribe(() => this.changed());
    this.settings.subscribe(() => void this.#chosen());
  }

  get actions(): Actions | undefined {
    return this.#actions;
  }

  /** Who signed in here last. */
  get login(): string {
    return this.browser.storage.getItem(LOGIN_STORED_AS) ?? '';
  }

  /** Opens a letter to write in. */
  readonly composer = (kind: LetterKind, email?: FullEmail): void => {
    void this.letters.open(kind, email);
  };

  get isReady(): boolean {
    return this.folders.all.length > 0;
  }

  /** The folder that is open; undefined in a search. */
  get folder(): string | undefined {
    if (this.route.kind !== 'folder') return undefined;
    return this.route.folder ?? this.folders.ofRole('inbox')?.id ?? this.#rememberedInbox();
  }

  /** The list that is open, as the address says it. */
  get place(): string {
    const { route, folder } = this;
    return placeOf(route.kind === 'folder' ? { ...route, folder } : route);
  }

  newBatch(): Batch {
    return new Batch(this.connection.accountId);
  }

  async start(): Promise<void> {
    await this.#speak();
    await this.connection.open();
    this.#begin();
  }

  /** Nothing is sent or asked for any more. */
  end(): void {
    this.#push?.end();
    this.#sync?.end();
    this.#actions?.end();
    this.list?.end();
    this.conversation?.end();
  }

  async signIn(credentials: Credentials): Promise<SignInResult> {
    const result = await signIn(this.browser.fetch, credentials);
    if (result.kind !== 'signed-in') return result;
    this.#remember(LOGIN_STORED_AS, credentials.login);
    // The page keeps what it has for the same user, and nothing of it for another.
    if (this.isReady) {
      const before = this.connection.accountId;
      const response = await this.browser.fetch('/.well-known/jmap', { cache: 'no-store' });
      const session = (await response.json()) as { primaryAccounts?: Record<string, string> };
      const now = session.primaryAccounts?.['urn:ietf:params:jmap:mail'];
      if (now !== before) this.browser.reload();
    }
    this.connection.wake();
    return result;
  }

  async signOut(): Promise<void> {
    this.notices.show({ kind: 'done', key: 'signOut.busy', values: {} });
    const how = await signOut(this.browser.fetch);
    if (how === 'failed') {
      const retry = (): void => void this.signOut();
      return this.notices.show({ kind: 'failed', key: 'signOut.failed', values: {}, retry });
    }
    if (how === 'here') this.#remember(SIGNED_OUT_STORED_AS, how);
    this.browser.reload();
  }

  /** Once, after the page was loaded again: the session could not be ended but in this browser. */
  takeSignedOutHere(): boolean {
    const { storage } = this.browser;
    const isHere = storage.getItem(SIGNED_OUT_STORED_AS) !== null;
    if (isHere) storage.removeItem(SIGNED_OUT_STORED_AS);
    return isHere;
  }

  /** Something may have changed at the server. */
  news(): void {
    this.#sync?.soon();
  }

  touch(): void {
    this.changed();
  }

  show(sheet: Sheet | undefined): void {
    this.sheet = sheet;
    this.changed();
  }

  toggleFolders(open: boolean): void {
    this.foldersOpen = open;
    this.changed();
  }

  /** The address changed: by us, by Back, by hand. */
  followAddress(): void {
    this.#go(parseRoute(this.browser.address.get()));
  }

  go(route: Route, how: 'push' | 'replace' = 'push'): void {
    this.browser.address.go(formatRoute(route), how);
    this.#go(route);
  }

  openFolder(folder: string): void {
    this.foldersOpen = false;
    this.go({ kind: 'folder', folder, open: undefined });
  }

  search(text: string): void {
    if (text.trim() !== '') this.go({ kind: 'search', text: text.trim(), open: undefined });
    else if (this.route.kind === 'search') {
      this.go({ kind: 'folder', folder: undefined, open: undefined });
    }
  }

  /** Opens the row at a position; one after the other they are one step of Back. */
  openRow(position: number): void {
    const id = this.list?.rows.at(position);
    if (id === undefined || !this.list || this.route.kind === 'page') return;
    this.cursor = position;
    const how = this.route.open === undefined ? 'push' : 'replace';
    this.go({ ...this.route, open: this.list.key(id) }, how);
  }

  close(): void {
    if (this.route.kind === 'page') this.go({ kind: 'folder', folder: undefined, open: undefined });
    else if (this.route.open !== undefined) this.go({ ...this.route, open: undefined }, 'replace');
  }

  /** Row, email and key at a position, where they are known. */
  rowAt(position: number): { readonly key: string; readonly email: string } | undefined {
    const email = this.list?.rows.at(position);
    return email !== undefined && this.list ? { key: this.list.key(email), email } : undefined;
  }

  setCursor(position: number): void {
    const last = (this.list?.rows.length ?? 1) - 1;
    this.cursor = Math.max(0, Math.min(position, last));
    this.changed();
  }

  /** Where a part is fetched from (RFC 8620 §6.2): always as a file, never as a page. */
  downloadUrl(part: Pick<BodyPart, 'blobId' | 'name' | 'type'>): string {
    const values: Record<string, string> = {
      accountId: this.connection.accountId,
      blobId: part.blobId ?? '',
      name: part.name?.trim() || 'file',
      type: part.type,
    };
    return this.connection.session.downloadUrl.replace(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(values[name] ?? ''),
    );
  }

  /** Those that are known: as far as the list has been looked at. */
  selectAll(): void {
    const { list } = this;
    if (!list || this.deeds.jobs.here) return;
    const ids = list.rows.slice(0, list.rows.length);
    this.selection.addShown(ids.map((id): [string, string] => [list.key(id), id]));
    this.changed();
  }

  /** Emails that a folder has more, or fewer, than the server has said. */
  unread(folder: string): number {
    const told = this.folders.get(folder)?.unreadEmails ?? 0;
    const waiting = this.#actions?.laidOver ?? [];
    return waiting.reduce((sum, { counts }) => sum + (counts[folder]?.unread ?? 0), told);
  }

  /** Of an open list: the action that takes this row away is under way. */
  isLeaving(emailId: string): boolean {
    if (this.#actions?.isDestroying(emailId)) return true;
    const { folder } = this;
    const email = this.emails.get(emailId);
    if (folder === undefined || !email || (this.#actions?.laidOver.length ?? 0) === 0) return false;
    const ids = this.list?.threads ? this.emails.thread(email.threadId) : undefined;
    const all = (ids ?? [emailId]).flatMap((id) => this.emails.get(id) ?? []);
    return !all.some((one) => one.mailboxIds[folder] && !this.#actions?.isDestroying(one.id));
  }

  async #speak(): Promise<void> {
    const { language } = this.settings.choices;
    const chosen = language === 'auto' ? preferredLanguage(this.browser.languages) : language;
    if (this.text?.language === chosen) return;
    this.text = new Text(chosen, await LANGUAGES[chosen].load());
    const regional = this.browser.languages.find((tag) => tag.split('-')[0] === chosen);
    this.formats = new Formats(regional ?? chosen);
    this.changed();
  }

  async #chosen(): Promise<void> {
    await this.#speak();
    if (this.list && this.list.threads !== this.settings.choices.threads) {
      this.close();
      this.#openList();
    }
    this.changed();
  }

  #begin(): void {
    const { connection, browser, emails } = this;
    const { clock, storage } = browser;
    this.#actions = new Actions({
      connection,
      clock,
      newBatch: () => this.newBatch(),
      store: new QueueStore({
        storage,
        accountId: connection.accountId,
        pageId: browser.pageId,
        now: () => clock.now(),
      }),
      folderOfRole: (role) => folderOfRole(this, role),
      onSend: () => this.deeds.sending(),
      onDone: (action) => this.deeds.done(action),
      onFailed: (action, why) => this.deeds.failed(action, why),
    });
    this.#actions.subscribe(() => this.changed());
    this.#sync = new Sync({
      connection,
      clock,
      emails,
      newBatch: () => this.newBatch(),
      list: () => this.list,
      conversation: () => this.conversation,
      folders: () => this.folders,
      onFolders: (folders) => this.setFolders(folders),
      onNews: () => this.changed(),
    });
    const isLeft = this.#actions.pending.length > 0;
    void this.#first(this.#sync).then(() => {
      this.letters.begin();
      // What was left from before may have been done, and folders made, after the first look.
      if (isLeft) this.news();
    });
    this.#push = new Push(connection.session.eventSourceUrl, {
      clock,
      open: (url) => browser.openStream(url, connection.accountId),
      onChange: () => this.news(),
    });
  }

  /** Folders, states and the first rows: one request, where the inbox is known from before. */
  async #first(sync: Sync): Promise<void> {
    const batch = this.newBatch();
    const take = sync.start(batch);
    const list = this.folder === undefined ? undefined : this.#makeList();
    const calls = list?.look(batch);
    const answers = await this.connection.send(batch);
    take(answers);
    if (list && calls && answers.maybe(calls.query)) {
      this.#setList(list);
      list.take(answers, calls);
    }
    this.#go(this.route);
  }

  setFolders(folders: Folders): void {
    this.folders = folders;
    const inbox = folders.ofRole('inbox');
    // With it the first list of the next time comes one request sooner.
    if (inbox) this.#remember(this.#inboxName(), inbox.id);
    this.changed();
  }

  #remember(name: string, value: string): void {
    try {
      this.browser.storage.setItem(name, value);
    } catch {
      // Private browsing: nothing is remembered.
    }
  }

  #rememberedInbox(): string | undefined {
    return this.browser.storage.getItem(this.#inboxName()) ?? undefined;
  }

  #inboxName(): string {
    return `mailfarm.inbox.${this.connection.accountId}`;
  }

  #go(route: Route): void {
    const before = this.route;
    this.route = route;
    this.sheet = undefined;
    if (!this.isReady) return this.changed();
    const same = this.list && placeOf(before) === placeOf(route);
    if (route.kind !== 'page' && !same) this.#openList();
    this.#openConversation(route.kind === 'page' ? undefined : route.open);
    this.changed();
  }

  #openList(): void {
    this.selection.clear();
    this.cursor = 0;
    const list = this.#makeList();
    if (!list) {
      this.list?.end();
      this.list = undefined;
      return;
    }
    this.#setList(list);
    list.show(0, 1);
  }

  #setList(list: MailList): void {
    this.list?.end();
    this.list = list;
    list.subscribe(() => this.changed());
  }

  #makeList(): MailList | undefined {
    const filter = this.#filter();
    if (!filter) return undefined;
    return new MailList({
      connection: this.connection,
      emails: this.emails,
      threads: this.settings.choices.threads,
      filter,
      newBatch: () => this.newBatch(),
      isLeaving: (id) => this.isLeaving(id),
    });
  }

  #filter(): Filter | undefined {
    const { route, folder } = this;
    this.unclear = [];
    if (route.kind !== 'search') return folder === undefined ? undefined : { inMailbox: folder };
    const left = (['trash', 'junk'] as const).flatMap(
      (role) => this.folders.ofRole(role)?.id ?? [],
    );
    const search = searchOf(route.text, {
      now: this.browser.clock.now(),
      offsetMinutes: this.browser.offsetMinutes(),
      folder: (name) => this.#folderNamed(name),
      left,
    });
    this.unclear = search.unclear;
    return search.filter;
  }

  #folderNamed(name: string): string | undefined {
    const wanted = name.toLocaleLowerCase();
    const found = this.folders.all.find((one) => {
      const path = this.folders.path(one.id).map((part) => part.name);
      return [one.name, path.join('/'), one.role ?? ''].some(
        (known) => known.toLocaleLowerCase() === wanted,
      );
    });
    return found?.id;
  }

  #openConversation(key: string | undefined): void {
    if (key === this.conversation?.key) return;
    this.conversation?.end();
    this.conversation = undefined;
    if (key === undefined) return;
    const threads = this.list?.threads ?? this.settings.choices.threads;
    const conversation = new Conversation(key, threads, {
      connection: this.connection,
      emails: this.emails,
      newBatch: () => this.newBatch(),
      isHidden: (email) => this.#isHidden(email),
    });
    this.conversation = conversation;
    conversation.subscribe(() => {
      if (this.conversation === conversation) this.deeds.read(conversation);
      this.changed();
    });
    const at = this.list?.positionOfKey(key) ?? -1;
    if (at >= 0) this.cursor = at;
  }

  /** What was thrown away is shown where it lies, not in every conversation. */
  #isHidden(email: ListEmail): boolean {
    const away = (['trash', 'junk'] as const).map((role) => this.folders.target(role));
    if (this.folder !== undefined && away.includes(this.folder)) return false;
    const here = Object.keys(email.mailboxIds);
    return here.length > 0 && here.every((id) => away.includes(id));
  }
}

/** What is listed: a route without what is open in it. */
function placeOf(route: Route): string {
  return route.kind === 'page' ? '' : formatRoute({ ...route, open: undefined });
}
