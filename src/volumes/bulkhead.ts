import { DeadlineError } from '../base/deadline.ts';
import { StoreError } from './error.ts';

/**
 * The bulkhead of one volume: at most so many operations run, so many wait, each has a deadline
 * that includes its wait.
 *
 * A call that is stuck cannot be ended; it keeps its slot until it answers, however late. So a
 * hung volume holds at most `inFlightMax` threads of the process, never one more, and its
 * operations fail while those of the other volumes go on.
 *
 * Within a volume a mailbox is what others are to be protected from: one whose directory hangs at
 * the server while the rest of the volume is well. Its operations have a quarter of the slots, and
 * half of the queue, so that a burst to one mailbox is served in its turns. While one of them is
 * overdue no other is begun: it would hang too, and four such mailboxes would take the volume. They
 * are refused at once, until the one answers.
 *
 * An operation that never started has no effect and is 'volume-busy', or whatever it is refused
 * with. One that started and did not answer in time, or before the volume was found to hang, has an
 * unknown result (DeadlineError); what it brings later goes to `onLate`, to be disposed of. That is
 * a call on the volume as well and keeps the slot until it has ended: a volume that comes and goes
 * would take more threads each time.
 *
 * Rejected: freeing the slot at the deadline (each deadline would let one more thread hang);
 * counting slow operations against the volume's health (one huge mailbox would close it for all:
 * health has a probe of its own, see health.ts); letting those that run wait for their deadline
 * when the probe knows already (a client would wait for the sum of both).
 */
export interface BulkheadLimits {
  readonly inFlightMax: number;
  readonly waitingMax: number;
}

export interface Task<T> {
  /** For the log: the operation and where. */
  readonly what: string;
  /** The mailbox; undefined for what concerns none. */
  readonly key?: string | undefined;
  /** Milliseconds for waiting and running together. */
  readonly deadlineMs: number;
  readonly run: () => Promise<T>;
  /** Receives a success that came too late; the slot is held until what it returns settles. */
  readonly onLate?: (value: T) => unknown;
}

/** What runs or waits, whatever it brings. */
interface Entry {
  readonly key: string | undefined;
  readonly start: () => void;
  /** It never ran, or nobody waits for its result any more. */
  readonly giveUp: (error: Error) => void;
  readonly what: string;
}

/** What one mailbox has here. */
interface Share {
  running: number;
  waiting: number;
  overdue: number;
}

/** One mailbox has at most one part in so many of the slots, and of the queue. */
const MAILBOX_PART = 4;
const MAILBOX_QUEUE_PART = 2;

/** Tells what came of an operation. @returns what its slot is held for, if anything */
type Settle<T> = (value: T | undefined, error: Error | undefined) => Promise<void> | undefined;

export class Bulkhead {
  #limits: BulkheadLimits;
  /** In order of arrival; a Set, so that one whose time is over leaves without a search. */
  readonly #queue = new Set<Entry>();
  /** Those that run and are waited for. */
  readonly #running = new Set<Entry>();
  /** Mailboxes that have something here. */
  readonly #shares = new Map<string, Share>();
  #inFlight = 0;
  #overdue = 0;

