/**
 * A worker process: takes connections from the supervisor and serves them. Started by fork(2) only.
 *
 * It ends when it is told to drain, when the supervisor is gone (the channel closes), and after an
 * error that nobody caught: whatever state that left is not to be trusted, and another worker takes
 * over. What it has acknowledged is on the volumes; there is nothing to save.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock as clock } from '../base/clock.ts';
import { systemRandom as random } from '../base/random.ts';
import { exitCode } from '../config/exit.ts';
import type { Directory } from '../directory/types.ts';
import { createLogger } from '../log/logger.ts';
import type { Logger } from '../log/types.ts';
import { exportMetrics } from '../metrics/export.ts';
import { watchProcess } from '../metrics/process.ts';
import { addressRanges } from '../net/address.ts';
import { createAdmission } from '../net/admission.ts';
import { startHandover } from '../net/handover.ts';
import { createIntake, type Intake, type IntakeListener } from '../net/intake.ts';
import { openTlsStore, type TlsStore } from '../net/tls.ts';
import { openDirectory } from './directory.ts';
import { buildEngines, type Engines } from './engines.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { valuesOf, type Plan, type Values } from './plan.ts';
import { isServiceName, SERVICES } from './services.ts';

const STATUS_MS = 1000;
/** libuv's own choice. */
const THREADS_DEFAULT = 4;

const tell = (message: FromWorker): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
};

function listenersOf(
  engines: Engines,
  values: Values,
): (name: string) => IntakeListener | undefined {
  const proxyFrom = addressRanges(values['net.proxy.from']);
  return (name) => {
    if (!isServiceName(name)) return undefined;
    const row = SERVICES[name];
    const service = engines.services.get(row.protocol);
    if (!service) return undefined;
    const mode = row.tls === 'implicit' ? 'implicit-tls' : 'plain';
    return { name, service, mode, proxyFrom, refusal: row.refusal };
  };
}

async function openTls(plan: Plan, values: Values, logger: Logger): Promise<TlsStore | undefined> {
  const { default: pair, domains } = plan.file.tls;
  if (!pair) return undefined;
  const reloadMs = values['net.tls.reload'];
  const ticketKeys = Buffer.from(plan.ticketKeys, 'hex');
  return openTlsStore({ default: pair, domains, reloadMs, ticketKeys, clock, logger });
}

/** Clients behind balancers, whom the supervisor cannot tell apart, are counted here. */
function openIntake(values: Values, tls: TlsStore | undefined, logger: Logger): Intake {
  return createIntake({
    tls,
    proxyTimeoutMs: values['net.proxy.timeout'],
    handshakeTimeoutMs: values['net.tls.handshake-timeout'],
    proxied: createAdmission(
      {
        total: values['net.connections.max'],
        perAddress: values['net.connections.per-address'],
        ratePerMinute: values['net.rate.per-address'],
        exempt: addressRanges(values['net.limits.exempt']),
      },
      clock,
    ),
    random,
    logger,
  });
}

async function run(plan: Plan): Promise<void> {
  const values = valuesOf(plan);
  const { level, time } = plan.file.log;
  const bindings = { node: plan.file.name, pid: process.pid };
  const logger = createLogger({ level, time, bindings });
  dieLoudly(logger);
  watchProcess();
  const directory = openDirectory({ file: plan.file, options: values, logger, clock });
  mkdirSync(join(plan.file.data, 'sessions'), { recursive: true, mode: 0o700 });
  const tls = await openTls(plan, values, logger);
  const threads = Number(process.env['UV_THREADPOOL_SIZE']) || THREADS_DEFAULT;
  const engines = buildEngines({ plan, directory, tls, logger, clock, random, threads });
  engines.auth.onAdvice((advice) => tell({ kind: 'advice', advice }));
  directory.news?.onNews((news) => tell({ kind: 'news', news }));
  engines.hints.onTell((hints) => tell({ kind: 'hints', hints }));
  const intake = openIntake(values, tls, logger);
  letGo({ engines, intake });
  const listenerOf = listenersOf(engines, values);
  const listeners = new Map(Object.keys(SERVICES).map((name) => [name, listenerOf(name)]));
  const listener = (name: string): IntakeListener | undefined => listeners.get(name);
  const stopHandover = startHandover({ channel: process, intake, listener });
  obey({ directory, engines, intake, stopHandover, drainMs: values['net.drain.time'] });
  // Asked before the first connection comes: then it is known whether a replica answers.
  await directory.settings().catch(() => {});
  await engines.volumes.table.looked();
  report(directory, engines);
  tell({ kind: 'ready' });
}

