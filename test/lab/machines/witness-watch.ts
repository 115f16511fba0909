/**
 * The witness in the hub, watching the farm of the machines: groups of users by volume, phases,
 * the report printed, and what every run has to prove, whatever was broken.
 */
import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { SmtpChat } from '../../harness/smtp-chat.ts';
import { readLedger } from '../../witness/ledger.ts';
import type { Figures, Work } from '../../witness/measure.ts';
import type { WitnessOptions } from '../../witness/options.ts';
import type { Entry } from '../../witness/records.ts';
import { type Report, reportText } from '../../witness/report.ts';
import { type FinishOptions, type PhaseOptions, Witness } from '../../witness/witness.ts';
import { type MachinesFarm, PASSWORD, PORTS, volumeOf } from './farm.ts';
import { atFiler, type Frontend, FRONTENDS, type HostProcess, HOSTS } from './inside.ts';

/** Ten minutes instead of twenty seconds, and the like. */
export const LONG = process.env['MAILFARM_LAB_LONG'] !== undefined;
/** For `npm test` and for `--long`. */
export const seconds = (short: number, long: number): number => (LONG ? long : short) * 1000;

/** A worker or a node that ended though nobody ended it; what is logged then. */
const CRASH = /MF-NODE-00[35]|"level":"fatal"|uncaught|unhandled|Segmentation|core dumped/i;

export const say = (line: string): void => void process.stdout.write(`   ${line}\n`);
const sayAll = (text: string): void => text.trimEnd().split('\n').forEach(say);

export const at = (service: 'mx' | 'pop3', hosts: readonly Frontend[]): string[] =>
  hosts.map((host) => `${HOSTS[host].address}:${PORTS[service]}`);

export interface WatchOptions extends Partial<Omit<WitnessOptions, 'ledger'>> {
  /** All front ends unless told. */
  readonly through?: readonly Frontend[];
  readonly readThrough?: readonly Frontend[];
  readonly logins?: readonly string[];
}

/** One run of the witness. */
export class Watch {
  readonly #witness: Witness;
  readonly #ledger: string;
  readonly #name: string;
  readonly #since = performance.now();
  static readonly #running = new Set<Witness>();

  private constructor(name: string, ledger: string, witness: Witness) {
    this.#name = name;
    this.#ledger = ledger;
    this.#witness = witness;
    Watch.#running.add(witness);
  }

  /** For `afterEach`: a test that failed leaves nobody who sends into the next one. */
  static async stopAll(): Promise<void> {
    await Promise.all([...Watch.#running].map((witness) => witness.stop({ drainMs: 0 })));
    Watch.#running.clear();
  }

  /** Begins with the phase `usual`, when letters come through. */
  static async start(farm: MachinesFarm, name: string, options: WatchOptions = {}): Promise<Watch> {
    const { through = FRONTENDS, readThrough = through, logins = farm.users, ...more } = options;
    const ledger = join('/tmp', `witness-${name}`);
    rmSync(ledger, { force: true });
    const witness = await Witness.start({
      ledger,
      smtp: at('mx', through),
      pop3: at('pop3', readThrough),
      users: logins.map((login) => ({ login, password: PASSWORD, group: volumeOf(login) })),
      sendPauseMs: 300,
      readPauseMs: 400,
      octetsMax: 300_000,
      connectMs: 3_000,
      answerMs: 30_000,
      dotMs: 30_000,
      landMs: 90_000,
      drainMs: 30_000,
      ...more,
    });
    const watch = new Watch(name, ledger, witness);
    await watch.until((counts) => counts.acknowledged > logins.length);
    watch.phase('usual');
    return watch;
  }

  phase(name: string, options: PhaseOptions = {}): void {
    this.#witness.phase(name, options);
  }

  /** Works for so long in a phase of that name. */
  async during(name: string, ms: number, options: PhaseOptions = {}): Promise<void> {
    this.phase(name, options);
    await sleep(ms);
  }

  /** Works until enough was done. @throws Error after a minute and a half */
  async until(enough: (counts: Report['counts']) => boolean): Promise<void> {
    const end = performance.now() + 90_000;
    while (!enough(this.#witness.progress().counts)) {
      if (performance.now() > end) {
        throw new Error(`too little after 90 s: ${JSON.stringify(this.#witness.progress())}`);
      }
      await sleep(200);
    }
  }

  get counts(): Report['counts'] {
    return this.#witness.progress().counts;
  }

  /** What the witness wrote down, so far. */
  entries(): readonly Entry[] {
    return readLedger(this.#ledger).entries;
  }

  /** Verifies all, prints the report. */
  async finish(options: FinishOptions = {}): Promise<Report> {
    const report = await this.#witness.finish(options);
    Watch.#running.delete(this.#witness);
    copyFileSync(this.#ledger, `/mnt/host/log/witness-${this.#name}`);
    const took = Math.round((performance.now() - this.#since) / 1000);
    say(`witness, ${this.#name}, ${took} s:`);
    sayAll(reportText(report));
    return report;
  }
}

/** Nothing lost, doubled, changed, hidden or refused for good, and enough done to mean it. */
export function expectProven(report: Report): void {
  expect(report.violations.slice(0, 10)).toEqual([]);
  expect(report.tooLittle).toEqual([]);
  expect(report.ok).toBe(true);
}

/** No worker and no node ended but by our hand. */
export function expectNoCrash(nodes: Iterable<HostProcess>): void {
  for (const node of nodes) {
    const lines = node.output().split('\n');
    const crashes = lines.filter((line) => CRASH.test(line));
    expect(crashes.slice(0, 5), `${node.host} logged the end of a process`).toEqual([]);
  }
}

/** The figures of a group in a phase; zeros when it had no end of any kind. */
export function figuresOf(report: Report, phase: string, group: string, work: Work): Figures {
  const found = report.figures.find(
    (row) => row.phase === phase && row.group === group && row.work === work,
  );
  if (!found) throw new Error(`nobody was seen to ${work} for ${group} in ${phase}`);
  return found;
}

const answers = (host: Frontend): Promise<boolean> =>
  SmtpChat.open({ host: HOSTS[host].address, port: PORTS.mx }).then(
    ({ chat }) => {
      chat.stream.destroy();
      return true;
    },
    () => false,
  );

/** On each front end whose node was killed or lost its power it is started again. */
export async function allNodesRun(farm: MachinesFarm): Promise<void> {
  await Promise.all(
    FRONTENDS.map(async (host) => {
      const isUp = await Promise.race([answers(host), sleep(20_000, false)]);
      if (isUp) return;
      await farm.nodes
        .get(host)
        ?.signal('KILL')
        .catch(() => undefined);
      await farm.startNode(host);
    }),
  );
}

/** Letters that wait on spool1, those that are being landed included. */
export async function parked(): Promise<number> {
  const script = `find . -type f '(' -path '*/waiting/*' -o -path '*/taken/*' ')' | wc -l`;
  return Number(await atFiler('spool1', script));
}

/** Sets an option of the whole farm and starts every node anew. */
export async function setFarm(farm: MachinesFarm, option: string, value: string): Promise<void> {
  await farm.command('fe1', 'config', 'set', option, value);
  await Promise.all(
    FRONTENDS.map(async (host) => {
      await farm.nodes
        .get(host)
        ?.signal('KILL')
        .catch(() => undefined);
      await farm.startNode(host);
    }),
  );
}
