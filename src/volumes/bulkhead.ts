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
 * An operation that never started has no effect and is 'volume-busy'. One that started and did
 * not answer in time has an unknown result (DeadlineError); what it brings later goes to
 * `onLate`, to be disposed of.
 *
 * Rejected: freeing the slot at the deadline (each deadline would let one more thread hang);
 * counting slow operations against the volume's health (one huge mailbox would close it for all:
 * health has a probe of its own, see health.ts).
 */
export interface BulkheadLimits {
  readonly inFlightMax: number;
  readonly waitingMax: number;
}

export interface Task<T> {
  /** For the log: the operation and where. */
  readonly what: string;
  /** Milliseconds for waiting and running together. */
  readonly deadlineMs: number;
  readonly run: () => Promise<T>;
  /** Receives a success that came too late. */
  readonly onLate?: (value: T) => void;
}

interface Waiting {
  readonly start: () => void;
  readonly refuse: (error: StoreError) => void;
}

export class Bulkhead {
  readonly #limits: BulkheadLimits;
  /** In order of arrival; a Set, so that one whose time is over leaves without a search. */
  readonly #queue = new Set<Waiting>();
  #inFlight = 0;

  constructor(limits: BulkheadLimits) {
    this.#limits = limits;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** @throws StoreError 'volume-busy', DeadlineError, or whatever the task rejects with. */
  run<T>(task: Task<T>): Promise<T> {
    const free = this.#inFlight < this.#limits.inFlightMax;
    if (!free && this.#queue.size >= this.#limits.waitingMax) {
      return Promise.reject(new StoreError('volume-busy', `${task.what}: too many wait already`));
    }
    return new Promise<T>((resolve, reject) => {
      let state: 'waiting' | 'running' | 'over' = 'waiting';
      const waiting: Waiting = {
        start: () => {
          state = 'running';
          this.#start(task, settled);
        },
        refuse: (error) => {
          state = 'over';
          clearTimeout(timer);
          reject(error);
        },
      };
      const settled = (value: T | undefined, error: Error | undefined): void => {
        clearTimeout(timer);
        if (state === 'over') {
          if (error === undefined) task.onLate?.(value as T);
        } else if (error === undefined) resolve(value as T);
        else reject(error);
      };
      const timer = setTimeout(() => {
        const started = state === 'running';
        state = 'over';
        if (started) return reject(new DeadlineError(task.what, task.deadlineMs));
        this.#queue.delete(waiting);
        const message = `${task.what}: no turn within ${task.deadlineMs} ms`;
        reject(new StoreError('volume-busy', message));
      }, task.deadlineMs);
      if (free) waiting.start();
      else this.#queue.add(waiting);
    });
  }

  /** Refuses all that wait: they would only wait for a volume that is down. */
  refuseWaiting(error: StoreError): void {
    const all = [...this.#queue];
    this.#queue.clear();
    for (const waiting of all) waiting.refuse(error);
  }

  #start<T>(
    task: Task<T>,
    settled: (value: T | undefined, error: Error | undefined) => void,
  ): void {
    this.#inFlight += 1;
    task.run().then(
      (value) => {
        this.#ended();
        settled(value, undefined);
      },
      (error: unknown) => {
        this.#ended();
        settled(undefined, error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  #ended(): void {
    this.#inFlight -= 1;
    const [next] = this.#queue;
    if (next === undefined || this.#inFlight >= this.#limits.inFlightMax) return;
    this.#queue.delete(next);
    next.start();
  }
}
