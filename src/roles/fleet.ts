/**
 * The workers of a node: started, watched, replaced, drained.
 *
 * Invariants. There are always `size` workers starting or ready, unless the fleet is stopping. A
 * worker is given connections only while it is ready. A worker that dies is replaced, at once the
 * first time and with a growing pause when it keeps dying young. A worker that does not die of
 * SIGKILL within seconds hangs in the kernel on a volume: it is counted as stuck and left alone,
 * because nothing can end it; it holds no listening socket (decision 0002), so nothing waits for
 * it.
 *
 * Races. A worker may die between two messages: every send has a callback and ignores failure. The
 * plan may change while a worker starts: `replaceAll` starts a new generation and drains every
 * worker of older ones when the new one is ready. The supervisor may be killed: workers see the
 * channel close and end by themselves after a drain.
 */
import { fork, type ChildProcess } from 'node:child_process';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../log/types.ts';
import { isFromWorker, type FromWorker, type ToWorker, type WorkerStatus } from './messages.ts';
import type { Plan } from './plan.ts';

const YOUNG_MS = 10_000;
const PAUSE_MS_MAX = 10_000;
const KILL_WAIT_MS = 2_000;

type State = 'starting' | 'ready' | 'draining' | 'stuck' | 'dead';

/** One worker process. */
export interface Worker {
  readonly process: ChildProcess;
  readonly generation: number;
  readonly startedAt: number;
  state: State;
  status: WorkerStatus | undefined;
}

export interface WorkerProgram {
  /** File that a worker runs. */
  readonly module: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Starts a worker process; it loads its code and waits for its plan. */
export const forkWorker = ({ module, env }: WorkerProgram): ChildProcess =>
  fork(module, [], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });

export interface FleetOptions extends WorkerProgram {
  readonly size: number;
  /** Processes forked ahead, while the plan was asked for; they are taken first. */
  readonly ahead?: ChildProcess[];
  readonly logger: Logger;
  readonly clock: Clock;
  /** Called with every message of a worker that the fleet does not answer itself. */
  readonly onMessage: (worker: Worker, message: FromWorker) => void;
  /** Called when a worker becomes ready, before anything is handed to it. */
  readonly onReady: (worker: Worker) => void;
  /** Called when a worker is to get nothing new. */
  readonly onDrain: (worker: Worker) => void;
  readonly onExit: (worker: Worker) => void;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #workers = new Set<Worker>();
  #plan: Plan | undefined;
  #generation = 0;
  #deathsInARow = 0;
  #stopping = false;
  /** Time to drain older generations, which outlived a `replaceAll` that failed. */
  #overdueMs: number | undefined;
  #stuck = 0;
  #deaths = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** Workers that take connections now. */
  get ready(): readonly Worker[] {
    return [...this.#workers].filter((worker) => worker.state === 'ready');
  }

  /** Workers that SIGKILL could not end: they hang in the kernel on a volume. */
  get stuck(): number {
    return this.#stuck;
  }

  /** Workers that ended unexpectedly since the start. */
  get deaths(): number {
    return this.#deaths;
  }

  /** Starts the workers. Resolves when the first one is ready. */
  async start(plan: Plan): Promise<void> {
    this.#plan = plan;
    await this.#spawnGeneration();
  }

  /** New workers with a new plan, one generation for another; old ones drain for `drainMs`. */
  async replaceAll(plan: Plan, drainMs: number): Promise<void> {
    this.#plan = plan;
    const old = [...this.#workers].filter((worker) => worker.state !== 'dead');
    try {
      await this.#spawnGeneration();
    } catch (error) {
      this.#overdueMs = drainMs; // Those that serve go on until the first new one is ready.
      throw error;
    }
    await Promise.all(old.map((worker) => this.#drain(worker, drainMs)));
  }

  /** Drains and ends every worker. Resolves when all are gone or given up. */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#workers].map((worker) => this.#drain(worker, drainMs)));
  }

  send(worker: Worker, message: ToWorker): void {
    if (worker.process.connected) worker.process.send(message, () => {});
  }

  #spawnGeneration(): Promise<void> {
    this.#generation++;
    const firstReady = Array.from({ length: this.#options.size }, () => this.#spawn());
    return Promise.any(firstReady).then(() => {});
  }

  #spawn(): Promise<void> {
    const { clock, logger } = this.#options;
    const child = this.#options.ahead?.shift() ?? forkWorker(this.#options);
    const worker: Worker = {
      process: child,
      generation: this.#generation,
      startedAt: clock.now(),
      state: 'starting',
      status: undefined,
    };
    this.#workers.add(worker);
    if (this.#plan) this.send(worker, { kind: 'plan', plan: this.#plan });
    return new Promise((resolve, reject) => {
      child.on('message', (message) => {
        if (!isFromWorker(message)) return;
        if (message.kind === 'ready' && worker.state === 'starting') {
          worker.state = 'ready';
          this.#options.onReady(worker);
          resolve();
          this.#drainOverdue(worker.generation);
        }
        if (message.kind === 'status') worker.status = message.status;
        this.#options.onMessage(worker, message);
      });
      child.on('error', (error) => {
        logger.error({ err: error }, 'worker process error');
        if (child.pid !== undefined) return;
        reject(error); // No process, so no 'exit' either.
        this.#exited(worker, null, null);
      });
      child.on('exit', (code, signal) => {
        reject(new Error(`worker ${child.pid} ended with ${signal ?? code} before it was ready`));
        this.#exited(worker, code, signal);
      });
    });
  }

  #drainOverdue(generation: number): void {
    const ms = this.#overdueMs;
    if (ms === undefined || generation !== this.#generation) return;
    this.#overdueMs = undefined;
    for (const worker of this.#workers) {
      if (worker.generation < generation) void this.#drain(worker, ms);
    }
  }

  #exited(worker: Worker, code: number | null, signal: NodeJS.Signals | null): void {
    if (worker.state === 'stuck') this.#stuck--;
    const expected = worker.state === 'draining' || worker.state === 'stuck' || this.#stopping;
    worker.state = 'dead';
    this.#workers.delete(worker);
    this.#options.onExit(worker);
    if (expected) return;
    this.#deaths++;
    this.#options.logger.error(
      { pid: worker.process.pid, code, signal },
      'worker ended unexpectedly: MF-NODE-005',
    );
    const young = this.#options.clock.now() - worker.startedAt < YOUNG_MS;
    this.#deathsInARow = young ? this.#deathsInARow + 1 : 0;
    const pause = Math.min(
      PAUSE_MS_MAX,
      this.#deathsInARow > 1 ? 100 * 2 ** this.#deathsInARow : 0,
    );
    setTimeout(() => {
      if (!this.#stopping && worker.generation === this.#generation) this.#spawn().catch(() => {});
    }, pause);
  }

  async #drain(worker: Worker, ms: number): Promise<void> {
    if (worker.state === 'dead' || worker.state === 'stuck') return;
    const idle = worker.state === 'starting'; // It has no connection and may not listen yet.
    worker.state = 'draining';
    this.#options.onDrain(worker);
    const gone = new Promise<void>((resolve) => {
      worker.process.once('exit', () => resolve());
    });
    this.send(worker, { kind: 'drain', ms });
    if (!idle && (await settledWithin(gone, ms + KILL_WAIT_MS))) return;
    worker.process.kill('SIGKILL');
    if (await settledWithin(gone, KILL_WAIT_MS)) return;
    worker.state = 'stuck';
    this.#stuck++;
    worker.process.unref();
    worker.process.channel?.unref();
    this.#options.logger.error(
      { pid: worker.process.pid },
      'worker hangs in the kernel on a volume and cannot be ended: MF-NODE-003',
    );
  }
}

const settledWithin = (work: Promise<void>, ms: number): Promise<boolean> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    void work.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
