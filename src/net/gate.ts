/**
 * The gate: the process that owns the listening sockets accepts, counts, refuses what is too much,
 * and hands every other connection to a worker. It reads no octet of a connection and touches no
 * volume, so nothing that hangs elsewhere can hold a port (decision 0002).
 *
 * Invariants. Each accepted connection is counted once and released once: when its worker says it
 * is closed, when its worker is gone, or when it is refused here. A connection is handed to one
 * worker only. A connection waits for a worker at most `holdMs`, at most `HELD_MAX` of them.
 *
 * Handing over. `worker.send(message, socket)` makes node send the descriptor, and keep the next
 * ones in a queue of its own until the worker acknowledged this one. That queue cannot be seen or
 * taken back and is lost with the worker, so the gate gives node one socket a worker at a time and
 * keeps the others itself, for whichever worker is free first. `keepOpen`, because without it node
 * takes the socket's descriptor over and, when the worker dies before it acknowledged, never
 * closes it: the client would wait for ever (seen with Node 24). Our copy is kept until the worker
 * says that the connection is closed, and when the worker is lost we end what it had. A worker that
 * was killed while a thread of it hangs in fsync on a dead server stays a zombie that keeps its
 * descriptors (seen on NFS), and nobody else could tell its clients; they would wait for as long as
 * that server is away, though their own volume is well. A worker's end() reaches the client at
 * once all the same: shutdown(2) is the connection's and not the descriptor's. Only what it
 * destroys without a word lasts until it has said so, 50 ms. So this process has as many
 * descriptors as all workers together. Keeping costs no CPU (ratio to closing at once 0.95, median
 * of 8 interleaved rounds) and some 3 KB for each that is idle (`bench --quick idle`, 1,000
 * connections, one run each: 10.9 KB before, 13.7 with it; `bench idle`, 5,000: 8.4 KB in all).
 * Never is a socket destroyed while node may still be writing it: libuv would abort the process.
 *
 * Cost, measured with 16 clients that connect, read a line and close, CPU a connection of all
 * server processes, best of 6 rounds of 3,000: accepted directly 34 µs; handed over 66 µs (gate
 * 27, of which accepting and closing alone is 18; worker 39). Nothing public is cheaper: with or
 * without callback, keepOpen, the peer's address in the message or not, 66 to 69; serialization
 * `advanced` 74; node:cluster's round robin the same again. The rest is node's message for the
 * descriptor, its acknowledgement, and a second socket object. Sharing the listening socket with
 * the workers would save it and is what this design exists to avoid. With all that this module does
 * and an echo service: 43 µs in one process, 122 to 138 through the gate. 9,500 clients at once
 * were all greeted within 2.7 s and spread 4,748 to 4,752; the gate grew by 40 MB.
 *
 * Errors: MF-NET-001 to 003 cannot listen, 007 limit, 008 no worker, 009 accept
 */
