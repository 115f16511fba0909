/**
 * The demo's two processes, kept running as an init system would: started, waited for, started
 * again when they die, ended in the right order.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { exitCode } from '../../config/exit.ts';

const MAIN = join(import.meta.dirname, '../main.ts');
const PAUSE_MS = 500;
const END_MS = 40_000;

export interface Child {
  /** SIGTERM, then SIGKILL when that takes too long. Resolves when it has ended. */
  stop(): Promise<void>;
}

/** A process of the demo ended before it served; it has said why. */
export class ChildEnded extends Error {
  /** Its exit code, for ours. */
  readonly code: number;
  constructor(args: readonly string[], how: NodeJS.Signals | number) {
    const words = args.filter((word) => !word.startsWith('-')).slice(0, 2);
    super(`the demo did not start: mailfarm ${words.join(' ')} ended (${how}), see above`);
    this.name = 'ChildEnded';
    this.code = typeof how === 'number' && how !== 0 ? how : exitCode('software');
  }
}

export interface ChildOptions {
  readonly args: readonly string[];
  readonly onNote: (text: string) => void;
  readonly onStarted: (child: Child) => void;
}

/**
 * Starts it and waits until it says that it serves; what can be stopped is given to `onStarted`
 * before that. @throws Error when it ends before.
 */
export async function keepRunning(options: ChildOptions): Promise<void> {
  let stopping = false;
  let current: ChildProcess;
  const start = (): Promise<void> => {
    // Its output is ours, without a copy; that it serves it says over the channel.
    const child = spawn(process.execPath, [MAIN, ...options.args], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      detached: true, // Ctrl-C is for us: they end in order, and when the channel closes.
    });
    current = child;
    return new Promise((resolve, reject) => {
      let seen = false;
      child.once('message', () => {
        seen = true;
        resolve();
      });
      child.on('error', reject);
      child.on('exit', (code, signal) => {
        if (!seen) reject(new ChildEnded(options.args, signal ?? code ?? 0));
        if (!stopping && seen) again(signal ?? code);
      });
    });
  };
  const again = (how: unknown): void => {
    options.onNote(`mailfarm ${options.args[0]} ended (${String(how)}) and is started again`);
    setTimeout(() => {
      if (!stopping) start().catch(again);
    }, PAUSE_MS);
  };
  const first = start();
  options.onStarted({
    stop: () => {
      stopping = true;
      return end(current);
    },
  });
  await first;
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
