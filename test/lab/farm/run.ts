/**
 * Runs the laboratory once: hosts, their inventory and a release, then the scenarios in the farm's
 * network. All of it ends with this process.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { start } from '../../harness/process.ts';
import { type BootOptions, insideEnv, INTERRUPTED } from '../boot.ts';
import { readReport, type TestReport } from '../report.ts';
import { serveControl } from './control.ts';
import { obtainImage } from './image.ts';
import { readInventory } from './inventory.ts';
import { Laboratory } from './laboratory.ts';
import { copyInventory, copyPlaybooks, EXAMPLE, makeRelease } from './prepare.ts';
import { TREE, writeLabVariables } from './prepare.ts';

const VITEST = ['node_modules/vitest/vitest.mjs', 'run', '--configLoader', 'runner'];
const CONFIG = ['--config', 'test/lab/farm/vitest.config.ts'];

/** What runs where nothing else is asked for: growth and upgrades take as long again. */
const SHORT = ['01-', '02-', '03-', '04-'];

export interface FarmReport extends TestReport {
  /** Until ssh of every host answered. */
  readonly bootMs: number;
  readonly folder: string;
}

export interface FarmOptions extends BootOptions {
  /** Folder of the inventory; without it the example's. */
  readonly inventory?: string;
  /** Archive to begin with; without it one of the commit that is checked out. */
  readonly release?: string;
}

/** A laboratory with everything on the administrator's machine, its hosts on and bare. */
export interface Booted {
  readonly laboratory: Laboratory;
  readonly bootMs: number;
  close(): Promise<void>;
}

/** @throws Error with the console of a host that does not start */
export async function bootFarm(options: FarmOptions): Promise<Booted> {
  const { kernel, long, onLine: say, inventory: from = EXAMPLE } = options;
  const image = await obtainImage(kernel, say, options.signal);
  if (options.signal?.aborted) throw new Error(INTERRUPTED);
  const laboratory = await Laboratory.open();
  const { folder } = laboratory;
  removeAtEnd(folder);
  const interrupt = (): void => void laboratory.close();
  options.signal?.addEventListener('abort', interrupt);
  try {
    const inventory = join(folder, 'inventory');
    copyPlaybooks(join(folder, 'ansible'));
    copyInventory({ from, to: inventory, short: !long && from === EXAMPLE });
    writeLabVariables(inventory, folder);
    const read = await readInventory([inventory]);
    const began = performance.now();
    await laboratory.bootAll({ kernel, image, inventory: read });
    const bootMs = performance.now() - began;
    say(`lab: ${read.hosts.length} hosts up after ${(bootMs / 1000).toFixed(1)} s`);
    const first = options.release ?? (await makeRelease(join(folder, 'releases'), '0.9.0-lab'));
    writeFileSync(join(folder, 'release-first'), first);
    laboratory.command(
      'test',
      `cd ${TREE} || exit 1`,
      `export MAILFARM_LAB_FARM=${folder}`,
      `exec ${scenarios(laboratory).join(' ')} "$@"`,
    );
    const control = serveControl(laboratory);
    const close = async (): Promise<void> => {
      control.close();
      control.closeAllConnections();
      await laboratory.close();
    };
    return { laboratory, bootMs, close };
  } catch (error) {
    await laboratory.close();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', interrupt);
  }
}

/**
 * The report's folder is the caller's to remove.
 * @throws Error with the end of what was said when it does not come up, or takes too long
 */
export async function runFarm(options: FarmOptions): Promise<FarmReport> {
  let folder = '';
  try {
    const booted = await bootFarm(options);
    folder = booted.laboratory.folder;
    try {
      await runTests(booted.laboratory, options);
    } finally {
      await booted.close();
    }
    const results = join(folder, 'results.json');
    if (!existsSync(results)) throw new Error(`no report (${options.ms / 1000} s at most)`);
    return { ...readReport(results, `${TREE}/`), bootMs: booted.bootMs, folder };
  } catch (error) {
    if (folder !== '') rmSync(folder, { recursive: true, force: true });
    throw options.signal?.aborted ? new Error(INTERRUPTED) : error;
  }
}

/** Words that run scenarios, without which ones. */
const scenarios = (laboratory: Laboratory): readonly string[] => [
  ...laboratory.enter,
  process.execPath,
  ...VITEST,
  ...CONFIG,
];

async function runTests(laboratory: Laboratory, options: FarmOptions): Promise<void> {
  const { args, ms, onLine, signal } = options;
  const chosen = args.length === 0 && !options.long ? SHORT : args;
  const argv = [...scenarios(laboratory), ...chosen];
  const env = { ...insideEnv(options), MAILFARM_LAB_FARM: laboratory.folder, NO_COLOR: '1' };
  mkdirSync(join(laboratory.folder, 'log'), { recursive: true });
  const running = start(argv, { cwd: TREE, env, withParent: 'KILL' });
  const end = (): void => running.kill('SIGKILL');
  const timer = setTimeout(end, ms);
  signal?.addEventListener('abort', end);
  let printed = 0;
  const print = (): void => {
    const text = running.output();
    const whole = running.running() ? text.lastIndexOf('\n') + 1 : text.length;
    if (whole > printed) text.slice(printed, whole).trimEnd().split('\n').forEach(onLine);
    printed = Math.max(printed, whole);
  };
  const ticker = setInterval(print, 300);
  await running.exited;
  clearInterval(ticker);
  clearTimeout(timer);
  signal?.removeEventListener('abort', end);
  print();
  writeFileSync(join(laboratory.folder, 'log', 'vitest.log'), running.output());
}

/** A child that outlives this process by a second and removes the folder, unless it was kept. */
function removeAtEnd(folder: string): void {
  const script = 'cat > /dev/null; sleep 1; test -e "$1/keep" || rm -rf -- "$1"';
  const janitor = spawn('sh', ['-c', script, 'janitor', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  janitor.unref();
  (janitor.stdin as Socket).unref();
}