interface Parts {
  readonly directory: Directory;
  readonly engines: Engines;
  readonly intake: Intake;
  readonly stopHandover: () => void;
  readonly drainMs: number;
}

/** Does what the supervisor says, and ends when it is gone. */
function obey({ directory, engines, intake, stopHandover, drainMs }: Parts): void {
  let draining = false;
  const drain = async (ms: number): Promise<void> => {
    if (draining) return;
    draining = true;
    intake.close();
    const services = [...engines.services.values()];
    await Promise.all([...services, engines].map((one) => one.drain(ms)));
    stopHandover();
    engines.close();
    await lastWord();
    tell({ kind: 'drained' });
    process.exit(exitCode('ok'));
  };
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'drain') void drain(message.ms);
    else if (message.kind === 'invalidate') directory.invalidate();
    else if (message.kind === 'advice') engines.auth.note(message.advice);
    else if (message.kind === 'news') directory.news?.note(message.news);
    else if (message.kind === 'hints') engines.hints.note(message.hints);
    else if (message.kind === 'metrics') {
      const { id } = message;
      void exportMetrics().then((metrics) => tell({ kind: 'metrics', id, metrics }));
    }
  });
  process.on('disconnect', () => void drain(drainMs));
  if (!process.connected) void drain(0); // It went before there was anybody to notice.
}

/** What was counted since the last scrape, or the node's sums would lack it. Never rejects. */
async function lastWord(): Promise<void> {
  const message: FromWorker = { kind: 'metrics', id: NO_SCRAPE, metrics: await exportMetrics() };
  await new Promise<void>((resolve) => {
    if (!process.connected) return resolve();
    // Larger than a pipe: the exit would cut it off.
    process.send?.(message, undefined, undefined, () => resolve());
  });
}
const NO_SCRAPE = 0;

/**
 * However this process ends (drained, a bug, somebody's exit()): what it holds is let go first.
 * Node joins the threads of its pool before it exits, and one that hangs on a volume never comes;
 * then only SIGKILL ends the process, and where the thread hangs in fsync not even that: what is
 * left of it keeps every descriptor, connections of other volumes' users as well.
 */
function letGo({ engines, intake }: Pick<Parts, 'engines' | 'intake'>): void {
  process.once('exit', () => {
    intake.abandon();
    tell({ kind: 'ending' });
    if (engines.volumes.table.busy) process.kill(process.pid, 'SIGKILL');
  });
}

/** Says now and every second how directory and volumes look from here. */
function report(directory: Directory, engines: Engines): void {
  const status = (): void => {
    const { volumes } = engines.volumes.table;
    const wanted = volumes.filter(({ entry }) => entry.state !== 'offline');
    tell({
      kind: 'status',
      status: {
        directory: directory.available,
        volumesDown: volumes.filter((v) => !v.up).map((v) => v.name),
        isMounted: wanted.length === 0 || wanted.some((v) => !v.absent),
      },
    });
  };
  setInterval(status, STATUS_MS).unref();
  status();
}

/** The supervisor decides when workers end; a Ctrl-C in a terminal reaches the whole group. */
function ignoreTerminalSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
}

function dieLoudly(logger: ReturnType<typeof createLogger>): void {
  const die = (err: unknown): void => {
    logger.error({ err }, 'bug: nobody caught this, the worker ends');
    process.exit(exitCode('software'));
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
}

ignoreTerminalSignals();
process.once('message', (message: ToWorker) => {
  if (message.kind === 'plan') void run(message.plan);
});
