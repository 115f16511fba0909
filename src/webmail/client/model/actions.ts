/**
 * What the user does to emails. It is so on the screen at once, and is sent in the order in which
 * it was done. Invariants:
 *
 * - Nothing done is lost: what waits is kept in the browser's storage, and goes out after the line,
 *   the session or the page has come back. Each is repeatable: sent twice, it does the same as
 *   once.
 * - The screen is truth with what waits laid over it (`Emails`): a refusal takes the action away,
 *   and with it its trace.
 * - What destroys is not sent before its time to be undone is over.
 * - What goes to a folder that does not exist yet waits like all else, with the role in the place
 *   of the id (`unmade`); the folder is found, or made, when its turn comes.
 *
 * Races: an answer that is lost after the node did it (repeated, same result; an email that is gone
 * by then is no failure); another client moved the email meanwhile (`updateOf`); undo while the
 * request is under way (the inverse goes out after it, in order); two pages of one browser
 * (`QueueStore`); a folder that is made for two actions, or by another client meanwhile (a role has
 * one folder: who comes second finds it).
 */
import type { Clock } from '../clock.ts';
import type { Batch } from '../jmap/batch.ts';
import type { Connection } from '../jmap/connection.ts';
import type { SetError, SetResponse } from '../jmap/types.ts';
import { Observable } from '../observable.ts';
import { unmadeRole, type DeedRole } from './folders.ts';
import { updateOf, type Patch, type Patches } from './patch.ts';
import type { QueueStore } from './queue-store.ts';

export type ActionKind =
  | 'archive'
  | 'move'
  | 'trash'
  | 'junk'
  | 'not-junk'
  | 'star'
  | 'unstar'
  | 'read'
  | 'unread'
  | 'destroy';

/** How many more emails a folder has because of an action. */
export interface CountChange {
  readonly total: number;
  readonly unread: number;
}

/** A deed that is too much for one request: all its pieces have this. */
export interface Job {
  readonly id: string;
  /** The list that it was done to, as the address says it. */
  readonly place: string;
  /** Emails of all pieces, done or not. */
  readonly total: number;
  /** It takes another one back. */
  readonly isUndo?: boolean | undefined;
}

export interface Action {
  readonly id: string;
  readonly kind: ActionKind;
  /** Rows that the user did it to. */
  readonly rows: number;
  /** Name of the folder where they go. */
  readonly folder?: string | undefined;
  readonly patches: Patches;
  /** What makes it undone; for `destroy` there is nothing but time. */
  readonly undo: Patches;
  readonly destroy: readonly string[];
  readonly counts: Readonly<Record<string, CountChange>>;
  /** Not to be sent before; milliseconds since 1970. */
  readonly notBefore: number;
  readonly job?: Job | undefined;
}

export interface ActionParts {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly newBatch: () => Batch;
  readonly store: Pick<QueueStore, 'save' | 'takeUp'>;
  /** Finds it or makes it. @throws Error that says why there is none */
  readonly folderOfRole: (role: DeedRole) => Promise<string>;
  /** A request goes out, or several; nothing else comes between. */
  readonly onSend: () => void;
  /** The server has done it: as it was sent, every folder by its id. */
  readonly onDone: (action: Action) => void;
  /** The server will not do it. */
  readonly onFailed: (action: Action, why: string) => void;
}

/** In one request: Email/set has a limit of objects (maxObjectsInSet, RFC 8620 §2). */
const OBJECTS_MAX = 200;

export class Actions extends Observable {
  readonly #parts: ActionParts;
  #queue: Action[] = [];
  /** Under way, no longer to be called back. */
  #sent: Action | undefined;
  #running = false;
  #callOff: (() => void) | undefined;

