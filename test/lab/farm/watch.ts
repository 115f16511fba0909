/** The witness before the farm: it knows the balancers' address only, as every client does. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { WitnessOptions } from '../../witness/options.ts';
import { type Report, reportText } from '../../witness/report.ts';
import { type FinishOptions, type PhaseOptions, Witness } from '../../witness/witness.ts';
import { folder, PASSWORD, say } from './inside.ts';
import { SERVICE } from './world.ts';

/** A busy machine, slow hosts: a limit ends what hangs. */
const USUAL_MS = 300_000;
/** Letters without which the witness's report says that it proves nothing, and a few. */
const ENOUGH_TO_JUDGE = 24;

export class Watch {
  static readonly #running = new Set<Witness>();
  readonly #witness: Witness;
  readonly #name: string;

  private constructor(name: string, witness: Witness) {
    this.#name = name;
    this.#witness = witness;
    Watch.#running.add(witness);
  }

  /** For `afterEach`: a test that failed leaves nobody who sends into the next one. */
  static async stopAll(): Promise<void> {
    await Promise.all([...Watch.#running].map((witness) => witness.stop({ drainMs: 0 })));
    Watch.#running.clear();
  }

  /** Begins with the phase `usual`, when letters come through. */
  static async start(
    name: string,
    logins: readonly string[],
    options: Partial<WitnessOptions> = {},
  ): Promise<Watch> {
    const ledger = join(folder, 'log', `witness-${name}`);
    rmSync(ledger, { force: true }); // Of an earlier run with the same hosts.
    const witness = await Witness.start({
      ledger,
      smtp: [`${SERVICE.v4}:25`],
      pop3: [`${SERVICE.v4}:110`],
      users: logins.map((login) => ({ login, password: PASSWORD })),
      senders: 1,
      mixedSenders: 0,
      readers: 1,
      sendPauseMs: 700,
      readPauseMs: 1000,
      octetsMax: 200_000,
      connectMs: 20_000,
      answerMs: 120_000,
      dotMs: 180_000,
      landMs: 300_000,
      drainMs: 120_000,
      cut: 0,
      ...options,
    });
    const watch = new Watch(name, witness);
    await watch.until(({ acknowledged, sessions }) => acknowledged > 3 && sessions > 3);
    watch.phase('usual');
    await watch.more(2, 2); // A phase without work proves nothing, and is no row of the report.
    return watch;
  }

  phase(name: string, options: PhaseOptions = {}): void {
    this.#witness.phase(name, options);
  }

  get counts(): Report['counts'] {
    return this.#witness.progress().counts;
  }

  /** Works until enough was done. @throws Error after minutes */
  async until(enough: (counts: Report['counts']) => boolean): Promise<void> {
    const end = performance.now() + USUAL_MS;
    while (!enough(this.counts)) {
      if (performance.now() > end) {
        throw new Error(`too little: ${JSON.stringify(this.#witness.progress())}`);
      }
      await sleep(300);
    }
  }

  /** Works until so many letters more were taken and sessions more were read. */
  async more(letters: number, sessions: number): Promise<void> {
    const before = this.counts;
    await this.until(
      (now) =>
        now.acknowledged >= before.acknowledged + letters &&
        now.sessions >= before.sessions + sessions,
    );
  }

  /** Works on until there is enough to judge, verifies all, prints the report. */
  async finish(options: FinishOptions = {}): Promise<Report> {
    await this.until(({ acknowledged }) => acknowledged >= ENOUGH_TO_JUDGE);
    const report = await this.#witness.finish(options);
    Watch.#running.delete(this.#witness);
    say(`witness, ${this.#name}:`);
    reportText(report).trimEnd().split('\n').forEach(say);
    return report;
  }
}

/** Nothing lost, doubled, changed, hidden or refused for good, and enough done to mean it. */
export function expectProven(report: Report): void {
  expect(report.violations.slice(0, 10)).toEqual([]);
  expect(report.tooLittle).toEqual([]);
  expect(report.ok).toBe(true);
}

/** In these phases nobody was told to come back, and no session broke. */
export function expectSmooth(report: Report, phases: readonly string[]): void {
  const rows = report.figures.filter(({ phase }) => phases.includes(phase));
  expect(new Set(rows.map(({ phase }) => phase)).size).toBe(phases.length);
  expect(rows.filter(({ failed, temporary }) => failed + temporary > 0)).toEqual([]);
}
