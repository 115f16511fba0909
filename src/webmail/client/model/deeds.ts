import type { Batch } from '../jmap/batch.ts';
import type { ListEmail } from '../jmap/types.ts';
import { inverted, type Action, type ActionKind } from './actions.ts';
import type { App, Scope } from './app.ts';
import type { Conversation } from './conversation.ts';
import { actionOf, type Intent } from './intents.ts';
import type { Folders } from './folders.ts';
import { gatherAll } from './gather.ts';
import { Jobs } from './jobs.ts';
import { DESTROY_AFTER_MS, DONE } from './notices.ts';

/** What may be undone is told; what is seen where it is done is not. */
const QUIET: readonly ActionKind[] = ['star', 'unstar'];

/** What the user does with rows: to which emails, with which notice, and how it is undone. */
export class Deeds {
  readonly #app: App;
  readonly jobs: Jobs;
  /** Conversations that were read, or marked unread, since they were opened. */
  #readKey: string | undefined;
  /** Folders when the last action went out. */
  #told: Folders | undefined;

  constructor(app: App) {
    this.#app = app;
    this.jobs = new Jobs(app);
  }

  /** Does it to the selected rows, else to what is open, else to the row that keys mean. */
  do(intent: Intent, scope: Scope = 'selection'): void {
    const { selection, conversation, list } = this.#app;
    // Where a job stands there are no rows to mean.
    if (this.jobs.here && !conversation) return;
    if (scope === 'selection' && selection.whole) {
      const kind = this.#kindOf(intent);
      return this.jobs.start({ ...intent, kind }, selection.whole.emails);
    }
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
    const kind = this.#kindOf(intent);
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

  /** Rows were dragged to a folder: one that is selected stands for all that are. */
  drop(folder: string, rows: readonly string[]): void {
    const { selection } = this.#app;
    const [first] = rows;
    const isWhole = selection.whole && first !== undefined && selection.emails.includes(first);
    if (isWhole) this.do({ kind: 'move', folder });
    else this.to({ kind: 'move', folder }, rows);
  }

  /** Selects all that are in the folder, or that the search finds, at this moment. */
  async selectWhole(): Promise<void> {
    const app = this.#app;
    const { list, selection, connection } = app;
    if (!list) return;
    const signal = selection.gather();
    const onCount = (count: number): void => {
      selection.tell(count);
      app.touch();
    };
    app.touch();
    try {
      const newBatch = (): Batch => app.newBatch();
      const { filter } = list;
      const all = await gatherAll({ connection, newBatch, filter, signal, onCount });
      const keys = new Set(all.emails.map((one) => (list.threads ? one.threadId : one.id)));
      selection.take({ ...all, keys });
    } catch (error) {
      if (signal.aborted) return;
      selection.take(undefined);
      const values = { why: error instanceof Error ? error.message : String(error) };
      app.notices.show({ kind: 'failed', key: 'list.failed', values });
    }
    app.touch();
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

  /** Of what is done from now on the server may tell before it answers. */
  sending(): void {
    this.#told = this.#app.folders;
  }

  done(action: Action): void {
    const app = this.#app;
    app.emails.settle(action.patches);
    app.emails.drop(action.destroy);
    const changed = app.folders.all.flatMap((one) => {
      const by = action.counts[one.id];
      // What was told meanwhile may have it in already: the next look tells in any case.
      if (!by || one !== this.#told?.get(one.id)) return [];
      const { totalEmails, unreadEmails } = one;
      return [
        { ...one, totalEmails: totalEmails + by.total, unreadEmails: unreadEmails + by.unread },
      ];
    });
    app.setFolders(app.folders.with(changed));
    if (action.job) this.jobs.done(action, action.job);
    app.news();
  }

  failed(action: Action, why: string): void {
    if (action.job) return this.jobs.failed(action, action.job, why);
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
    app.actions?.perform(inverted(action, app.browser.newId()));
  }

  /** What lies in Trash goes for ever. */
  #kindOf({ kind }: Intent): ActionKind {
    return kind === 'trash' && this.#inTrash() ? 'destroy' : kind;
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
    const left = (['sent', 'drafts', 'trash', 'junk'] as const).map((role) => folders.target(role));
    const rest = all.filter((email) => !left.some((one) => email.mailboxIds[one]));
    return rest.length > 0 ? rest : [own];
  }
}

/** One pane at a time: after a deed the list is what the user wants to see. */
const isNarrow = (): boolean => globalThis.matchMedia?.('(max-width: 43.99rem)').matches ?? false;
