/**
 * The supervisor of a node: reads the plan, listens, keeps the workers, answers health and metrics.
 * It never touches a volume and reads no octet of a connection (decision 0002), so it can always
 * end, and a new one can always listen.
 *
 * Order at start: directory (or the last good settings), workers, then listening: nobody is
 * accepted whom nobody can serve. Order at the end: listening stops, workers drain, exit.
 */
import { randomBytes } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { systemClock as clock } from '../base/clock.ts';
import { systemRandom as random } from '../base/random.ts';
import type { ExitName } from '../config/exit.ts';
import type { NodeFile } from '../config/node-file.ts';
import { openRegistration, RegistrationRefused } from '../directory/registration.ts';
import type { Registration } from '../directory/registration.ts';
import type { Directory } from '../directory/types.ts';
import { DirectoryUnavailable } from '../directory/types.ts';
import { HttpListenError, openHttp, type HttpServer, type Readiness } from '../http/server.ts';
import type { Logger } from '../log/types.ts';
import { createLedger, exportMetrics } from '../metrics/export.ts';
import { parseMetrics } from '../metrics/text.ts';
import { watchProcess } from '../metrics/process.ts';
import { addressRanges } from '../net/address.ts';
import { Gate } from '../net/gate.ts';
import { directoryAccess, openDirectory, snapshotProblems } from './directory.ts';
import { Fleet, forkWorker, type Worker } from './fleet.ts';
import { DayBook } from './days.ts';
import { nodeMetrics } from './metrics.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { NodeHints } from './node-hints.ts';
import {
  askDirectory,
  formatListen,
  keep,
  loadSettled,
  PlanError,
  valuesOf,
  type Values,
  type Plan,
  type Settled,
} from './plan.ts';
import { Presence } from './presence.ts';
import { HEALTH, isServiceName, SERVICES } from './services.ts';
import { beatMs, statusLetters } from './status.ts';
import { productVersion } from './version.ts';

const METRICS_WAIT_MS = 1000;

const WORKER = {
  module: join(import.meta.dirname, 'worker.ts'),
  env: {
    // Volumes' calls share libuv's pool; each volume has its part of it (volumes/threads.ts).
    UV_THREADPOOL_SIZE: '128',
    // Each thread has an own arena of malloc by default, which keeps what a listing of 100,000
    // names took: 60 MB a worker. Two cost no CPU (measured: 1.00 of a poll's, 0.95 of RETR's).
    MALLOC_ARENA_MAX: '2',
    ...process.env,
  },
};

export interface SupervisorOptions {
  readonly file: NodeFile;
  readonly logger: Logger;
  /** Only these services, of those that the node's entry names. */
  readonly roles?: readonly string[];
  /** Says that the node serves, once. */
  readonly onReady: (listen: readonly string[]) => void;
}

/** Runs a node until it is told to end. @returns the name of the exit code. */
export async function supervise(options: SupervisorOptions): Promise<ExitName> {
  const { file, logger } = options;
  const ended = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
    process.once('disconnect', resolve); // Whoever started it over a channel is gone.
  });
  const directory = openDirectory({ file, logger, clock });
  // Loading a worker's code takes as long as asking the directory: both at once.
  const ahead = Array.from({ length: file.workers }, () => forkWorker(WORKER));
  try {
    // A node that runs on a snapshot alone has nobody to tell how it is.
    const live = file.directory.urls.length > 0;
    const registration = live ? registrationOf(file, logger) : undefined;
    const joining = registration && { join: joiner(registration, file, logger) };
    const loaded = await loadSettled({ directory, file, logger, clock, ...joining });
    const settled = restrict(loaded, options.roles);
    const problems = await snapshotProblems(file, settled.listen);
    if (problems.length > 0) throw new PlanError(problems);
    const { listen, settings } = settled;
    const plan = { file, listen, settings, ticketKeys: randomBytes(48).toString('hex') };
    const supervisor = new Supervisor(options, { directory, registration }, plan, ahead);
    supervisor.note(loaded);
    return await supervisor.run(ended);
  } catch (error) {
    if (error instanceof PlanError) {
      for (const problem of error.problems) logger.error({ code: 'MF-NODE-002' }, problem);
      return 'config';
    }
    if (!(error instanceof DirectoryUnavailable)) throw error;
    logger.error(
      { err: error },
      'the directory does not answer and there are no last good settings',
    );
    return 'unavailable';
  } finally {
    for (const child of ahead) child.disconnect(); // Those that got no plan.
    await directory.close();
  }
}

