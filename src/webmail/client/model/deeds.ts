import type { Key } from '../i18n/text.ts';
import type { ListEmail } from '../jmap/types.ts';
import type { Action, ActionKind, CountChange } from './actions.ts';
import type { App, Scope } from './app.ts';
import type { Conversation } from './conversation.ts';
import { createFolderOfRole, type DeedRole } from './folder-changes.ts';
import { actionOf, type Intent } from './intents.ts';
import { NOTICE_MS } from './notices.ts';

const DONE: Readonly<Record<ActionKind, Key>> = {
  archive: 'done.archive',
  move: 'done.move',
  trash: 'done.trash',
  junk: 'done.junk',
  'not-junk': 'done.notJunk',
  star: 'done.star',
  unstar: 'done.unstar',
  read: 'done.read',
  unread: 'done.unread',
  destroy: 'done.destroy',
};

/** What may be undone is told; what is seen where it is done is not. */
const QUIET: readonly ActionKind[] = ['star', 'unstar'];

/** Deeds that are named like the folder where they go. */
const ROLES: readonly DeedRole[] = ['archive', 'junk', 'trash'];

/** Ready to go out longer than its notice stands, so that Undo is always in time. */
const DESTROY_AFTER_MS = NOTICE_MS + 2000;

/** What the user does with rows: to which emails, with which notice, and how it is undone. */
export class Deeds {
  readonly #app: App;
  /** Conversations that were read, or marked unread, since they were opened. */
  #readKey: string | undefined;

  constructor(app: App) {
    this.#app = app;
  }

  /** Does it to the selected rows, else to what is open, else to the row that keys mean. */
  do(intent: Intent, scope: Scope = 'selection'): void {
    const { selection, conversation, list } = this.#app;
    if (scope === 'selection' && selection.size > 0) return this.to(intent, selection.emails);
    const position = conversation
      ? (list?.positionOfKey(conversation.key) ?? -1)
      : this.#app.cursor;
    const row = this.#app.rowAt(position)?.email ?? conversation?.emails.at(-1)?.id;
    if (row !== undefined) this.to(intent, [row]);
  }

  /** @param rows the email that stands for each row */
  to(intent: Intent, rows: readonly string[]): void {
    const app = this.#app;
    const kind = intent.kind === 'trash' && this.#inTrash() ? 'destroy' : intent.kind;
    const role = ROLES.find((one) => one === kind);
    if (role && !app.folders.ofRole(role)) {
      void this.#withFolder(role, { ...intent, kind }, rows);
      return;
    }
    const emails = rows.flatMap((id) => this.#meant(kind, id));
    const action = actionOf(
      { ...intent, kind },
      {
        emails,
        folders: app.folders,
        rows: rows.length,
        id: app.browser.newId(),
        now: app.browser.clock.now(),
        undoMs: DESTROY_AFTER_MS,
      },
    );
    if (!action || !app.actions) return;
    if (kind === 'unread') this.#readKey = app.conversation?.key;
    this.#perform(action, rows);
  }

  /** What is open has been seen. */
  read(conversation: Conversation): void {
    if (conversation.status !== 'ready' || this.#readKey === conversation.key) return;
    this.#readKey = conversation.key;
    const unread = conversation.emails.filter((email) => email.keywords['$seen'] !== true);
    const app = this.#app;
    const action = actionOf(
      { kind: 'read' },
      {
        emails: unread,
        folders: app.folders,
        rows: 0,
        id: app.browser.newId(),
        now: 0,
        undoMs: 0,
      },
    );
    if (action) app.actions?.perform(action);
  }

  done(action: Action): void {
    const app = this.#app;
    app.emails.settle(action.patches);
    app.emails.drop(action.destroy);
    const changed = app.folders.all.flatMap((one) => {
      const by = action.counts[one.id];
      if (!by) return [];
      const { totalEmails, unreadEmails } = one;
      return [
        { ...one, totalEmails: totalEmails + by.total, unreadEmails: unreadEmails + by.unread },
      ];
    });
    app.setFolders(app.folders.with(changed));
    app.news();
  }

  failed(action: Action, why: string): void {
    this.#app.notices.show({
      kind: 'failed',
      key: action.kind === 'destroy' ? 'failed.destroy' : 'failed.change',
      values: { count: action.rows, why },
    });
    this.#app.list?.rows.clear();
    this.#app.list?.show(this.#app.cursor, this.#app.cursor + 1);
    this.#app.news();
  }

  #perform(action: Action, rows: readonly string[]): void {
    const app = this.#app;
    const { list, conversation } = app;
    const openAt = conversation && list ? list.positionOfKey(conversation.key) : -1;
    app.actions?.perform(action);
    const leaving = new Set(rows.filter((id) => app.isLeaving(id)));
    const places = list?.rows.remove(leaving) ?? [];
    if (rows.some((id) => app.selection.emails.includes(id))) app.selection.clear();
    app.setCursor(app.cursor);
    if (!QUIET.includes(action.kind)) {
      app.notices.show({
        kind: 'done',
        key: DONE[action.kind],
        values: { count: action.rows, folder: action.folder ?? '' },
        undo: () => {
          this.#undo(action);
          if (list === app.list) list?.rows.insert(places);
          app.touch();
        },
      });
    }
    // What is open has gone: the next one takes its place, as it does in the list.
    const gone = openAt >= 0 && places.some(({ position }) => position === openAt);
    if (gone && app.rowAt(openAt) && !isNarrow()) app.openRow(openAt);
    else if (gone) app.close();
  }

  #undo(action: Action): void {
    const app = this.#app;
    if (app.actions?.takeBack(action) || action.destroy.length > 0) return;
    const counts = Object.entries(action.counts).map(([folder, by]): [string, CountChange] => [
      folder,
      { total: -by.total, unread: -by.unread },
    ]);
    app.actions?.perform({
      ...action,
      id: app.browser.newId(),
      patches: action.undo,
      undo: action.patches,
      counts: Object.fromEntries(counts),
    });
  }

  #inTrash(): boolean {
    const { folder, folders } = this.#app;
    return folder !== undefined && folder === folders.ofRole('trash')?.id;
  }

  /** The emails of a row that an action means. */
  #meant(kind: ActionKind, id: string): ListEmail[] {
    const { emails, list, folder, folders } = this.#app;
    const own = emails.get(id);
    if (!own) return [];
    if (!list?.threads) return [own];
    const all = (emails.thread(own.threadId) ?? [id]).flatMap((one) => emails.get(one) ?? []);
    if (kind === 'star' || kind === 'unread') return [own];
    if (kind === 'read' || kind === 'unstar') return all;
    if (folder !== undefined) return all.filter((email) => email.mailboxIds[folder]);
    // From a search: not what the user sent, writes, or has thrown away.
    const left = (['sent', 'drafts', 'trash', 'junk'] as const).map(
      (role) => folders.ofRole(role)?.id ?? '',
    );
    const rest = all.filter((email) => !left.some((one) => email.mailboxIds[one]));
    return rest.length > 0 ? rest : [own];
  }

  /** A new mailbox has an inbox only: what is missing is made when it is first needed. */
  async #withFolder(role: DeedRole, intent: Intent, rows: readonly string[]): Promise<void> {
    const why = await createFolderOfRole(this.#app, role);
    if (why === undefined) this.to(intent, rows);
    else this.#app.notices.show({ kind: 'failed', key: 'failed.change', values: { why } });
  }
}

/** One pane at a time: after a deed the list is what the user wants to see. */
const isNarrow = (): boolean => globalThis.matchMedia?.('(max-width: 43.99rem)').matches ?? false;
