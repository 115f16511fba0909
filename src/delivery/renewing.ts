import type { Clock } from '../base/clock.ts';
import { LEASE_MS, type SpoolTree, type Spooled } from '../spool/tree.ts';

const RENEW_MS = 30_000;

/** The claim is somebody else's by now, or may be: what it was for stops. */
export class ClaimLost extends Error {
  constructor() {
    super('the claim was lost: another process may be at work on the letter');
    this.name = 'ClaimLost';
  }
}

/**
 * Keeps a claim while a long delivery runs. A renewal that finds no claim has lost it; one whose
 * result is unknown is tried again, and when a lease has gone by without one that worked, it is
 * lost too (tree.ts, invariant 3).
 */
export class Renewing {
  readonly #tree: SpoolTree;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #claim: Spooled | undefined;
  #renewedAt: number;
  /** One at a time: each renames what the one before made. */
  #last: Promise<boolean> = Promise.resolve(true);

  constructor(tree: SpoolTree, claim: Spooled, clock: Clock) {
    this.#tree = tree;
    this.#claim = claim;
    this.#clock = clock;
    this.#renewedAt = clock.now();
    this.#running = this.#run();
  }

  /** Before what cannot be taken back: whoever may go on has a whole lease for it. @throws */
  async require(): Promise<void> {
    if (!(await this.#renew())) throw new ClaimLost();
  }

  /** @returns the claim as it is named now; undefined when it is lost */
  async end(): Promise<Spooled | undefined> {
    this.#stop.abort(new Error('done'));
    await this.#running;
    return this.#claim;
  }

  async #run(): Promise<void> {
    for (;;) {
      await this.#clock.sleep(RENEW_MS, this.#stop.signal).catch(() => {});
      if (this.#stop.signal.aborted || this.#claim === undefined) return;
      await this.#renew();
    }
  }

  #renew(): Promise<boolean> {
    this.#last = this.#last.then(() => this.#renewNow());
    return this.#last;
  }

  async #renewNow(): Promise<boolean> {
    if (this.#claim === undefined) return false;
    const at = this.#clock.now();
    try {
      this.#claim = await this.#tree.renew(this.#claim);
      this.#renewedAt = at;
      return this.#claim !== undefined;
    } catch {
      if (this.#clock.now() - this.#renewedAt >= LEASE_MS) this.#claim = undefined;
      return false;
    }
  }
}