const registrationOf = (file: NodeFile, logger: Logger): Registration =>
  openRegistration({
    directory: { ...directoryAccess(file), logger, clock },
    name: file.name,
    server: hostname(),
    version: productVersion(),
    data: file.data,
    random,
  });

const limitsOf = (values: Values) => ({
  total: values['net.connections.max'],
  perAddress: values['net.connections.per-address'],
  ratePerMinute: values['net.rate.per-address'],
  exempt: addressRanges(values['net.limits.exempt']),
});

/** Adds the entry of a node that has none (S0-16). @throws PlanError; DirectoryUnavailable */
const joiner =
  (registration: Registration, file: NodeFile, logger: Logger) =>
  async (listen: Settled['listen']): Promise<void> => {
    try {
      await registration.join(statusLetters(listen, false));
      logger.info({ node: file.name }, 'the node had no entry in the directory and added its own');
    } catch (error) {
      if (!(error instanceof RegistrationRefused)) throw error;
      throw new PlanError([`The node cannot add itself: ${error.message}: MF-NODE-001`]);
    }
  };

/** Only the listeners of these services; all of them when nobody says. */
const restrict = (settled: Settled, roles: readonly string[] | undefined): Settled =>
  roles === undefined
    ? settled
    : { ...settled, listen: settled.listen.filter(({ service }) => roles.includes(service)) };

