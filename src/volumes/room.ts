import type { Logger } from '../log/types.ts';
import { hasRoom, type Space } from './space.ts';

/**
 * Whether a volume takes new mail. It is learned from two sides, and each knows what the other
 * does not: a probe reads free space and whether the mount is read-only; a write that fails
 * knows of quotas of the export, of a server that exports read-only, and of the last moment.
 *
 * Invariant: what a write found out stands until a probe shows that it changed (more free space
 * than at that write, a mount that may be written again), or until `retryMs` have passed: no probe
 * sees a quota, so then one more write may try. Without that time each probe would forget a full
 * quota, and every few seconds some letters would be taken at RCPT and refused after DATA.
 *
 * Reading and deleting go on whatever is said here. Each change is logged once: going back from
 * what a write found out counts when a write has succeeded, so that a trial is not a change.
 */
export type Writable = 'yes' | 'full' | 'read-only';

export interface RoomOptions {
  readonly volume: string;
  readonly log: Logger;
  readonly now: () => number;
  readonly reserve: { readonly bytes: number; readonly inodes: number };
  readonly retryMs: number;
}

/** What the last write that failed for want of room said. */
interface Refused {
  readonly as: Exclude<Writable, 'yes'>;
  readonly at: number;
  /** Known then; more than that later is new room. */
  readonly freeBytes: number | undefined;
}

const WORDS: Readonly<Record<Exclude<Writable, 'yes'>, { code: string; message: string }>> = {
  full: { code: 'MF-VOL-005', message: 'volume is full: new mail is deferred' },
  'read-only': { code: 'MF-VOL-006', message: 'volume is read-only: new mail is deferred' },
};

export class Room {
  readonly #options: RoomOptions;
  #space: Space | undefined;
  #refused: Refused | undefined;
  #told: Writable = 'yes';
  /** A write failed, and none has succeeded since. */
  #unproven = false;

  constructor(options: RoomOptions) {
    this.#options = options;
  }

  /** As of the last probe; undefined before. */
  get space(): Space | undefined {
    return this.#space;
  }

  get writable(): Writable {
    return this.#byWrite() ?? this.#byProbe(0);
  }

  /** Whether `bytes` more would fit, as far as is known without asking. */
  fits(bytes: number): boolean {
    return (this.#byWrite() ?? this.#byProbe(bytes)) !== 'full';
  }

  /** A probe saw this. */
  seen(space: Space): void {
    const { freeBytes } = this.#refused ?? {};
    this.#space = space;
    const grew = freeBytes !== undefined && space.freeBytes > freeBytes;
    const writable = this.#refused?.as === 'read-only' && space.mode === 'writable';
    if ((this.#refused?.as === 'full' && grew) || writable) this.#refused = undefined;
    const byProbe = this.#byProbe(0);
    if (byProbe !== 'yes') this.#tell(byProbe);
    else if (!this.#unproven) this.#tell('yes');
  }

  /** A write failed for this reason. */
  refused(as: Exclude<Writable, 'yes'>, why: Error): void {
    this.#refused = { as, at: this.#options.now(), freeBytes: this.#space?.freeBytes };
    this.#unproven = true;
    this.#tell(as, why);
  }

  /** A write succeeded. */
  written(): void {
    if (!this.#unproven) return;
    this.#unproven = false;
    this.#refused = undefined;
    this.#tell(this.#byProbe(0));
  }

  #byWrite(): Writable | undefined {
    const refused = this.#refused;
    if (refused === undefined) return undefined;
    return this.#options.now() - refused.at < this.#options.retryMs ? refused.as : undefined;
  }

  #byProbe(bytes: number): Writable {
    const space = this.#space;
    if (space === undefined) return 'yes';
    if (space.mode === 'read-only') return 'read-only';
    return hasRoom(space, bytes, this.#options.reserve) ? 'yes' : 'full';
  }

  #tell(writable: Writable, err?: Error): void {
    if (writable === this.#told) return;
    this.#told = writable;
    const { log, volume } = this.#options;
    if (writable === 'yes') return log.info({ volume }, 'volume takes new mail again');
    const { code, message } = WORDS[writable];
    const { freeBytes, freeInodes } = this.#space ?? {};
    log.error({ code, volume, freeBytes, freeInodes, ...(err && { err }) }, message);
  }
}
