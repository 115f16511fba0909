/**
 * Keeps the node's entry in the directory true: its status at once when it changes, a beat now and
 * then. It runs beside everything else in the supervisor: nothing waits for it, and a directory
 * that is away costs a line in the log.
 */
import type { Clock } from '../base/clock.ts';
import type { Registration, Told } from '../directory/registration.ts';
import type { Logger } from '../log/types.ts';

export interface PresenceOptions {
  readonly registration: Registration;
  readonly node: string;
  /** The letters as they are now. */
  readonly status: () => string;
  /** Time between two beats, given how many nodes there are. */
  readonly beatMs: (nodes: number) => number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often the status is looked at; nobody outside is asked for it. */
const LOOK_MS = 1_000;
/** Time before a beat that failed is tried again, at least. */
const RETRY_MS = 5_000;
/** So long an end waits for the last word. */
const FAREWELL_MS = 2_000;

export class Presence {
  readonly #options: PresenceOptions;
  readonly #ending = new AbortController();
  #loop: Promise<void> | undefined;
  /** What the last attempt came to; a change of it is worth a line in the log. */
  #outcome: Told['kind'] | 'failed' | undefined;
  #told: string | undefined;
  #nextAt = -Infinity;
  #twin: string | undefined;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** From now on the directory is told. */
  start(): void {
    this.#loop = this.#run();
  }

  /** Tells a last status and is silent then; at most two seconds. */
  async end(status: string): Promise<void> {
    if (!this.#loop) return;
    const { clock } = this.#options;
    this.#ending.abort();
    const over = new AbortController();
    const late = clock.sleep(FAREWELL_MS, over.signal).catch(() => {});
    const last = this.#loop.then(() => this.#tell(status));
    await Promise.race([last, late]);
    over.abort();
  }

  async #run(): Promise<void> {
    const { clock, status } = this.#options;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      const due = clock.now() >= this.#nextAt;
      const changed = status() !== this.#told && this.#outcome === 'told';
      if (due || changed) await this.#tell(status());
      await clock.sleep(LOOK_MS, signal).catch(() => {});
    }
  }

  async #tell(status: string): Promise<void> {
    const { registration, clock, beatMs } = this.#options;
    try {
      const told = await registration.tell(status);
      const nodes = told.kind === 'told' ? told.nodes : 1;
      this.#nextAt = clock.now() + beatMs(nodes);
      this.#told = status;
      this.#note(told.kind);
      if (told.kind === 'told') this.#noteTwin(told.twin);
    } catch (error) {
      this.#nextAt = clock.now() + Math.min(beatMs(1), RETRY_MS);
      this.#note('failed', error);
    }
  }

  #note(outcome: Told['kind'] | 'failed', err?: unknown): void {
    const before = this.#outcome;
    this.#outcome = outcome;
    if (outcome === before) return;
    const { logger, node } = this.#options;
    if (outcome === 'told') {
      if (before !== undefined) logger.info({ node }, 'the directory shows how this node is again');
    } else if (outcome === 'other-key') {
      const mend = `mailfarm node set ${node} --new-key`;
      logger.warn({ code: 'MF-NODE-006', mend }, 'the node serves, but its entry has another key');
    } else if (outcome === 'no-entry') {
      const text = 'the entry of this node was taken away; it serves until it ends';
      logger.warn({ code: 'MF-NODE-007', node }, text);
    } else if (this.#ending.signal.aborted) {
      logger.info({ err }, 'the directory was not told that this node ends');
    } else {
      const text = 'the directory was not told how this node is';
      logger.warn({ code: 'MF-NODE-007', err }, text);
    }
  }

  #noteTwin(twin: string | undefined): void {
    if (twin !== undefined && twin !== this.#twin) {
      const { logger, node } = this.#options;
      logger.warn({ code: 'MF-NODE-008', node, twin }, 'another node has the number of this one');
    }
    this.#twin = twin;
  }
}