  constructor(parts: ActionParts) {
    super();
    this.#parts = parts;
    this.#queue = parts.store.takeUp();
    this.#store();
    if (this.#queue.length > 0) void this.#run();
  }

  /** All that is laid over what the server says, the oldest first. */
  *overlays(): Generator<Patches> {
    for (const action of this.laidOver) yield action.patches;
  }

  /** A job is not: its pieces are seen when they are done (`jobs.ts`). */
  get laidOver(): readonly Action[] {
    return this.pending.filter(({ job }) => !job);
  }

  get pending(): readonly Action[] {
    return this.#sent ? [this.#sent, ...this.#queue] : this.#queue;
  }

  isDestroying(emailId: string): boolean {
    return this.laidOver.some((action) => action.destroy.includes(emailId));
  }

  perform(action: Action): void {
    this.performAll([action]);
  }

  performAll(actions: readonly Action[]): void {
    this.#queue.push(...actions);
    this.#store();
    this.changed();
    void this.#run();
  }

  /**
   * Takes an action back, if it has not gone out.
   *
   * @returns false: it is done or under way, and its inverse is what undoes it
   */
  takeBack(action: Action): boolean {
    return this.takeBackAll([action]).length > 0;
  }

  /** @returns those that had not gone out */
  takeBackAll(actions: readonly Action[]): readonly Action[] {
    const taken = actions.filter((one) => this.#queue.includes(one));
    if (taken.length === 0) return taken;
    this.#queue = this.#queue.filter((one) => !taken.includes(one));
    this.#store();
    this.changed();
    return taken;
  }

  end(): void {
    this.#callOff?.();
    this.#running = true; // Nothing starts any more.
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#next(); next; next = this.#next()) {
      this.#sent = next;
      this.#parts.onSend();
      const end = await this.#do(next).catch((error: unknown) =>
        error instanceof Error ? error.message : String(error),
      );
      this.#sent = undefined;
      this.#store();
      if (typeof end === 'string') this.#parts.onFailed(next, end);
      else this.#parts.onDone(end);
      this.changed();
    }
    this.#running = false;
  }

  /** The first that may go; those whose time has not come let others pass. */
  #next(): Action | undefined {
    const now = this.#parts.clock.now();
    const at = this.#queue.findIndex((action) => action.notBefore <= now);
    this.#callOff?.();
    this.#callOff = undefined;
    if (at >= 0) return this.#queue.splice(at, 1)[0];
    const first = Math.min(...this.#queue.map((action) => action.notBefore));
    if (this.#queue.length > 0) {
      this.#callOff = this.#parts.clock.after(first - now, () => void this.#run());
    }
    return undefined;
  }

  /** @returns why not; or what was done. @throws Error that says why not */
  async #do(action: Action): Promise<Action | string> {
    const found = new Map<string, string>();
    for (const { mailboxes = [] } of Object.values(action.patches)) {
      for (const id of mailboxes) {
        const role = found.has(id) ? undefined : unmadeRole(id);
        if (role) found.set(id, await this.#parts.folderOfRole(role));
      }
    }
    const located = found.size > 0 ? locatedIn(action, found) : action;
    return (await this.#send(located)) ?? located;
  }

  /** @returns why not; undefined: done */
  async #send(action: Action): Promise<string | undefined> {
    const updates = Object.entries(action.patches);
    const { destroy } = action;
    for (let at = 0; at < Math.max(updates.length, destroy.length); at += OBJECTS_MAX) {
      const some = updates.slice(at, at + OBJECTS_MAX).map(([id, patch]) => [id, updateOf(patch)]);
      const gone = destroy.slice(at, at + OBJECTS_MAX);
      const batch = this.#parts.newBatch();
      const set = batch.add('Email/set', {
        ...(some.length > 0 && { update: Object.fromEntries(some) as object }),
        ...(gone.length > 0 && { destroy: gone }),
      });
      const answers = await this.#parts.connection.send(batch);
      const refusal = refusalIn(answers.of(set));
      if (refusal) return refusal.description ?? refusal.type;
    }
    return undefined;
  }

  #store(): void {
    this.#parts.store.save(this.pending);
  }
}

/** What undoes it, under a name of its own. */
export function inverted(action: Action, id: string): Action {
  const counts = Object.entries(action.counts).map(([folder, by]): [string, CountChange] => [
    folder,
    { total: -by.total, unread: -by.unread },
  ]);
  const { patches, undo } = action;
  return { ...action, id, patches: undo, undo: patches, counts: Object.fromEntries(counts) };
}

/** With ids in the place of roles. */
function locatedIn(action: Action, ids: ReadonlyMap<string, string>): Action {
  const real = (id: string): string => ids.get(id) ?? id;
  const patches = Object.entries(action.patches).map(([id, patch]): [string, Patch] => {
    const { mailboxes } = patch;
    return [id, mailboxes ? { ...patch, mailboxes: mailboxes.map(real) } : patch];
  });
  const counts = Object.entries(action.counts).map(([id, by]) => [real(id), by] as const);
  return { ...action, patches: Object.fromEntries(patches), counts: Object.fromEntries(counts) };
}

/** The first refusal that is one: an email that is no longer there has nothing to be done to. */
function refusalIn(response: SetResponse): SetError | undefined {
  const refused = [response.notUpdated, response.notDestroyed].flatMap((some) =>
    Object.values(some ?? {}),
  );
  return refused.find((error) => error.type !== 'notFound');
}
