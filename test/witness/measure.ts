/**
 * What users felt, by group, kind of work and phase: rates, latencies, how long nothing worked.
 *
 * An interruption is the time between two successes while somebody was trying: it begins when
 * work is under way (or begins) with no success since, and ends with the next success. A phase
 * that begins amid an interruption has its part from there; the whole counts in the phase that
 * ends it.
 */
import { now } from './options.ts';

export type Work = 'send' | 'read';
export type Outcome = 'success' | 'temporary' | 'failed';

/** Times in steps of 3 %: percentiles of any number of samples in little memory. */
class Times {
  readonly #steps = new Map<number, number>();
  #count = 0;
  max = 0;

  add(ms: number): void {
    const step = Math.round(Math.log(Math.max(ms, 0.1)) / Math.log(1.03));
    this.#steps.set(step, (this.#steps.get(step) ?? 0) + 1);
    this.#count++;
    this.max = Math.max(this.max, ms);
  }

  quantile(share: number): number {
    let left = Math.ceil(this.#count * share);
    if (left === 0) return 0;
    for (const [step, count] of [...this.#steps].toSorted(([a], [b]) => a - b)) {
      left -= count;
      if (left <= 0) return Math.min(this.max, 1.03 ** step);
    }
    return this.max;
  }
}

/** One group's work of one kind in one phase, in numbers. */
export interface Figures {
  readonly group: string;
  readonly work: Work;
  readonly phase: string;
  readonly seconds: number;
  readonly successes: number;
  readonly temporary: number;
  readonly failed: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** How long a temporary failure took to be answered. */
  readonly temporaryP99Ms: number;
  readonly temporaryMaxMs: number;
  readonly interruptionMs: number;
  /** From the beginning of the phase. */
  readonly firstSuccessMs: number | undefined;
  readonly firstTemporaryMs: number | undefined;
}

class Cell {
  readonly outcomes = { success: 0, temporary: 0, failed: 0 };
  readonly times = new Times();
  readonly temporary = new Times();
  interruption = 0;
  firstSuccess: number | undefined;
  firstTemporary: number | undefined;
}

interface Gap {
  underWay: number;
  since: number | undefined;
  /** What another phase has counted of it already. */
  longest: number;
}

interface Phase {
  readonly name: string;
  readonly at: number;
  readonly cells: Map<string, Cell>;
  until: number | undefined;
}

export class Measure {
  readonly #gaps = new Map<string, Gap>();
  readonly #phases: Phase[] = [];

  constructor() {
    this.phase('start');
  }

  get current(): string {
    return this.#phase.name;
  }

  get #phase(): Phase {
    return this.#phases.at(-1) as Phase;
  }

  /** From now on, figures are of this phase. A name may come again. */
  phase(name: string): void {
    const at = now();
    if (this.#phases.length > 0) this.#close(at);
    this.#phases.push({ name, at, cells: new Map(), until: undefined });
  }

  /** No work any more. */
  end(): void {
    this.#close(now());
  }

  /** @returns what to call once, with how it ended and, for a success, when it was one. */
  begin(group: string, work: Work): (outcome: Outcome, at?: number) => void {
    const key = `${work} ${group}`;
    const gap = this.#gap(key);
    const start = now();
    gap.underWay++;
    gap.since ??= start;
    return (outcome, at = now()) => {
      gap.underWay--;
      const cell = this.#cell(key);
      cell.outcomes[outcome]++;
      if (outcome === 'temporary') {
        cell.temporary.add(at - start);
        cell.firstTemporary ??= Math.max(0, at - this.#phase.at);
      }
      if (outcome !== 'success') return;
      cell.times.add(at - start);
      cell.firstSuccess ??= Math.max(0, at - this.#phase.at);
      this.#interrupted(key, gap, at);
      gap.since = gap.underWay > 0 ? at : undefined;
    };
  }

  longest(group: string, work: Work): number {
    return this.#gaps.get(`${work} ${group}`)?.longest ?? 0;
  }

  /** Groups in the order in which they first worked. */
  figures(): Figures[] {
    return this.#phases.flatMap((phase) =>
      [...phase.cells].map(([key, cell]) => figuresOf(phase, key, cell)),
    );
  }

  #gap(key: string): Gap {
    let gap = this.#gaps.get(key);
    if (!gap) this.#gaps.set(key, (gap = { underWay: 0, since: undefined, longest: 0 }));
    return gap;
  }

  #cell(key: string): Cell {
    const { cells } = this.#phase;
    let cell = cells.get(key);
    if (!cell) cells.set(key, (cell = new Cell()));
    return cell;
  }

  #interrupted(key: string, gap: Gap, at: number): void {
    if (gap.since === undefined) return;
    const ms = Math.max(0, at - gap.since);
    gap.longest = Math.max(gap.longest, ms);
    const cell = this.#cell(key);
    cell.interruption = Math.max(cell.interruption, ms);
  }

  #close(at: number): void {
    for (const [key, gap] of this.#gaps) this.#interrupted(key, gap, at);
    this.#phase.until ??= at;
  }
}

function figuresOf(phase: Phase, key: string, cell: Cell): Figures {
  const [work = '', group = ''] = key.split(/ (.*)/s);
  const seconds = ((phase.until ?? now()) - phase.at) / 1000;
  const round = (ms: number): number => Math.round(ms * 10) / 10;
  return {
    group,
    work: work as Work,
    phase: phase.name,
    seconds: round(seconds),
    successes: cell.outcomes.success,
    temporary: cell.outcomes.temporary,
    failed: cell.outcomes.failed,
    perSecond: seconds > 0 ? round(cell.outcomes.success / seconds) : 0,
    p50Ms: round(cell.times.quantile(0.5)),
    p99Ms: round(cell.times.quantile(0.99)),
    maxMs: round(cell.times.max),
    temporaryP99Ms: round(cell.temporary.quantile(0.99)),
    temporaryMaxMs: round(cell.temporary.max),
    interruptionMs: round(cell.interruption),
    firstSuccessMs: cell.firstSuccess === undefined ? undefined : round(cell.firstSuccess),
    firstTemporaryMs: cell.firstTemporary === undefined ? undefined : round(cell.firstTemporary),
  };
}