import type { ChildProcess } from 'node:child_process';
import type { Server, Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../log/types.ts';
import { formatHostPort, NO_ADDRESSES, normaliseAddress, type AddressRanges } from './address.ts';
import {
  createAdmission,
  type Admission,
  type AdmissionLimits,
  type Admitted,
} from './admission.ts';
import { bind, ListenError, portOf } from './listen.ts';
import { isClosed, type TakeMessage } from './messages.ts';
import { acceptErrors, gateOutcomes, netNow } from './metrics.ts';
import { refuse, type RefusalReason, type RefusalStyle } from './refusal.ts';
import { createSeldom, type Seldom } from './seldom.ts';

/** Where one service listens. */
export interface GateListener {
  readonly service: string;
  /** `*` is every address, IPv4 and IPv6, or IPv4 where the machine has no IPv6. */
  readonly host: string;
  /** 0 asks the system for a free one. */
  readonly port: number;
  /** `silent` for implicit TLS. */
  readonly refusal: RefusalStyle;
}

export interface GateOptions {
  readonly limits: AdmissionLimits;
  /** Balancers: their connections count in the total only; the worker learns who is behind them. */
  readonly proxyFrom?: AddressRanges;
  /** How long a connection waits for a worker, in milliseconds. */
  readonly holdMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A process made by fork(2) that runs `startHandover`. */
export type GateWorker = Pick<
  ChildProcess,
  'send' | 'on' | 'off' | 'connected' | 'pid' | 'setMaxListeners'
>;

/** A listener with the port it got. */
export type BoundListener = GateListener;

interface Waiting {
  readonly id: number;
  readonly listener: GateListener;
  readonly socket: Socket;
  readonly address: string;
  readonly port: number;
  readonly admitted: Admitted;
  readonly since: number;
}

interface WorkerState {
  readonly worker: GateWorker;
  /** Connections it has or is about to get. */
  readonly open: Map<number, Waiting>;
  /** Given to node and not written to the channel yet: one at most. */
  unsent: Waiting | undefined;
  takesNew: boolean;
  readonly detach: () => void;
}

/** A burst that comes faster than workers take it; some 3 KB each. */
const HELD_MAX = 16_384;
const SWEEP_MS = 200;
/** Node itself adds one to a worker for each listening socket; above ten it would warn. */
const EXIT_LISTENERS_MAX = 1000;
/** When a channel is closed, node calls back what it was writing within this time or never. */
const LATE_CALLBACK_MS = 200;

/** Connections are numbered over the process: two gates of one process may share a worker. */
let lastId = 0;

export class Gate {
  readonly #options: GateOptions;
  readonly #admission: Admission;
  readonly #servers = new Map<
    string,
    { readonly listener: BoundListener; readonly server: Server }
  >();
  readonly #workers = new Map<GateWorker, WorkerState>();
  readonly #seldom: Seldom;
  #held: Waiting[] = [];
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: GateOptions) {
    this.#options = options;
    const exempt: AddressRanges = {
      isEmpty: false,
      has: (address) =>
        options.limits.exempt.has(address) || (options.proxyFrom ?? NO_ADDRESSES).has(address),
    };
    this.#admission = createAdmission({ ...options.limits, exempt }, options.clock);
    this.#seldom = createSeldom(options.clock);
  }

  /** Where it listens now, with the ports it got. */
  get listeners(): readonly BoundListener[] {
    return [...this.#servers.values()].map(({ listener }) => listener);
  }

  /** Connections open in all workers, and those that wait. */
  get connections(): number {
    return this.#admission.open;
  }

  /** Connections that wait for a worker. */
  get held(): number {
    return this.#held.length;
  }

  /** Connections of one worker. */
  connectionsOf(worker: GateWorker): number {
    return this.#workers.get(worker)?.open.size ?? 0;
  }

  /**
   * Listens on exactly these: new ones are opened, others closed, those that stay are untouched.
   * @returns what could not be bound, all of it; the others listen nevertheless.
   */
  async listen(listeners: readonly GateListener[]): Promise<readonly ListenError[]> {
    const wanted = new Map(listeners.map((listener) => [keyOf(listener), listener]));
    for (const [key, { server }] of this.#servers) {
      if (wanted.has(key)) continue;
      server.close();
      this.#servers.delete(key);
    }
    await nextTurn(); // A port that was closed is free before it is asked for again.
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
    const problems: ListenError[] = [];
    for (const [key, listener] of wanted) {
      if (this.#servers.has(key)) continue;
      try {
        const server = await this.#bind(listener);
        this.#servers.set(key, { listener: { ...listener, port: portOf(server) }, server });
      } catch (error) {
        if (!(error instanceof ListenError)) throw error;
        problems.push(error);
      }
    }
    return problems;
  }

  /** From now on connections are given to this worker too. */
  addWorker(worker: GateWorker): void {
    if (this.#workers.has(worker)) return;
    const onMessage = (message: unknown): void => {
      if (isClosed(message)) for (const id of message.ids) this.#closed(state, id);
    };
    const onGone = (): void => this.#gone(state);
    const state: WorkerState = {
      worker,
      open: new Map(),
      unsent: undefined,
      takesNew: true,
      detach: () => {
        worker.off('message', onMessage);
        worker.off('exit', onGone);
        worker.off('disconnect', onGone);
      },
    };
    worker.setMaxListeners(EXIT_LISTENERS_MAX);
    worker.on('message', onMessage);
    worker.on('exit', onGone);
    worker.on('disconnect', onGone);
    this.#workers.set(worker, state);
    this.#pump();
  }

  /** The worker gets nothing new; what it has goes on and is counted until it ends. */
  retireWorker(worker: GateWorker): void {
    const state = this.#workers.get(worker);
    if (state) state.takesNew = false;
  }

  /** The worker is gone, or hangs for good: its connections are closed for it. */
  loseWorker(worker: GateWorker): void {
    const state = this.#workers.get(worker);
    if (state) this.#gone(state);
  }

  /** Stops listening and refuses what waits. Connections that workers have go on. */
  async close(): Promise<void> {
    for (const { server } of this.#servers.values()) server.close();
    this.#servers.clear();
    const held = this.#held;
    this.#held = [];
    for (const waiting of held) this.#refuseWaiting(waiting);
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
    await nextTurn();
  }

  async #bind(listener: GateListener): Promise<Server> {
    const options = {
      port: listener.port,
      onConnection: (socket: Socket) => this.#accept(listener, socket),
      onAcceptError: (error: NodeJS.ErrnoException) => this.#acceptFailed(listener, error),
      pauseOnConnect: true,
    };
    if (listener.host !== '*') return bind({ ...options, host: listener.host });
    try {
      return await bind({ ...options, host: '::' });
    } catch (error) {
      if (error instanceof ListenError && error.code !== 'MF-NET-003') throw error;
      return bind({ ...options, host: '0.0.0.0' }); // No IPv6 here.
    }
  }

  #accept(listener: GateListener, socket: Socket): void {
    socket.on('error', ignore); // First of all: it may be dead already.
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || remotePort === undefined) {
      gateOutcomes.inc('vanished');
      socket.destroy();
      return;
    }
    const address = normaliseAddress(remoteAddress);
    const verdict = this.#admission.admit(address);
    if (typeof verdict === 'string') return this.#refuse(listener, socket, address, verdict);
    this.#route({
      id: ++lastId,
      listener,
      socket,
      address,
      port: remotePort,
      admitted: verdict,
      since: this.#options.clock.now(),
    });
    this.#note();
  }

  /** Gives a connection to a worker, behind those that wait already. */
  #route(waiting: Waiting): void {
    const worker = this.#held.length === 0 ? this.#freeWorker() : undefined;
    if (worker) return this.#hand(worker, waiting);
    if (this.#held.length >= HELD_MAX) return this.#refuseWaiting(waiting);
    this.#held.push(waiting);
  }

  /** The worker with fewest connections of those that can be given one now. */
  #freeWorker(): WorkerState | undefined {
    let best: WorkerState | undefined;
    for (const state of this.#workers.values()) {
      if (!state.takesNew || state.unsent || !state.worker.connected) continue;
      if (state.open.size < (best?.open.size ?? Infinity)) best = state;
    }
    return best;
  }

  #hand(state: WorkerState, waiting: Waiting): void {
    const { id, listener, address, port, socket } = waiting;
    const message: TakeMessage = { net: 'take', id, service: listener.service, address, port };
    state.open.set(id, waiting);
    state.unsent = waiting;
    state.worker.send(message, socket, { keepOpen: true }, (error) =>
      this.#sent(state, waiting, error ? 'failed' : 'written'),
    );
  }

  /** Node wrote the descriptor to the channel, or could not. */
  #sent(state: WorkerState, waiting: Waiting, outcome: 'written' | 'failed'): void {
    if (state.unsent !== waiting) return; // Said already.
    state.unsent = undefined;
    if (outcome === 'written') {
      gateOutcomes.inc('handed');
    } else {
      state.open.delete(waiting.id);
      this.#held.unshift(waiting); // It waited longest.
    }
    if (this.#held.length > 0) this.#pump();
  }

  /** Hands out what waits as long as a worker is free. */
  #pump(): void {
    while (this.#held.length > 0) {
      const state = this.#freeWorker();
      const waiting = state && this.#held.shift();
      if (!waiting) break;
      this.#hand(state, waiting);
    }
    this.#note();
  }

  /** Refuses what waited too long. */
  #sweep(): void {
    if (this.#held.length === 0) return;
    const now = this.#options.clock.now();
    const isLate = (waiting: Waiting): boolean => now - waiting.since >= this.#options.holdMs;
    const late = this.#held.filter(isLate);
    this.#held = this.#held.filter((waiting) => !isLate(waiting));
    for (const waiting of late) this.#refuseWaiting(waiting);
    this.#pump();
  }

  #closed(state: WorkerState, id: number): void {
    const closed = state.open.get(id);
    state.open.delete(id);
    closed?.admitted.release();
    closed?.socket.destroy();
    this.#note();
  }

  #gone(state: WorkerState): void {
    if (!this.#workers.delete(state.worker)) return;
    state.detach();
    const { unsent } = state;
    if (unsent) {
      state.open.delete(unsent.id);
      setTimeout(() => this.#sent(state, unsent, 'failed'), LATE_CALLBACK_MS);
    }
    for (const { admitted, socket } of state.open.values()) {
      admitted.release();
      // Ended and not only closed: the descriptors of a worker that hangs in the kernel stay open.
      socket.end(() => socket.destroy());
    }
    state.open.clear();
    this.#note();
  }

  #refuseWaiting(waiting: Waiting): void {
    waiting.admitted.release();
    this.#refuse(waiting.listener, waiting.socket, waiting.address, 'no-worker');
    this.#note();
  }

  #refuse(listener: GateListener, socket: Socket, address: string, reason: RefusalReason): void {
    gateOutcomes.inc(`refused-${reason}`);
    refuse(socket, listener.refusal, reason);
    const since = this.#seldom(reason);
    if (since === undefined) return;
    const code = reason === 'no-worker' ? 'MF-NET-008' : 'MF-NET-007';
    this.#options.logger.warn(
      { code, limit: reason, address, service: listener.service, refused: since },
      `connections refused: ${code}`,
    );
  }

  #acceptFailed(listener: GateListener, error: NodeJS.ErrnoException): void {
    acceptErrors.inc(error.code === 'EMFILE' || error.code === 'ENFILE' ? 'files' : 'other');
    const failed = this.#seldom('accept');
    if (failed === undefined) return;
    this.#options.logger.error(
      { code: 'MF-NET-009', service: listener.service, failed, error },
      'accept failed: MF-NET-009',
    );
  }

  #note(): void {
    netNow.connections = this.#admission.open;
    netNow.addresses = this.#admission.addresses;
    netNow.held = this.#held.length;
  }
}

const ignore = (): void => {};

const keyOf = ({ service, host, port, refusal }: GateListener): string =>
  `${service} ${formatHostPort(host, port)} ${refusal}`;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
