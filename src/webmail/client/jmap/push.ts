import type { Clock } from '../clock.ts';

/** What of EventSource is used: tests have their own. */
export interface EventStream {
  readonly readyState: number;
  addEventListener(type: 'open' | 'error' | 'state', listener: () => void): void;
  close(): void;
}

export interface PushParts {
  readonly clock: Clock;
  readonly open: (url: string) => EventStream;
  /** Something may have changed. Called too often rather than too seldom. */
  readonly onChange: () => void;
}

const CLOSED = 2;
/** Between looks while no stream is open. */
export const POLL_MS = 30_000;
const REOPEN_MS = 60_000;

/**
 * News of the mailbox (RFC 8620 §7.3): a stream, and while there is none a look every 30 s. After
 * each opening everything is looked at once: what happened in between was told to nobody. So it is
 * when a stream is refused, for its reason is told to requests only.
 */
export class Push {
  readonly #parts: PushParts;
  readonly #url: string;
  #stream: EventStream | undefined;
  #streaming = false;
  #ended = false;
  #callOffPoll: (() => void) | undefined;
  #callOffReopen: (() => void) | undefined;

  constructor(url: string, parts: PushParts) {
    this.#parts = parts;
    this.#url = url.replace('{types}', '*').replace('{closeafter}', 'no').replace('{ping}', '30');
    this.#open();
    this.#poll();
  }

  end(): void {
    this.#ended = true;
    this.#stream?.close();
    this.#callOffPoll?.();
    this.#callOffReopen?.();
  }

  #open(): void {
    const stream = this.#parts.open(this.#url);
    this.#stream = stream;
    stream.addEventListener('open', () => {
      this.#streaming = true;
      this.#parts.onChange();
    });
    stream.addEventListener('state', () => this.#parts.onChange());
    stream.addEventListener('error', () => {
      this.#streaming = false;
      // The browser itself comes back after a cut line, and gives up after any other answer.
      if (stream.readyState !== CLOSED || this.#ended) return;
      stream.close();
      // Such as that the sign-in has ended: a look is told so, and a user who is away sees it.
      this.#parts.onChange();
      this.#callOffReopen = this.#parts.clock.after(REOPEN_MS, () => this.#open());
    });
  }

  #poll(): void {
    this.#callOffPoll = this.#parts.clock.after(POLL_MS, () => {
      if (!this.#streaming) this.#parts.onChange();
      this.#poll();
    });
  }
}
