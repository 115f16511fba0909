/**
 * Requests to whichever node answers. Invariants:
 *
 * - A request that only reads, or whose second run changes nothing that the first has not, is
 *   repeated until a node answers it: a node that dies in the middle costs a moment, and no part of
 *   the client above knows. The first try again is at once: the balancer has other nodes.
 * - A request that must not run twice (a letter is sent, a draft made) is repeated only where it is
 *   sure that no node has begun it; else the caller is told `Unsure`, and looks.
 * - The end of a session is no error: requests wait, the sign-in form stands over a page that keeps
 *   all it has, and after it they go on.
 * - "We cannot now" (5xx, 429, serverUnavailable) is never "there is nothing": it is waited out,
 *   with the server's own sentence on the screen.
 */
import type { Clock } from '../clock.ts';
import { Observable } from '../observable.ts';
import { Answers, type Batch, type Invocation } from './batch.ts';
import type { Session } from './types.ts';

export const CAPABILITIES: readonly string[] = [
  'urn:ietf:params:jmap:core',
  'urn:ietf:params:jmap:mail',
  'urn:ietf:params:jmap:submission',
];

export type Link =
  | { readonly kind: 'well' }
  /** No node answers: our line or theirs. */
  | { readonly kind: 'away'; readonly retryAt: number }
  /** A node answers that it cannot, with its reason. */
  | { readonly kind: 'trouble'; readonly text: string; readonly retryAt: number }
  /** The session has ended: nothing goes out before a sign-in. */
  | { readonly kind: 'signed-out' };

export interface Send {
  /** `once`: what must not be done twice. */
  readonly repeat?: 'always' | 'once';
  readonly signal?: AbortSignal | undefined;
}

/** Whether a request was done is not known: no answer came. */
export class Unsure extends Error {
  constructor() {
    super('No answer came: it may have been done');
    this.name = 'Unsure';
  }
}

/** The server will never do this: our bug, or a limit. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.name = 'Refused';
    this.status = status;
  }
}

/** First waits before another try, milliseconds; the last one goes on for ever. */
const WAITS_MS = [0, 250, 1000, 2000, 4000, 8000, 15_000, 30_000] as const;
/** A failure that is over by then is nobody's business. */
const QUIET_TRIES = 3;
const WAIT_MAX_MS = 60_000;
/** No node needs that long; a hung volume's users are told before. */
const REQUEST_MS = 45_000;

export interface ConnectionParts {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly clock: Clock;
}

type Try =
  | { readonly kind: 'done'; readonly response: Response }
  | { readonly kind: 'later'; readonly text: string | undefined; readonly waitMs: number };

export class Connection extends Observable {
  readonly #parts: ConnectionParts;
  #link: Link = { kind: 'well' };
  #session: Session | undefined;
  /** Those who wait: for a time, or for a sign-in. */
  readonly #waiting = new Set<() => void>();

  constructor(parts: ConnectionParts) {
    super();
    this.#parts = parts;
  }

  get link(): Link {
    return this.#link;
  }

