/**
 * The workers of a node: started, watched, replaced, drained.
 *
 * Invariants. There are always `size` workers starting or ready, unless the fleet is stopping. A
 * worker is given connections only while it is ready. A worker that is lost is replaced, at once
 * the first time and with a growing pause when it keeps dying young. It is lost when it has ended,
 * when it says that it is ending, when its channel closes, or when the kernel shows it as a
 * zombie, whichever is first: one whose thread hangs in fsync on a dead server never ends, says
 * nothing and keeps its channel open, whoever killed it. A worker that does not die of SIGKILL
 * within seconds hangs in the kernel on a volume: it is counted as stuck and left alone, because
 * nothing can end it; it holds no listening socket (decision 0002), so nothing waits for it.
 *
 * Races. A worker may die between two messages: every send has a callback and ignores failure. The
 * plan may change while a worker starts: `replaceAll` starts a new generation and drains every
 * worker of older ones when the new one is ready. The supervisor may be killed: workers see the
 * channel close and end by themselves after a drain.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../log/types.ts';
import { isFromWorker, type FromWorker, type ToWorker, type WorkerStatus } from './messages.ts';
import type { Plan } from './plan.ts';

const YOUNG_MS = 10_000;
const PAUSE_MS_MAX = 10_000;
const KILL_WAIT_MS = 2_000;
/** From a worker's last word to its end, when nothing holds it up. */
const LAST_WORD_MS = 500;
/** Workers say something every second. */
const WATCH_MS = 1_000;
const SILENT_MS = 2_500;

/** `lost`: it serves nobody any more and is being ended. */
type State = 'starting' | 'ready' | 'draining' | 'lost' | 'stuck' | 'dead';

/** One worker process. */
export interface Worker {
  readonly process: ChildProcess;
  readonly generation: number;
  readonly startedAt: number;
  state: State;
  status: WorkerStatus | undefined;
  /** When its last message came. */
  heardAt: number;
  /** It has ended, or was given up. */
  readonly ended: Promise<void>;
  readonly end: () => void;
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
  /** Called once, when a worker is gone or will never do anything again. */
  readonly onLost: (worker: Worker) => void;
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
  #watch: NodeJS.Timeout | undefined;

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
    this.#watch = setInterval(() => this.#lookForDead(), WATCH_MS).unref();
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
    clearInterval(this.#watch);
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
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const worker: Worker = {
      ended,
      end,
      heardAt: clock.now(),
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
        worker.heardAt = clock.now();
        if (!isFromWorker(message)) return;
        if (message.kind === 'ending') this.#lost(worker);
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
      child.on('disconnect', () => this.#lost(worker));
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
    this.#lost(worker, { code, signal });
    worker.state = 'dead';
    this.#workers.delete(worker);
    worker.end();
  }

  /** It serves nobody any more: another takes its place, and what is left of it is ended. */
  #lost(worker: Worker, how: object = {}): void {
    const before = worker.state;
    if (before === 'lost' || before === 'stuck' || before === 'dead') return;
    worker.state = 'lost';
    this.#options.onLost(worker);
    void this.#finish(worker, LAST_WORD_MS);
    if (before === 'draining' || this.#stopping) return;
    this.#deaths++;
    this.#options.logger.error(
      { pid: worker.process.pid, ...how },
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

  /** Workers that were killed and say nothing, because a thread of theirs still hangs. */
  #lookForDead(): void {
    const now = this.#options.clock.now();
    for (const worker of this.#workers) {
      const { pid } = worker.process;
      if (now - worker.heardAt > SILENT_MS && pid !== undefined && isZombie(pid)) {
        this.#lost(worker, { why: 'killed, and a thread of it hangs in the kernel' });
      }
    }
  }

  async #drain(worker: Worker, ms: number): Promise<void> {
    const { state } = worker;
    if (state === 'dead' || state === 'stuck') return;
    if (state === 'lost') return worker.ended;
    worker.state = 'draining';
    this.#options.onDrain(worker);
    this.send(worker, { kind: 'drain', ms });
    // One that starts has no connection and may not listen yet.
    await this.#finish(worker, state === 'starting' ? 0 : ms + KILL_WAIT_MS);
  }

  /** Waits for its end so long, then ends it, or gives it up. */
  async #finish(worker: Worker, ms: number): Promise<void> {
    if (ms > 0 && (await settledWithin(worker.ended, ms))) return;
    worker.process.kill('SIGKILL');
    if (await settledWithin(worker.ended, KILL_WAIT_MS)) return;
    if (worker.state !== 'lost') this.#lost(worker);
    worker.state = 'stuck';
    this.#stuck++;
    worker.process.unref();
    worker.process.channel?.unref();
    worker.end();
    this.#options.logger.error(
      { pid: worker.process.pid },
      'worker hangs in the kernel on a volume and cannot be ended: MF-NODE-003',
    );
  }
}

/** Its main thread is gone; where there is no /proc, nobody knows. Asks no volume. */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return /^ [ZX]/.test(stat.slice(stat.lastIndexOf(')') + 1));
  } catch {
    return false;
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
