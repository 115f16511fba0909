/** Starts the experiment's hosts and talks to them; the bench and the laboratory use it. */
import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Commands, HostState } from './host.ts';
import type { Measured } from './load.ts';
import type { VariantSetting } from './variants.ts';

interface Results extends Record<keyof Commands, unknown> {
  readonly load: Measured;
  readonly others: Record<string, string>;
  readonly state: HostState;
}

interface FromHost {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Threads that a process keeps beside those of its volumes, as the product does. */
const SPARE_THREADS = 8;

/** Threads of libuv's pool that a host needs when all its volumes hang. */
export const poolSize = ({ variant, volumes, slots }: VariantSetting): number =>
  variant === 'A' ? volumes * slots + SPARE_THREADS : 4;

export class Host {
  readonly process: ChildProcess;
  readonly #waiting = new Map<number, (message: FromHost) => void>();
  #count = 0;

  private constructor(child: ChildProcess) {
    this.process = child;
    child.on('message', (message: FromHost) => {
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    });
    child.on('error', () => undefined);
  }

  /** @param threads size of libuv's pool; what the variant needs when it is not given. */
  static async start(setting: VariantSetting, threads = poolSize(setting)): Promise<Host> {
    const child = fork(join(import.meta.dirname, 'host.ts'), [JSON.stringify(setting)], {
      env: { ...process.env, UV_THREADPOOL_SIZE: String(threads) },
      serialization: 'json',
    });
    const host = new Host(child);
    await new Promise<void>((resolve, reject) => {
      host.#waiting.set(0, () => resolve());
      child.once('exit', (code) => reject(new Error(`the host ended with ${code}`)));
    });
    return host;
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  ask<K extends keyof Commands>(name: K, parameters: Commands[K]): Promise<Results[K]> {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ value, error }) =>
        error === undefined ? resolve(value as Results[K]) : reject(new Error(error)),
      );
      this.process.send({ id, name, with: parameters }, (error) => error && reject(error));
    });
  }

  /** Asks and does not wait for an answer. */
  tell<K extends keyof Commands>(name: K, parameters: Commands[K]): void {
    this.process.send({ id: -1, name, with: parameters }, () => {});
  }

  /** @param keep whether this process keeps the connection too, to be able to end it. */
  give(socket: Socket, keep: boolean): void {
    this.process.send('socket', socket, { keepOpen: keep }, () => {});
  }

  /** For a host with nothing stuck. */
  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGKILL');
    await gone;
  }
}