  constructor(limits: BulkheadLimits) {
    this.#limits = limits;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** Those in flight whose caller was told that they failed: they may hang for ever. */
  get overdue(): number {
    return this.#overdue;
  }

  /** What runs goes on, also when it is more than may run from now on. */
  resize(limits: BulkheadLimits): void {
    this.#limits = limits;
    this.#pump();
  }

  /** @throws StoreError 'volume-busy', DeadlineError, or whatever the task rejects with. */
  run<T>(task: Task<T>): Promise<T> {
    const { key } = task;
    const busy = this.#busy(key);
    if (busy !== undefined) {
      return Promise.reject(new StoreError('volume-busy', `${task.what}: ${busy}`));
    }
    return new Promise<T>((resolve, reject) => {
      let state: 'waiting' | 'running' | 'over' = 'waiting';
      const entry: Entry = {
        key,
        what: task.what,
        start: () => {
          state = 'running';
          this.#running.add(entry);
          this.#start(entry, task, settled);
        },
        giveUp: (error) => {
          if (state === 'running') this.#late(entry);
          state = 'over';
          clearTimeout(timer);
          reject(error);
        },
      };
      const settled: Settle<T> = (value, error) => {
        clearTimeout(timer);
        if (state === 'over') return this.#dispose(task, value, error);
        if (error === undefined) resolve(value as T);
        else reject(error);
        return undefined;
      };
      const timer = setTimeout(() => {
        if (state === 'running') {
          return entry.giveUp(new DeadlineError(task.what, task.deadlineMs));
        }
        this.#leaveQueue(entry);
        const message = `${task.what}: no turn within ${task.deadlineMs} ms`;
        entry.giveUp(new StoreError('volume-busy', message));
      }, task.deadlineMs);
      if (this.#hasSlot(key)) entry.start();
      else this.#join(entry);
    });
  }

  /** Refuses all that wait: they would only wait for a volume that is down or gone. */
  refuseWaiting(error: StoreError): void {
    for (const entry of this.#queue) {
      this.#leaveQueue(entry);
      entry.giveUp(error);
    }
  }

  /** Fails all that wait and all that run: the volume hangs. What runs may yet happen. */
  giveUp(error: StoreError): void {
    this.refuseWaiting(error);
    for (const entry of this.#running) entry.giveUp(new GivenUp(entry.what, error));
  }

  /** Why it cannot even wait; undefined when it can. */
  #busy(key: string | undefined): string | undefined {
    const { waitingMax } = this.#limits;
    const share = this.#shareOf(key);
    if (share !== undefined && share.overdue > 0) {
      return 'an operation on this mailbox has not answered in its time; none is begun until then';
    }
    if (this.#hasSlot(key)) return undefined;
    if (this.#queue.size >= waitingMax) return 'too many wait already';
    const own = Math.ceil(waitingMax / MAILBOX_QUEUE_PART);
    return share !== undefined && share.waiting >= own
      ? 'too many wait for this mailbox already'
      : undefined;
  }

  #shareOf(key: string | undefined): Share | undefined {
    return key === undefined ? undefined : this.#shares.get(key);
  }

  #hasSlot(key: string | undefined): boolean {
    const { inFlightMax } = this.#limits;
    if (this.#inFlight >= inFlightMax) return false;
    const share = this.#shareOf(key);
    return share === undefined || share.running < Math.ceil(inFlightMax / MAILBOX_PART);
  }

  /** Changes what a mailbox has here, and forgets a mailbox that has nothing. */
  #count(key: string | undefined, part: keyof Share, by: 1 | -1): void {
    if (key === undefined) return;
    const share = this.#shares.get(key) ?? { running: 0, waiting: 0, overdue: 0 };
    share[part] += by;
    if (share.running + share.waiting + share.overdue > 0) this.#shares.set(key, share);
    else this.#shares.delete(key);
  }

  #join(entry: Entry): void {
    this.#queue.add(entry);
    this.#count(entry.key, 'waiting', 1);
  }

  #leaveQueue(entry: Entry): void {
    if (this.#queue.delete(entry)) this.#count(entry.key, 'waiting', -1);
  }

  /** Nobody waits for its result any more; it keeps its slot. */
  #late(entry: Entry): void {
    this.#running.delete(entry);
    this.#overdue += 1;
    this.#count(entry.key, 'overdue', 1);
    if (entry.key === undefined) return;
    for (const other of this.#queue) {
      if (other.key !== entry.key) continue;
      this.#leaveQueue(other);
      const message = `${other.what}: an operation on this mailbox has not answered in its time`;
      other.giveUp(new StoreError('volume-busy', message));
    }
  }

  /** One that was overdue has answered. A failure to dispose of it is nobody's business. */
  async #dispose<T>(task: Task<T>, value: T | undefined, error: Error | undefined): Promise<void> {
    try {
      if (error === undefined) await task.onLate?.(value as T);
    } catch {
      // What it left behind is left to the sweep.
    }
    this.#overdue -= 1;
    this.#count(task.key, 'overdue', -1);
  }

  #start<T>(entry: Entry, task: Task<T>, settled: Settle<T>): void {
    this.#inFlight += 1;
    this.#count(task.key, 'running', 1);
    const ended = (): void => {
      this.#running.delete(entry);
      this.#inFlight -= 1;
      this.#count(task.key, 'running', -1);
      this.#pump();
    };
    const answered: Settle<T> = (value, error) => {
      const disposal = settled(value, error);
      if (disposal === undefined) ended();
      else void disposal.then(ended);
      return undefined;
    };
    task.run().then(
      (value) => void answered(value, undefined),
      (error: unknown) =>
        void answered(undefined, error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** Starts what may start, those of a mailbox that has its part left where they are. */
  #pump(): void {
    for (const entry of this.#queue) {
      if (this.#inFlight >= this.#limits.inFlightMax) return;
      if (!this.#hasSlot(entry.key)) continue;
      this.#leaveQueue(entry);
      entry.start();
    }
  }
}

/** Given up before its deadline: as unknown as after it. */
class GivenUp extends DeadlineError {
  constructor(what: string, why: Error) {
    super(what, 0);
    this.message = `${what} was given up, its result is unknown: ${why.message}`;
    this.cause = why;
  }
}
