/**
 * What is done to a whole folder, or to all that a search found. It is too much for one request and
 * for the screen: it goes out in pieces, each an action of the kept queue (`actions.ts`) with the
 * job's name on it, and instead of the list the screen says how far it is.
 *
 * - What is shown is what the server has done: pieces are not laid over the screen.
 * - Stop takes back what has not gone out. Undo takes back the pieces that this page saw done, as
 *   another job; a page that was loaded again goes on with the rest, and has no Undo for what was
 *   done before.
 * - A piece that is refused ends the job: what was done before it stays, and is told, with Undo.
 */
import type { Placed } from '../jmap/types.ts';
import { inverted, type Action, type ActionKind, type Job } from './actions.ts';
import type { App } from './app.ts';
import { actionOf, type Intent } from './intents.ts';
import { DESTROY_AFTER_MS, DONE } from './notices.ts';

/** Emails of one piece, which is one request (maxObjectsInSet is 500 or more). */
const PIECE = 200;

export interface Progress {
  readonly kind: ActionKind;
  readonly isUndo: boolean;
  /** Emails. */
  readonly done: number;
  readonly total: number;
}

export class Jobs {
  readonly #app: App;
  /** Of the jobs under way: what this page saw done. */
  readonly #seen = new Map<string, Action[]>();

  constructor(app: App) {
    this.#app = app;
  }

  /** Of the list that is open. */
  get here(): Progress | undefined {
    const { place, actions } = this.#app;
    const pieces = actions?.pending.filter(({ job }) => job?.place === place) ?? [];
    const [first] = pieces;
    if (!first?.job) return undefined;
    const { total, isUndo = false, id } = first.job;
    const left = sizeOf(pieces.filter(({ job }) => job?.id === id));
    return { kind: first.kind, isUndo, done: total - left, total };
  }

  /** @param emails all that are meant */
  start(intent: Intent, emails: readonly Placed[]): void {
    const app = this.#app;
    const pieces: Action[] = [];
    for (let at = 0; at < emails.length; at += PIECE) {
      const some = emails.slice(at, at + PIECE);
      const piece = actionOf(intent, {
        emails: some,
        folders: app.folders,
        rows: some.length,
        id: app.browser.newId(),
        now: app.browser.clock.now(),
        undoMs: DESTROY_AFTER_MS,
      });
      if (piece) pieces.push(piece);
    }
    this.#begin(pieces, false);
  }

  /** Takes back what has not gone out. */
  stop(): void {
    const { actions, place } = this.#app;
    const left = actions?.pending.filter(({ job }) => job?.place === place) ?? [];
    const taken = actions?.takeBackAll(left) ?? [];
    // One that is under way ends it when it is done.
    const [first] = left;
    if (first?.job && taken.length === left.length) this.#end(first, first.job);
  }

  done(piece: Action, job: Job): void {
    const seen = this.#seen.get(job.id) ?? [];
    this.#seen.set(job.id, [...seen, piece]);
    if (!this.#isLeft(job)) this.#end(piece, job);
  }

  failed(piece: Action, job: Job, why: string): void {
    const { actions } = this.#app;
    actions?.takeBackAll(actions.pending.filter((one) => one.job?.id === job.id));
    this.#end(piece, job, why);
  }

  #isLeft({ id }: Job): boolean {
    return this.#app.actions?.pending.some(({ job }) => job?.id === id) ?? false;
  }

  #begin(pieces: readonly Action[], isUndo: boolean): void {
    const app = this.#app;
    app.selection.clear();
    if (pieces.length === 0) return app.touch();
    app.close();
    const { place } = app;
    const job: Job = { id: app.browser.newId(), place, total: sizeOf(pieces), isUndo };
    app.actions?.performAll(pieces.map((piece) => ({ ...piece, job })));
  }

  #end(last: Action, job: Job, why?: string): void {
    const app = this.#app;
    const seen = this.#seen.get(job.id) ?? [];
    this.#seen.delete(job.id);
    const count = sizeOf(seen);
    const undo =
      count === 0 || job.isUndo === true || last.kind === 'destroy'
        ? undefined
        : () =>
            this.#begin(
              seen.toReversed().map((one) => inverted(one, app.browser.newId())),
              true,
            );
    const values = { count, folder: last.folder ?? '', why: why ?? '' };
    if (why !== undefined) app.notices.show({ kind: 'failed', key: 'job.failed', values, undo });
    else if (count > 0 && job.isUndo !== true) {
      app.notices.show({ kind: 'done', key: DONE[last.kind], values, undo });
    }
    if (job.place === app.place) {
      app.list?.rows.clear();
      app.setCursor(0);
      app.list?.show(0, 1);
    }
    app.touch();
  }
}

const sizeOf = (pieces: readonly Action[]): number =>
  pieces.reduce(
    (sum, { patches, destroy }) => sum + Object.keys(patches).length + destroy.length,
    0,
  );
