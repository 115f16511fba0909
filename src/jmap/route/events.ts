/**
 * GET /jmap/events: what changed, as it happens (RFC 8620 §7.3).
 *
 * Invariant: a client whose stream is open learns of every state that this node learns of, or of a
 * later one. The stream begins to listen before it looks, so nothing falls between; the first event
 * tells the state of that moment unless Last-Event-ID says that the client has it. An id is a
 * digest of the states: any node can compare it, however many folders there are.
 *
 * A stream is one request, and the sign-in it began with may end meanwhile, or the mailbox be moved
 * to another volume: that is asked again now and then. To a reader that takes nothing nothing more
 * is sent, so that no more than one event waits in memory; when it has, it is told the state of
 * then. One that takes nothing from one ping, or one such question, to the next is closed.
 */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { openEventStream, type EventStream } from '../../http/web-stream.ts';
import { WebProblem } from '../../http/web-types.ts';
import type { MailVersion, MailView } from '../../mailbox/view.ts';
import { openStreams } from '../metrics.ts';
import { EVENT_GATHER_MS, PING_SECONDS_MAX, PING_SECONDS_MIN } from '../options.ts';
import type { JmapShared } from '../service.ts';
import { mailboxStateOf, threadStateOf } from '../states.ts';
import { webRequestOf } from '../who.ts';

export function eventsRoute(app: FastifyInstance, shared: JmapShared): void {
  app.get('/jmap/events', { exposeHeadRoute: false }, async (request, reply) => {
    const { account } = await shared.userOf(request, reply);
    const asked = readAsked(request);
    if (!shared.streaming.enter(account.id, shared.values['jmap.events.streams'])) {
      const title = 'You have too many streams of events open';
      throw new WebProblem({ status: 429, title, retryAfterMs: 30_000 });
    }
    openStreams.count += 1;
    try {
      const view = await shared.views.of(account);
      await new Teller(shared, { accountId: account.id, view, asked, request }).tell(() =>
        openEventStream(reply),
      );
    } finally {
      openStreams.count -= 1;
      shared.streaming.leave(account.id);
    }
    return reply;
  });
}

/** Types whose states are told (RFC 8621 §1.5). */
const STATES: Readonly<Record<string, (version: MailVersion, view: MailView) => string>> = {
  Mailbox: (version, view) => mailboxStateOf(view, version),
  Email: (version) => version.emailState,
  Thread: (version, view) => threadStateOf(view, version),
  EmailDelivery: ({ folders: [inbox] }) =>
    inbox === undefined ? '0' : `${inbox.state.uidValidity}-${inbox.state.uidNext}`,
};

interface Asked {
  readonly types: readonly string[];
  readonly closeAfter: 'state' | 'no';
  /** Seconds; 0: none. */
  readonly ping: number;
  readonly lastId: string | undefined;
}

/** @throws WebProblem 400 */
function readAsked({ query, headers }: FastifyRequest): Asked {
  const { types = '*', closeafter = 'no', ping = '0' } = query as Record<string, unknown>;
  const bad = (title: string): WebProblem => new WebProblem({ status: 400, title });
  if (typeof types !== 'string') throw bad('types is * or a list of types');
  if (closeafter !== 'state' && closeafter !== 'no') throw bad('closeafter is state or no');
  if (typeof ping !== 'string' || !/^\d{1,9}$/.test(ping)) throw bad('ping is a number of seconds');
  const seconds = Math.min(Math.max(Number(ping), PING_SECONDS_MIN), PING_SECONDS_MAX);
  const lastId = headers['last-event-id'];
  return {
    types: types === '*' ? Object.keys(STATES) : types.split(','),
    closeAfter: closeafter,
    ping: Number(ping) === 0 ? 0 : seconds,
    lastId: typeof lastId === 'string' ? lastId : undefined,
  };
}

interface Told {
  readonly accountId: string;
  readonly view: MailView;
  readonly asked: Asked;
  readonly request: FastifyRequest;
}

