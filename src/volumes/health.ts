import { withDeadline } from '../base/deadline.ts';
import type { Clock } from '../base/clock.ts';
import { StoreError } from './error.ts';
import { probes } from './metrics.ts';

/**
 * Whether a volume may be used: known from a probe of its own, never from slow operations of one
 * mailbox. A probe reads the sentinel. `judge` is the whole breaker, and pure.
 *
 * One probe runs at a time, open or half-open alike; one that hangs keeps its thread, so no other
 * is started until it answers: each interval counts as one more failure, and a late answer means
 * that the server is back, so the volume is asked again at once.
 *
 * Rejected: checking the sentinel before each operation (three calls more each; when a mount goes
 * away, mailboxes are missing below it, and operations make no directories).
 */
export type Health =
  | { readonly state: 'unknown' }
  | { readonly state: 'up'; readonly verifiedAt: number; readonly failures: number }
  | { readonly state: 'down'; readonly why: string; readonly fault: 'wrong' | 'failed' };

export type ProbeResult =
  | { readonly kind: 'ok' }
  /** The answer came and says that this is not the volume: no doubt, down at once. */
  | { readonly kind: 'wrong'; readonly why: string }
  /** No answer, or an error: down after some of them. */
  | { readonly kind: 'failed'; readonly why: string };

/** The health after a probe. A volume that was never seen well is down at its first failure. */
export function judge(
  health: Health,
  probe: ProbeResult,
  at: { readonly now: number; readonly failuresMax: number },
): Health {
  switch (probe.kind) {
    case 'ok':
      return { state: 'up', verifiedAt: at.now, failures: 0 };
    case 'wrong':
      return { state: 'down', why: probe.why, fault: 'wrong' };
    case 'failed': {
      if (health.state === 'up' && health.failures + 1 < at.failuresMax) {
        return { ...health, failures: health.failures + 1 };
      }
      if (health.state === 'down' && health.fault === 'wrong') return health;
      return { state: 'down', why: probe.why, fault: 'failed' };
    }
  }
}

export interface HealthOptions {
  /** The volume's name, for messages. */
  readonly volume: string;
  /** Asks the volume. May hang; may reject, which counts as failed. */
  readonly probe: () => Promise<ProbeResult>;
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly deadlineMs: number;
  readonly failuresMax: number;
  readonly onChange: (health: Health) => void;
}

export class VolumeHealth {
  readonly #options: HealthOptions;
  readonly #stop = new AbortController();
  /** A verification older than this does not count: the prober did not run (a frozen process). */
  readonly #staleMs: number;
  #health: Health = { state: 'unknown' };
  #current: Promise<void> | undefined;
  /** An attempt has not ended, be its deadline over. */
  #hanging = false;
  #answeredAt: number;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#answeredAt = options.clock.now();
    this.#staleMs = 3 * (options.intervalMs + options.deadlineMs);
  }

  get up(): boolean {
    return this.#health.state === 'up';
  }

  /** Whether something else lies where the volume should: it is not mounted here. */
  get absent(): boolean {
    return this.#health.state === 'down' && this.#health.fault === 'wrong';
  }

  /** Whether a probe is under way, be its deadline over. */
  get busy(): boolean {
    return this.#hanging;
  }

  /** When the volume last answered a probe, well or not; before that, when this began. */
  get answeredAt(): number {
    return this.#answeredAt;
  }

  /** Probes now and then until `close`. */
  start(): void {
    void this.#loop();
  }

  close(): void {
    this.#stop.abort(new Error('closed'));
    this.#health = { state: 'down', why: 'left the volume table', fault: 'wrong' };
  }

  /**
   * Nothing to wait for when the volume was seen well lately, which is the common case.
   * @throws StoreError 'volume-down'
   */
  ready(): Promise<void> | undefined {
    if (this.#isFresh()) return undefined;
    if (this.#health.state === 'down') throw this.#downError();
    return this.#probed();
  }

  /** Waits for a probe that begins after this call. @throws StoreError 'volume-down' */
  async verify(): Promise<void> {
    if (this.#stop.signal.aborted) throw this.#downError();
    await this.#current;
    const failures = this.#failures();
    await this.#probe();
    if (!this.up || this.#failures() > failures) throw this.#downError();
  }

  #failures(): number {
    return this.#health.state === 'up' ? this.#health.failures : 0;
  }

  #isFresh(): boolean {
    const health = this.#health;
    return health.state === 'up' && this.#options.clock.now() - health.verifiedAt <= this.#staleMs;
  }

  async #probed(): Promise<void> {
    await this.#probe();
    if (!this.#isFresh()) throw this.#downError();
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#probe();
      await this.#options.clock.sleep(this.#options.intervalMs, signal).catch(() => {});
    }
  }

  /** Runs a probe or joins the one that runs. Never rejects. */
  async #probe(): Promise<void> {
    if (this.#current === undefined && this.#hanging) {
      this.#judge({ kind: 'failed', why: 'has not answered a reading of its sentinel yet' });
      return;
    }
    this.#current ??= this.#attempt().finally(() => {
      this.#current = undefined;
    });
    await this.#current;
  }

  async #attempt(): Promise<void> {
    this.#hanging = true;
    const work = this.#options.probe();
    const ended = (): void => {
      this.#hanging = false;
      this.#answeredAt = this.#options.clock.now();
    };
    work.then(ended, ended);
    try {
      const result = await withDeadline(work, {
        ms: this.#options.deadlineMs,
        what: `The sentinel of volume ${this.#options.volume}`,
        onLate: () => void this.#probe(),
      });
      this.#judge(result);
    } catch (error) {
      this.#judge({ kind: 'failed', why: error instanceof Error ? error.message : String(error) });
    }
  }

  #judge(result: ProbeResult): void {
    probes.inc(result.kind);
    if (this.#stop.signal.aborted) return;
    const before = this.#health;
    const { clock, failuresMax } = this.#options;
    this.#health = judge(before, result, { now: clock.now(), failuresMax });
    if (before.state !== this.#health.state) this.#options.onChange(this.#health);
  }

  #downError(): StoreError {
    const health = this.#health;
    const why = health.state === 'down' ? health.why : 'could not be verified';
    return new StoreError('volume-down', `Volume ${this.#options.volume} is down: ${why}`);
  }
}
