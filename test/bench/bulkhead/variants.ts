/**
 * The ways to make calls on volumes that decision 14 compares, each behind the product's own
 * bulkhead and the engine's interface. A: libuv's pool of the serving process. B: threads of each
 * volume, synchronous calls. C: a process for each volume, over a socket.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { nodeFs } from '#maildir';
import { Bulkhead } from '../../../src/volumes/bulkhead.ts';
import { type Answer, type Carry, localCalls, remoteCalls } from './calls.ts';
import type { VolumeCalls } from './calls.ts';
import { type EngineSetting, openEngine } from './engine.ts';
import { frame, FrameReader } from './frame.ts';

export const VARIANTS = ['A', 'B', 'C'] as const;
export type Variant = (typeof VARIANTS)[number];

export interface VariantSetting {
  readonly variant: Variant;
  readonly volumes: number;
  /** Operations of one volume at once; in B its threads. */
  readonly slots: number;
  readonly deadlineMs: number;
  readonly directorySync: 'always' | 'never';
}

export interface GuardedCalls {
  readonly calls: VolumeCalls;
  readonly bulkhead: Bulkhead;
  /** Results that came after their deadline. */
  readonly late: () => number;
  /** Processes that serve this volume. */
  readonly pids: readonly number[];
}

interface Raw {
  readonly calls: VolumeCalls;
  readonly pids: readonly number[];
  /** When whoever makes the calls has started. */
  readonly ready: Promise<unknown>;
}

/** Opens all volumes of a process; resolves when their threads and processes have started. */
export async function openVariant(setting: VariantSetting): Promise<GuardedCalls[]> {
  const raw = Array.from({ length: setting.volumes }, (_, i) => {
    const engine = { directorySync: setting.directorySync, node: `v${i}` };
    return OPEN[setting.variant](engine, setting.slots);
  });
  await Promise.all(raw.map(({ ready }) => ready));
  return raw.map((one) => guarded(one, setting));
}

const OPEN: Readonly<Record<Variant, (engine: EngineSetting, slots: number) => Raw>> = {
  A: (engine) => ({
    calls: localCalls(openEngine(nodeFs, engine), nodeFs),
    pids: [],
    ready: Promise.resolve(),
  }),
  B: (engine, slots) => {
    const { carry, ready } = threads(engine, slots);
    return { calls: remoteCalls(carry, names(engine)), pids: [], ready };
  },
  C: (engine, slots) => {
    const child = startVolumeProcess(engine, slots);
    const socket = child.stdio[3] as Socket;
    const { carry, ready } = overSocket(socket);
    const calls = remoteCalls(carry, names(engine));
    return { calls, pids: child.pid === undefined ? [] : [child.pid], ready };
  },
};

/** Names are made where they are asked for: no call crosses for them, no file is touched. */
const names = (engine: EngineSetting): (() => string) => openEngine(nodeFs, engine).uniqueName;

function guarded(raw: Raw, { slots, deadlineMs }: VariantSetting): GuardedCalls {
  const bulkhead = new Bulkhead({ inFlightMax: slots, waitingMax: 2000 });
  let late = 0;
  const run = <T>(what: string, work: () => Promise<T>, onLate?: () => void): Promise<T> =>
    bulkhead.run({
      what,
      deadlineMs,
      run: work,
      onLate: () => {
        late += 1;
        onLate?.();
      },
    });
  const { calls } = raw;
  return {
    bulkhead,
    late: () => late,
    pids: raw.pids,
    calls: {
      uniqueName: () => calls.uniqueName(),
      create: (maildir, options) => run('create', () => calls.create(maildir, options)),
      stage: (request) =>
        run(
          'stage',
          () => calls.stage(request),
          () => void calls.discard(request).catch(() => {}),
        ),
      publish: (request) => run('publish', () => calls.publish(request)),
      discard: (request) => run('discard', () => calls.discard(request)),
      list: (maildir) => run('list', () => calls.list(maildir)),
      read: (request) => run('read', () => calls.read(request)),
      prepare: (call, path) => run('prepare', () => calls.prepare(call, path)),
      stick: (call, path) => run(call, () => calls.stick(call, path)),
    },
  };
}

interface Started {
  readonly carry: Carry;
  readonly ready: Promise<unknown>;
}

/** B: as many threads as slots, so that one is idle whenever the bulkhead lets a call through. */
function threads(engine: EngineSetting, count: number): Started {
  const idle = Array.from({ length: count }, () => {
    const worker = new Worker(join(import.meta.dirname, 'thread.ts'), { workerData: engine });
    worker.unref();
    return worker;
  });
  const started = idle.map((worker) => new Promise((resolve) => worker.once('message', resolve)));
  const carry: Carry = (call) =>
    new Promise((resolve, reject) => {
      const worker = idle.pop();
      if (worker === undefined) return reject(new Error('no idle thread'));
      worker.once('message', (answer: Answer) => {
        idle.push(worker);
        resolve(answer);
      });
      worker.postMessage(call);
    });
  return { carry, ready: Promise.all(started) };
}

function startVolumeProcess(engine: EngineSetting, slots: number): ChildProcess {
  const program = join(import.meta.dirname, 'volume-process.ts');
  return spawn(process.execPath, [program, JSON.stringify(engine)], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, UV_THREADPOOL_SIZE: String(slots) },
    detached: true, // A signal to the serving process's group is not for it.
  });
}

/** C: calls over one socket, answers in any order. */
function overSocket(socket: Socket): Started {
  const waiting = new Map<number, (answer: Answer) => void>();
  let count = 0;
  let corked = false;
  const reader = new FrameReader((head, bytes) => {
    const { id, ...answer } = head as Answer & { id: number };
    waiting.get(id)?.({ ...answer, bytes });
    waiting.delete(id);
  });
  socket.on('data', (chunk: Buffer) => reader.push(chunk));
  socket.on('error', () => undefined);
  const write = (parts: readonly Buffer[]): void => {
    if (!corked) {
      corked = true;
      socket.cork();
      process.nextTick(() => {
        corked = false;
        socket.uncork();
      });
    }
    for (const part of parts) socket.write(part);
  };
  const carry: Carry = ({ op, args, bytes }) =>
    new Promise((resolve) => {
      const id = ++count;
      waiting.set(id, resolve);
      write(frame({ id, op, args }, bytes));
    });
  return { carry, ready: new Promise((resolve) => waiting.set(0, resolve)) };
}