/** One stream, until somebody ends it. */
export class Teller {
  readonly #shared: JmapShared;
  readonly #about: Told;
  #lastId: string | undefined;
  #stream: EventStream | undefined;
  #gathering: NodeJS.Timeout | undefined;
  #wasStuck = false;

  constructor(shared: JmapShared, about: Told) {
    this.#shared = shared;
    this.#about = about;
    this.#lastId = about.asked.lastId;
  }

  /** @throws StoreError where nothing can be said from the start: then no stream was begun */
  async tell(open: () => EventStream): Promise<void> {
    const { view, asked } = this.#about;
    const unwatch = view.watch(() => this.#gather());
    const timers: NodeJS.Timeout[] = [];
    let undrain = (): void => {};
    try {
      await view.refresh();
      const stream = open();
      this.#stream = stream;
      stream.onTaken(() => this.#tellState());
      undrain = this.#shared.parts.onDrain(() => stream.end(this.#comeAgainMs()));
      if (asked.ping > 0) {
        timers.push(setInterval(() => this.#ping(asked.ping), asked.ping * 1000).unref());
      }
      const recheck = this.#shared.values['jmap.events.recheck'];
      timers.push(setInterval(() => void this.#recheck(stream), recheck).unref());
      this.#tellState();
      await stream.closed;
    } finally {
      unwatch();
      undrain();
      clearTimeout(this.#gathering);
      for (const timer of timers) clearInterval(timer);
    }
  }

  /** One event for what changes together: a move is two folders. */
  #gather(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#tellState();
    }, EVENT_GATHER_MS);
  }

  #tellState(): void {
    const { view, asked, accountId } = this.#about;
    const stream = this.#stream;
    if (stream === undefined || stream.stuck) return; // It will be told when it is open, or taken.
    const { version } = view;
    const changed = Object.entries(STATES)
      .filter(([type]) => asked.types.includes(type))
      .map(([type, stateOf]) => [type, stateOf(version, view)] as const);
    const id = createHash('sha256').update(JSON.stringify(changed)).digest('base64url');
    if (id === this.#lastId || changed.length === 0) return;
    this.#lastId = id;
    const data = { '@type': 'StateChange', changed: { [accountId]: Object.fromEntries(changed) } };
    stream.send({ name: 'state', id, data: JSON.stringify(data) });
    if (asked.closeAfter === 'state') stream.end();
  }

  #ping(interval: number): void {
    const stream = this.#stream;
    if (stream === undefined || this.#isDead(stream)) return;
    if (!stream.stuck) stream.send({ name: 'ping', data: JSON.stringify({ interval }) });
  }

  /** Nothing was taken since this was asked last. */
  #isDead(stream: EventStream): boolean {
    const isDead = stream.stuck && this.#wasStuck;
    this.#wasStuck = stream.stuck;
    if (isDead) stream.destroy();
    return isDead;
  }

  async #recheck(stream: EventStream): Promise<void> {
    const { auth, views, parts } = this.#shared;
    // Where there are pings they ask it.
    if (this.#about.asked.ping === 0 && this.#isDead(stream)) return;
    try {
      const verdict = await auth.authenticate(webRequestOf(this.#about.request));
      const { kind } = verdict;
      if (kind === 'unknown' || kind === 'suspended' || kind === 'foreign') return stream.end();
      if (kind !== 'known') return;
      // Moved to another volume: this view will never hear of anything again.
      const view = await views.of(verdict.user.account);
      if (view !== this.#about.view) stream.end(this.#comeAgainMs());
    } catch (error) {
      parts.logger.info({ err: error }, 'whether a stream of events may go on is not known');
    }
  }

  /** Clients of a node that drains come to the others a few at a time. */
  #comeAgainMs(): number {
    const [chance = 0] = this.#shared.parts.random.bytes(1);
    return 500 + (chance / 255) * 4_500;
  }
}