  get session(): Session {
    if (!this.#session) throw new Error('The session is not open yet');
    return this.#session;
  }

  /** The account that this user's mail is in. */
  get accountId(): string {
    return this.session.primaryAccounts['urn:ietf:params:jmap:mail'] ?? '';
  }

  /** Whoever waits tries now: the line is back, somebody signed in, or the user wants it. */
  wake(): void {
    if (this.#link.kind === 'signed-out') this.#setLink({ kind: 'well' });
    for (const go of this.#waiting) go();
  }

  /** Fetches the session resource (RFC 8620 §2). Waits for a sign-in where there is none. */
  async open(signal?: AbortSignal): Promise<Session> {
    const response = await this.request('/.well-known/jmap', { method: 'GET' }, { signal });
    this.#session = (await response.json()) as Session;
    return this.#session;
  }

  /** @throws Unsure, Refused; AbortError where the signal says so */
  async send(batch: Batch, options: Send = {}): Promise<Answers> {
    const body = JSON.stringify({ using: CAPABILITIES, methodCalls: batch.calls }, wellFormed);
    const init = { method: 'POST', body, headers: { 'Content-Type': 'application/json' } };
    for (let tries = 0; ; tries += 1) {
      const response = await this.request(this.session.apiUrl, init, options);
      const { methodResponses } = (await response.json()) as {
        methodResponses: readonly Invocation[];
      };
      const answers = new Answers(methodResponses);
      const unavailable = answers.failed('serverUnavailable');
      if (!unavailable || options.repeat === 'once') return answers;
      await this.#wait(tries + QUIET_TRIES, { text: unavailable.message }, options.signal);
    }
  }

  /** A request beside JMAP calls (download, self care), with the same patience. */
  async request(url: string, init: RequestInit, options: Send = {}): Promise<Response> {
    for (let tries = 0; ; tries += 1) {
      const tried = await this.#try(url, init, options);
      if (tried.kind === 'done') {
        this.#setLink({ kind: 'well' });
        return tried.response;
      }
      const { text, waitMs } = tried;
      await this.#wait(tries, { text, waitMs }, options.signal);
    }
  }

  async #try(url: string, init: RequestInit, options: Send): Promise<Try> {
    let response: Response;
    try {
      const signals = [
        AbortSignal.timeout(REQUEST_MS),
        ...(options.signal ? [options.signal] : []),
      ];
      response = await this.#parts.fetch(url, {
        ...init,
        credentials: 'same-origin',
        cache: 'no-store',
        signal: AbortSignal.any(signals),
      });
    } catch {
      options.signal?.throwIfAborted();
      if (options.repeat === 'once') throw new Unsure();
      return { kind: 'later', text: undefined, waitMs: 0 };
    }
    if (response.ok) return { kind: 'done', response };
    if (response.status === 401) {
      // Nothing was done: whoever it is of is asked before anything else.
      await this.#signedOut(options.signal);
      return this.#try(url, init, options);
    }
    const text = await wordsOf(response);
    if (response.status !== 429 && response.status < 500) {
      throw new Refused(response.status, text ?? bare(response));
    }
    // A gateway's 502 and 504 come when a node died half-way, our own 503 before it began.
    if (options.repeat === 'once' && ![429, 503].includes(response.status)) throw new Unsure();
    const seconds = Number(response.headers.get('Retry-After') ?? 0);
    return { kind: 'later', text, waitMs: Number.isFinite(seconds) ? seconds * 1000 : 0 };
  }

  async #signedOut(signal: AbortSignal | undefined): Promise<void> {
    this.#setLink({ kind: 'signed-out' });
    await this.#sleep(undefined, signal);
  }

  async #wait(
    tries: number,
    why: { readonly text: string | undefined; readonly waitMs?: number },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const usual = WAITS_MS[Math.min(tries, WAITS_MS.length - 1)] ?? 0;
    const ms = Math.min(Math.max(usual, why.waitMs ?? 0), WAIT_MAX_MS);
    const retryAt = this.#parts.clock.now() + ms;
    if (why.text !== undefined && tries > 0) {
      this.#setLink({ kind: 'trouble', text: why.text, retryAt });
    } else if (tries >= QUIET_TRIES) this.#setLink({ kind: 'away', retryAt });
    await this.#sleep(ms, signal);
  }

  /** Until the time has passed (never: undefined), or somebody wakes it. */
  #sleep(ms: number | undefined, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        callOff?.();
        this.#waiting.delete(end);
        signal?.removeEventListener('abort', end);
        if (signal?.aborted) reject(signal.reason as Error);
        else resolve();
      };
      const callOff = ms === undefined ? undefined : this.#parts.clock.after(ms, end);
      this.#waiting.add(end);
      signal?.addEventListener('abort', end);
    });
  }

  #setLink(link: Link): void {
    if (link.kind === 'well' && this.#link.kind === 'well') return;
    this.#link = link;
    this.changed();
  }
}

/** What a server says of a refusal, or its bare number. */
export const problemText = async (response: Response): Promise<string> =>
  (await wordsOf(response)) ?? bare(response);

/**
 * Half of a character, of a text that was cut and pasted, becomes U+FFFD. I-JSON (RFC 7493 §2.1)
 * has no such text and a server refuses all that comes with it: a draft would never be stored.
 */
const wellFormed = (_name: string, value: unknown): unknown =>
  typeof value === 'string' ? value.toWellFormed() : value;

const bare = ({ status }: Response): string => `HTTP ${status}`;

/** RFC 9457. Undefined: no server of ours, a gateway's page: as if none could be reached. */
async function wordsOf(response: Response): Promise<string | undefined> {
  try {
    const problem = (await response.json()) as {
      detail?: unknown;
      title?: unknown;
      error?: unknown;
    };
    for (const text of [problem.detail, problem.error, problem.title]) {
      if (typeof text === 'string') return text;
    }
  } catch {
    // No JSON.
  }
  return undefined;
}
