/**
 * Boots all machines, runs the tests in the hub, does what they ask for outside, ends it all. Each
 * kernel and the switch die with this process, however it dies; a janitor takes the folder away.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BootOptions, insideEnv, INTERRUPTED } from '../boot.ts';
import { readReport, type TestReport } from '../report.ts';
import { type Answer, ask, makeBox, OUTSIDE, readOrNothing, serveBox } from './box.ts';
import type { Request } from './box.ts';
import { type Cables, layCables } from './cables.ts';
import { EXPORTS, FRONTENDS, type Host, HOST_NAMES } from './hosts.ts';
import { Machine, makeDisks } from './machine.ts';

const NODE = 'exec /mnt/tree/node_modules/node-linux-*/bin/node "$@"';
const VITEST = ['node_modules/vitest/vitest.mjs', 'run', '--configLoader', 'runner'];
const CONFIG = ['--config', 'test/lab/machines/vitest.config.ts'];

export interface MachinesReport extends TestReport {
  /** Until all machines were up, with their volumes. */
  readonly bootMs: number;
  readonly folder: string;
}

/**
 * Runs the laboratory once. The report's folder is the caller's to remove.
 * @throws Error with the end of what was said when it does not come up, dies or takes too long
 */
export async function runMachines(options: BootOptions): Promise<MachinesReport> {
  const folder = mkdtempSync(join(tmpdir(), 'mailfarm-machines-'));
  removeAtEnd(folder);
  const laboratory = new Laboratory(folder, options);
  try {
    const bootMs = await laboratory.boot();
    options.onLine(`lab: ${HOST_NAMES.length} machines up after ${(bootMs / 1000).toFixed(1)} s`);
    await laboratory.runTests();
    await laboratory.end();
    const results = join(folder, 'results.json');
    if (existsSync(results)) return { ...readReport(results), bootMs, folder };
    throw new Error(
      `the tests left no report (${options.ms / 1000} s at most)\n${laboratory.words()}`,
    );
  } catch (error) {
    await laboratory.end();
    rmSync(folder, { recursive: true, force: true });
    throw options.signal?.aborted ? new Error(INTERRUPTED) : error;
  }
}

/** A child that outlives this process by a second and removes the folder, unless it was. */
function removeAtEnd(folder: string): void {
  const script = 'cat > /dev/null; sleep 1; rm -rf -- "$1"';
  const janitor = spawn('sh', ['-c', script, 'janitor', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  janitor.unref();
  (janitor.stdin as Socket).unref();
}

class Laboratory {
  readonly #folder: string;
  readonly #options: BootOptions;
  readonly #machines: ReadonlyMap<Host, Machine>;
  readonly #stops: (() => void | Promise<void>)[] = [];
  #cables: Cables | undefined;

  constructor(folder: string, options: BootOptions) {
    this.#folder = folder;
    this.#options = options;
    this.#machines = new Map(
      HOST_NAMES.map((host) => [host, new Machine(folder, options.kernel, host)]),
    );
    makeBox(folder, OUTSIDE);
    mkdirSync(join(folder, 'log'));
  }

  /** @returns ms until all was there */
  async boot(): Promise<number> {
    const began = performance.now();
    this.#cables = await layCables(this.#folder);
    const { signal } = this.#options;
    const interrupt = (): void => void this.#allOff();
    signal?.addEventListener('abort', interrupt);
    this.#stops.push(() => signal?.removeEventListener('abort', interrupt));
    await Promise.all([...this.#machines.keys()].map((host) => makeDisks(this.#folder, host)));
    await Promise.all([...this.#machines.values()].map((machine) => machine.on()));
    this.#stops.push(serveBox(this.#folder, OUTSIDE, (request) => this.#perform(request)));
    const wait = `for v in ${EXPORTS.join(' ')}; do until mountpoint -q /mnt/$v; do sleep 0.1; done; done`;
    const argv = ['timeout', '60', 'bash', '-c', wait];
    await Promise.all(
      FRONTENDS.map(async (to) => {
        const options = { to, from: OUTSIDE, ms: 70_000 };
        const answer = await ask(this.#folder, options, { do: 'run', argv, as: 'root' });
        if (answer.code === 0) return;
        throw new Error(`${to} does not mount its volumes:\n${this.#machines.get(to)?.console()}`);
      }),
    );
    return performance.now() - began;
  }

  /** Resolves when vitest ended in the hub. @throws Error when the time is over */
  async runTests(): Promise<void> {
    const { args, ms, onLine } = this.#options;
    const argv = ['bash', '-c', NODE, 'node', ...VITEST, ...CONFIG, ...args];
    const env = insideEnv(this.#options);
    const request: Request = { do: 'start', name: 'vitest', argv, as: 'root', env };
    await ask(this.#folder, { to: 'hub', from: OUTSIDE, ms: 60_000 }, request);
    const log = join(this.#folder, 'log', 'vitest');
    const until = performance.now() + ms;
    let printed = 0;
    for (let ended = false; !ended;) {
      ended = existsSync(`${log}.end`);
      const text = readOrNothing(`${log}.log`) ?? '';
      const whole = ended ? text.length : text.lastIndexOf('\n') + 1;
      if (whole > printed) text.slice(printed, whole).trimEnd().split('\n').forEach(onLine);
      printed = Math.max(printed, whole);
      this.#requireHub();
      if (performance.now() > until) throw new Error(`not done after ${ms / 1000} s`);
      if (!ended) await sleep(200);
    }
  }

  /** What was said by whom, the end of it. */
  words(): string {
    return readOrNothing(join(this.#folder, 'log', 'vitest.log'))?.slice(-3000) ?? '';
  }

  /** Nothing of it runs any more afterwards. Twice is fine. */
  async end(): Promise<void> {
    for (const stop of this.#stops.splice(0)) await stop();
    await this.#allOff();
    await this.#cables?.close();
    for (const machine of this.#machines.values()) {
      writeFileSync(join(this.#folder, `console-${machine.host}`), machine.console());
    }
    rmSync(join(this.#folder, 'disks'), { recursive: true, force: true });
  }

  #requireHub(): void {
    const hub = this.#machines.get('hub');
    if (hub?.isOn()) return;
    throw new Error(`the hub died:\n${hub?.console().slice(-3000) ?? ''}`);
  }

  async #allOff(): Promise<void> {
    for (const machine of this.#machines.values()) machine.off();
    await Promise.all([...this.#machines.values()].map((machine) => machine.gone()));
  }

  async #perform(request: Request): Promise<Answer> {
    if (request.do === 'restore') {
      await this.#cables?.tell('heal-all');
      const off = [...this.#machines.values()].filter((machine) => !machine.isOn());
      await Promise.all(off.map((machine) => machine.on()));
    } else if (request.do === 'cable') await this.#cables?.tell(request.command);
    else if (request.do === 'power-off' || request.do === 'power-on') {
      const machine = this.#machines.get(request.host);
      if (machine === undefined || request.host === 'hub') throw new Error('no such machine');
      if (request.do === 'power-off') machine.off();
      await machine.gone();
      if (request.do === 'power-on') await machine.on();
    } else throw new Error('nobody outside does that');
    return { code: 0, output: '' };
  }
}