class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #directory: Directory;
  readonly #presence: Presence | undefined;
  readonly #gate: Gate;
  readonly #fleet: Fleet;
  readonly #hints: NodeHints;
  readonly #days: DayBook;
  readonly #ledger = createLedger<Worker>();
  readonly #scrapes = new Map<number, () => void>();
  #plan: Plan;
  #unknown: Settled['unknown'] = [];
  /** All that the directory said, as text. */
  #said = '';
  #health: HttpServer | undefined;
  #scrape = 0;
  #serving = false;
  #reloading = false;
  /** A signal came while the last one was being followed. */
  #again = false;

  constructor(
    options: SupervisorOptions,
    parts: { readonly directory: Directory; readonly registration: Registration | undefined },
    plan: Plan,
    ahead: ChildProcess[],
  ) {
    this.#options = options;
    this.#directory = parts.directory;
    this.#plan = plan;
    const values = valuesOf(plan);
    const { logger, file } = options;
    const { registration } = parts;
    this.#presence =
      registration &&
      new Presence({
        registration,
        node: file.name,
        status: () => this.#status(),
        beatMs: (nodes) => beatMs(valuesOf(this.#plan), nodes),
        clock,
        logger,
      });
    this.#gate = new Gate({
      limits: limitsOf(values),
      proxyFrom: addressRanges(values['net.proxy.from']),
      holdMs: values['net.hold.time'],
      clock,
      logger,
    });
    this.#fleet = new Fleet({
      size: file.workers,
      ...WORKER,
      ahead,
      logger,
      clock,
      onMessage: (worker, message) => this.#onMessage(worker, message),
      onReady: (worker) => {
        for (const news of this.#directory.news?.all() ?? []) {
          this.#fleet.send(worker, { kind: 'news', news });
        }
        this.#gate.addWorker(worker.process);
      },
      onDrain: (worker) => this.#gate.retireWorker(worker.process),
      onLost: (worker) => {
        this.#gate.loseWorker(worker.process);
        this.#ledger.retire(worker);
      },
    });
    this.#hints = new NodeHints({
      directory: parts.directory,
      node: file.name,
      onHints: (hints) => this.#tellAll({ kind: 'hints', hints }),
      clock,
      logger,
    });
    this.#days = new DayBook({
      data: file.data,
      gather: async () => parseMetrics(await this.#metrics()),
      clock,
      logger,
    });
    this.#directory.news?.onNews((news) => this.#tellAll({ kind: 'news', news }));
    nodeMetrics({
      workers: () => this.#fleet.ready.length,
      stuck: () => this.#fleet.stuck,
      deaths: () => this.#fleet.deaths,
      unknown: () => this.#unknown.map(({ name }) => name),
    });
  }

  /**
   * Tells what the directory says and this release does not know, once; it shows while it lasts.
   * @returns whether the directory says anything else than before, known or not
   */
  note({ said, unknown }: Settled): boolean {
    const before = new Set(this.#unknown.map(({ name }) => name));
    this.#unknown = unknown;
    for (const { name, message } of unknown) {
      if (before.has(name)) continue;
      this.#options.logger.warn({ code: 'MF-NODE-009', name }, `left out: ${message}`);
    }
    const last = this.#said;
    this.#said = JSON.stringify(said);
    return this.#said !== last;
  }

  async run(ended: Promise<void>): Promise<ExitName> {
    watchProcess();
    process.on('SIGHUP', () => void this.#reload('signal')); // Unhandled it would end a start.
    const starting = this.#fleet.start(this.#plan).then(() => this.#listen());
    starting.catch(() => {}); // When the end comes first, nobody waits for the start any more.
    const listening = await Promise.race([starting, ended.then(() => 'ended' as const)]);
    if (listening === 'ended') {
      await this.#gate.close();
      await this.#fleet.stop(0);
      return 'ok';
    }
    if (!listening) {
      await this.#gate.close();
      await this.#fleet.stop(0);
      return 'port-taken';
    }
    this.#serving = true;
    this.#presence?.start();
    this.#days.start();
    this.#options.onReady(this.#plan.listen.map(formatListen));
    const interval = valuesOf(this.#plan)['node.settings.interval'];
    const looking = setInterval(() => void this.#reload('timer'), interval);
    await ended;
    clearInterval(looking);
    this.#serving = false;
    const drainMs = valuesOf(this.#plan)['net.drain.time'];
    this.#options.logger.info({ drainMs }, 'ending: nothing new is accepted, sessions may finish');
    const farewell = this.#presence?.end(this.#status());
    await this.#gate.close();
    // With the other ports: whoever takes this node's place binds all while sessions finish here.
    await this.#health?.close();
    this.#hints.close();
    await this.#fleet.stop(drainMs);
    await this.#days.end(); // With the last words of all workers.
    await farewell;
    return 'ok';
  }

  #tellAll(message: ToWorker): void {
    for (const worker of this.#fleet.ready) this.#fleet.send(worker, message);
  }

  /** What the node's entry says of it (S0-34). */
  #status(): string {
    return statusLetters(this.#plan.listen, this.#serving && this.#fleet.ready.length > 0);
  }

  /** Listens as the plan says; what cannot be bound is logged. @returns whether all is bound. */
  async #listen(): Promise<boolean> {
    const { listen } = this.#plan;
    const gateListeners = listen.flatMap(({ service, host, port }) =>
      isServiceName(service) ? [{ service, host, port, refusal: SERVICES[service].refusal }] : [],
    );
    const problems = await this.#gate.listen(gateListeners);
    for (const problem of problems) {
      this.#options.logger.error({ code: problem.code, err: problem }, 'cannot listen');
    }
    const health = listen.find(({ service }) => service === HEALTH);
    await this.#health?.close();
    this.#health = health && (await this.#serveHealth(health));
    await this.#hints.follow(this.#plan, valuesOf(this.#plan)['farm.cookie']);
    return problems.length === 0 && (health === undefined || this.#health !== undefined);
  }

  async #serveHealth(address: { host: string; port: number }): Promise<HttpServer | undefined> {
    const values = valuesOf(this.#plan);
    const { logger } = this.#options;
    try {
      return await openHttp({
        ...address,
        logger,
        readiness: () => this.#readiness(),
        metrics: () => this.#metrics(),
        days: () => this.#days.days,
        invalidate: () => {
          for (const worker of this.#fleet.ready) this.#fleet.send(worker, { kind: 'invalidate' });
        },
        answerTimeoutMs: values['http.answer.timeout'],
        connectionsMax: values['http.connections.max'],
      });
    } catch (error) {
      if (!(error instanceof HttpListenError)) throw error;
      logger.error({ code: error.code, err: error }, 'cannot listen');
      return undefined;
    }
  }

  /** Whether this node should get connections; asks nobody, so it cannot hang. */
  #readiness(): Readiness {
    if (!this.#serving) return { ready: false, reasons: ['the node is starting or ending'] };
    const { ready } = this.#fleet;
    if (ready.length === 0) return { ready: false, reasons: ['no worker is ready'] };
    const known = ready.flatMap((worker) => worker.status ?? []);
    const down = new Set(known.flatMap((status) => status.volumesDown));
    const reasons = [...down].map((name) => `volume ${name} does not answer: only its users wait`);
    if (known.length > 0 && known.every((status) => !status.directory)) {
      return { ready: false, reasons: ['the directory does not answer', ...reasons] };
    }
    // Of what hangs nobody knows whether another node would do better; of what is not here all do.
    if (known.length > 0 && known.every((status) => !status.isMounted)) {
      return { ready: false, reasons: ['no volume is mounted here', ...reasons] };
    }
    return { ready: true, reasons };
  }

  async #metrics(): Promise<string> {
    const id = ++this.#scrape;
    const { ready } = this.#fleet;
    let waiting = ready.length;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, METRICS_WAIT_MS);
      this.#scrapes.set(id, () => {
        if (--waiting > 0) return;
        clearTimeout(timer);
        resolve();
      });
      if (waiting === 0) resolve();
      for (const worker of ready) this.#fleet.send(worker, { kind: 'metrics', id });
    });
    this.#scrapes.delete(id);
    return this.#ledger.render(await exportMetrics());
  }

  #onMessage(worker: Worker, message: FromWorker): void {
    if (message.kind === 'metrics') {
      this.#ledger.update(worker, message.metrics);
      this.#scrapes.get(message.id)?.();
    } else if (message.kind === 'advice' || message.kind === 'news' || message.kind === 'hints') {
      if (message.kind === 'news') this.#directory.news?.note(message.news);
      if (message.kind === 'hints') this.#hints.tell(message.hints);
      for (const other of this.#fleet.ready) {
        if (other !== worker) this.#fleet.send(other, message);
      }
    }
  }

  /** Asks the directory again; a change replaces the workers one generation for another. */
  async #reload(why: 'signal' | 'timer'): Promise<void> {
    if (this.#reloading && why === 'signal') this.#again = true; // What it is for may be newer.
    if (this.#reloading || !this.#serving) return;
    this.#reloading = true;
    const { logger, file } = this.#options;
    try {
      this.#directory.invalidate();
      const asked = await askDirectory(this.#directory, file.name);
      const settled = restrict(asked, this.#options.roles);
      if (this.note(asked) || why === 'signal') await keep(asked, { file, logger, clock });
      const before = JSON.stringify([this.#plan.listen, this.#plan.settings]);
      const changed = JSON.stringify([settled.listen, settled.settings]) !== before;
      if (!changed && why === 'timer') return;
      this.#plan = { ...this.#plan, listen: settled.listen, settings: settled.settings };
      logger.info({ why, changed }, 'settings read again, workers are replaced');
      await this.#fleet.replaceAll(this.#plan, valuesOf(this.#plan)['net.drain.time']);
      await this.#listen();
    } catch (error) {
      const fields = { code: 'MF-NODE-002', why, err: error };
      logger.warn(fields, 'settings not read again, the node goes on with those it has');
    } finally {
      this.#reloading = false;
    }
    if (!this.#again) return;
    this.#again = false;
    await this.#reload('signal');
  }
}
