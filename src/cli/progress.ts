import type { Clock } from '../base/clock.ts';
import { humanCount, humanDuration } from './human.ts';
import type { Output } from './output.ts';

const BAR_CELLS = 20;
const REDRAW_MS = 200;

/** Tells how far a long work is: a bar on a terminal, elsewhere a line for each tenth. */
export class Progress {
  readonly #out: Output;
  readonly #clock: Clock;
  readonly #what: string;
  readonly #total: number;
  readonly #started: number;
  #done = 0;
  #drawn = 0;
  #tenth = 0;

  /** `total`: how many of `what` there are. */
  constructor(parts: {
    readonly out: Output;
    readonly clock: Clock;
    readonly what: string;
    readonly total: number;
  }) {
    this.#out = parts.out;
    this.#clock = parts.clock;
    this.#what = parts.what;
    this.#total = parts.total;
    this.#started = parts.clock.now();
  }

  add(count: number): void {
    this.#done = Math.min(this.#total, this.#done + count);
    if (this.#out.live) this.#draw();
    else this.#say();
  }

  /** Takes the bar off the terminal. */
  end(): void {
    this.#out.status('');
  }

  #draw(): void {
    const now = this.#clock.now();
    if (now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    const cells = Math.floor((this.#done / Math.max(1, this.#total)) * BAR_CELLS);
    this.#out.status(`[${'#'.repeat(cells).padEnd(BAR_CELLS, '-')}] ${this.#text(now)}`);
  }

  #say(): void {
    const tenth = Math.floor((this.#done / Math.max(1, this.#total)) * 10);
    if (tenth <= this.#tenth) return;
    this.#tenth = tenth;
    this.#out.note(this.#text(this.#clock.now()));
  }

  #text(now: number): string {
    const seconds = Math.max(0.001, (now - this.#started) / 1_000);
    const rate = this.#done / seconds;
    const left = ((this.#total - this.#done) / Math.max(rate, 0.001)) * 1_000;
    const percent = Math.floor((this.#done / Math.max(1, this.#total)) * 100);
    const counts = `${humanCount(this.#done)} of ${humanCount(this.#total)} ${this.#what}`;
    const rest = this.#done === this.#total ? '' : `, ${humanDuration(left)} left`;
    return `${percent} %, ${counts}, ${humanCount(Math.round(rate))}/s${rest}`;
  }
}
