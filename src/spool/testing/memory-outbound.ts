/**
 * An outbound spool in memory, for tests of those who put letters in and of those who send them.
 */
import type { Clock } from '../../base/clock.ts';
import { StoreError } from '../../volumes/error.ts';
import { laneOf } from '../lane.ts';
import type {
  NewEnvelope,
  OutboundClaim,
  OutboundDraft,
  OutboundEnvelope,
  OutboundSpools,
  Settlement,
} from '../outbound.ts';

export interface MemoryLetter {
  envelope: OutboundEnvelope;
  readonly message: Buffer;
  state: 'waiting' | 'taken' | 'hold' | 'done';
  dueAt: number;
  /** Why it is held. */
  reason: string | undefined;
}

export class MemoryOutbound implements OutboundSpools {
  /** All that were committed, those that are done too. */
  readonly letters: MemoryLetter[] = [];
  /** Thrown by what writes, while it is set. */
  failure: StoreError | undefined;
  readonly #clock: Clock;
  readonly #listeners: (() => void)[] = [];
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  open(): OutboundDraft {
    if (this.failure) throw this.failure;
    const pieces: Buffer[] = [];
    let sealed: MemoryLetter[] = [];
    const write = async (_offset: number, bytes: Uint8Array): Promise<void> => {
      if (this.failure) throw this.failure;
      pieces.push(Buffer.from(bytes));
    };
    return {
      spool: 'memory',
      write,
      seal: async (octets, wireOctets, envelopes) => {
        if (this.failure) throw this.failure;
        const message = Buffer.concat(pieces);
        if (message.length !== octets) throw new Error(`${message.length} octets, not ${octets}`);
        const sizes = { octets, wireOctets };
        sealed = envelopes.map((envelope) => this.#letter({ ...envelope, ...sizes }, message));
      },
      commit: async () => {
        if (this.failure) throw this.failure;
        this.letters.push(...sealed);
        for (const listener of this.#listeners) listener();
      },
      discard: async () => {},
    };
  }

  async requireRoom(): Promise<void> {
    if (this.failure) throw this.failure;
  }

  async take({
    limit,
    perRoute,
  }: Parameters<OutboundSpools['take']>[0]): Promise<readonly OutboundClaim[]> {
    const taken = new Map<string, number>();
    const claims: OutboundClaim[] = [];
    for (const letter of this.letters) {
      const lane = laneOf(letter.envelope.route);
      const count = taken.get(lane) ?? 0;
      const isDue = letter.state === 'waiting' && letter.dueAt <= this.#clock.now();
      if (claims.length === limit || !isDue || count >= perRoute(lane)) continue;
      taken.set(lane, count + 1);
      letter.state = 'taken';
      claims.push(this.#claim(letter));
    }
    return claims;
  }

  onCommitted(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async wake(lane: string): Promise<number> {
    const now = this.#clock.now();
    const waking = this.letters.filter(
      ({ envelope, state, dueAt }) =>
        state === 'waiting' && dueAt > now && laneOf(envelope.route) === lane,
    );
    for (const letter of waking) letter.dueAt = now;
    return waking.length;
  }

  #letter(
    envelope: NewEnvelope & { readonly octets: number; readonly wireOctets: number },
    message: Buffer,
  ): MemoryLetter {
    const now = this.#clock.now();
    const id = `${Math.floor(now / 1000)}.M0P1Q${this.#count++}R0.memory`;
    const fresh = { tries: 0, delayTold: false, troubles: [], node: 'memory', acceptedAt: now };
    const whole = { ...envelope, ...fresh, id };
    return { envelope: whole, message, state: 'waiting', dueAt: now, reason: undefined };
  }

  #claim(letter: MemoryLetter): OutboundClaim {
    let held = true;
    return {
      envelope: letter.envelope,
      spool: 'memory',
      now: async () => this.#clock.now(),
      renew: async () => held,
      read: async (offset, length) => letter.message.subarray(offset, offset + length),
      settle: async (settlement) => {
        if (!held) return false;
        held = false;
        settle(letter, settlement);
        return true;
      },
      release: async () => {
        if (held) letter.state = 'waiting';
        held = false;
      },
    };
  }
}

function settle(letter: MemoryLetter, settlement: Settlement): void {
  if (settlement.kind === 'done') letter.state = 'done';
  else if (settlement.kind === 'hold') {
    letter.state = 'hold';
    letter.reason = settlement.reason;
  } else {
    const { recipients, troubles, delayTold, tried, dueAt } = settlement;
    const tries = letter.envelope.tries + (tried ? 1 : 0);
    letter.envelope = { ...letter.envelope, recipients, troubles, delayTold, tries };
    letter.dueAt = dueAt;
    letter.state = 'waiting';
  }
}
