/**
 * The sender of a process: takes letters of the spool, keeps their claims alive, gives each lane as
 * many connections as its destination takes, and settles what became of them.
 *
 * Everything is bounded: connections of the process, connections of a lane, letters held (a few for
 * each connection). A lane that is slow keeps its few; others go on (shares.ts). What this process
 * holds when it dies, another takes when the lease of the claim is over.
 *
 * Errors: MF-REL-104 the spool does not take what became of a letter, MF-REL-105 no message
 */
import { Trouble } from '../../log/trouble.ts';
import { laneOf } from '../lane.ts';
import type { OutboundClaim, Settlement } from '../outbound.ts';
import { attempt, MessageGoneError, type Attempt } from './attempt.ts';
import { Connector, type Connection } from './connect.ts';
import { targetsOf, type HostsParts } from './hosts.ts';
import { isPermitted } from './addresses.ts';
import { quitOldest, spareFor } from './idle.ts';
import { Lane, type Held } from './lane.ts';
import { connections as counted, letters, seconds, senders, type Having } from './metrics.ts';
import { MtaSts } from './mta-sts.ts';
import { isWoken } from './not-before.ts';
import { conclude, waitingFor } from './outcome.ts';
import { chance, every } from './schedule.ts';
import { Shares } from './shares.ts';
import type { Sender, SenderParts } from './types.ts';

/** How often the spool is asked when nothing calls for it. */
const LOOK_MS = 1000;
const RENEW_MS = 20_000;
const IDLE_LOOK_MS = 250;
/** A lane whose addresses have enough connections looks again. */
const BUSY_MS = 2000;
/** Letters held for each connection that there may be. */
const HELD_PER_CONNECTION = 5;
/** Domains whose smarthost is remembered. */
const WAYS_MAX = 10_000;
/** Waits between tries to settle a letter that was sent. */
const SETTLE_WAITS_MS = [500, 2000, 5000, 10_000];

/** A sender of this process. It takes nothing before `start`. */
export function createSender(parts: SenderParts): Sender {
  return new SpoolSender(parts);
}

class SpoolSender implements Sender {
  readonly #parts: SenderParts;
  readonly #connector: Connector;
  readonly #hosts: HostsParts;
  readonly #lanes = new Map<string, Lane>();
  readonly #letters = new Set<Held>();
  /** Claims on their way back to the spool. */
  readonly #releases = new Set<Promise<void>>();
  /** Lane of the spool to that of a smarthost. */
  readonly #ways = new Map<string, string>();
  readonly #stop = new AbortController();
  readonly #shares: Shares;
  /** Spool server's time less ours, as it was seen last. */
  #offset = 0;
  #active = 0; // Letters under way, and being settled.
  readonly #trouble: Trouble;
  #looking = false;
  #lookAgain = false;
  #taking: Promise<void> = Promise.resolve();
  #onQuiet: (() => void) | undefined;

  constructor(parts: SenderParts) {
    this.#parts = parts;
    const { options, network = {}, resolver, clock, logger } = parts;
    const privates = options['relay.destinations.private'] === 'allow' ? 'allow' : 'refuse';
    this.#connector = new Connector(parts);
    this.#shares = new Shares(options);
    this.#trouble = new Trouble(logger, 'the spool cannot be asked for letters that leave');
    const mtaSts = new MtaSts({
      resolver,
      clock,
      logger,
      port: network.httpsPort ?? 443,
      ca: network.ca,
      isPermitted: (address) => isPermitted(address, privates),
    });
    this.#hosts = {
      ...parts,
      mtaSts: options['relay.mta-sts'] === 'on' ? mtaSts : undefined,
      smtpPort: network.smtpPort ?? 25,
    };
  }

  get held(): number {
    return this.#letters.size;
  }

  start(): void {
    senders.add(this.#having);
    this.#parts.spools.onCommitted(() => this.#look());
    this.#every(LOOK_MS, () => this.#look());
    this.#every(RENEW_MS / 2, () => void this.#renew());
    this.#every(IDLE_LOOK_MS, () => this.#tidy());
    this.#look();
  }

  async drain(ms: number): Promise<void> {
    this.#stop.abort(new Error('the sender is drained'));
    for (const lane of this.#lanes.values()) {
      this.#clear(lane);
      lane.quitIdle(Infinity);
    }
    await Promise.race([this.#taking.then(() => this.#takeLast()), this.#parts.clock.sleep(ms)]);
    if (this.#active > 0) {
      await new Promise<void>((resolve) => {
        this.#onQuiet = resolve;
        setTimeout(resolve, ms).unref();
      });
    }
    for (const held of this.#letters) {
      this.#cut(held, 'this node is stopping');
      void this.#release(held); // A spool that hangs has its time, too.
    }
    // A process that ended before would keep them from others for the length of a lease.
    await Promise.race([Promise.all(this.#releases), this.#parts.clock.sleep(ms)]);
    senders.delete(this.#having);
  }

  wake(lane: string): void {
    this.#lanes.get(this.#ways.get(lane) ?? lane)?.state.wake(this.#parts.clock.now());
    this.#look();
  }

  #every(ms: number, act: () => void): void {
    every(ms, { act, clock: this.#parts.clock, signal: this.#stop.signal });
  }

  // Taking.

  /** Asks the spool now, or once more when it is being asked. */
  #look(): void {
    this.#lookAgain = true;
    if (this.#looking || this.#stop.signal.aborted) return;
    this.#looking = true;
    this.#taking = this.#takeAll().finally(() => (this.#looking = false));
  }

  async #takeAll(): Promise<void> {
    const { spools, options, clock } = this.#parts;
    const max = options['relay.connections.max'] * HELD_PER_CONNECTION;
    while (this.#lookAgain && !this.#stop.signal.aborted) {
      this.#lookAgain = false;
      const limit = max - this.#letters.size;
      if (limit <= 0) return;
      try {
        const claims = await spools.take({ limit, perRoute: (lane) => this.#room(lane) });
        for (const claim of claims) await this.#accept(claim, clock.now());
        if (claims.length > 0) this.#lookAgain = true;
        this.#trouble.over();
      } catch (error) {
        return this.#trouble.met(error);
      }
      for (const lane of this.#lanes.values()) this.#pump(lane);
    }
  }

  /** What the spool has claimed for this process and not handed over yet goes back. */
  async #takeLast(): Promise<void> {
    try {
      const claims = await this.#parts.spools.take({ limit: Infinity, perRoute: () => 0 });
      for (const claim of claims) void this.#giveUp(claim);
    } catch {} // Their leases run out.
  }

  /** @param name of a lane of the spool */
  #room(name: string): number {
    const lane = this.#lanes.get(this.#ways.get(name) ?? name);
    const { options, clock } = this.#parts;
    const now = clock.now();
    const isFull = 2 * this.#letters.size > options['relay.connections.max'] * HELD_PER_CONNECTION;
    if (!lane) return isFull ? 1 : options['relay.concurrency.initial'] * HELD_PER_CONNECTION;
    return this.#shares.room(lane, now, isFull);
  }

  async #accept(claim: OutboundClaim, at: number): Promise<void> {
    const name = laneOf(claim.envelope.route);
    const way = await this.#way(claim, name);
    const lane = this.#lanes.get(way) ?? new Lane(way, this.#parts.options);
    this.#lanes.set(way, lane);
    lane.state.probed(at);
    if (isWoken(claim.envelope, at)) lane.state.wake(at);
    const own = { startedAt: 0, cut: new AbortController(), over: false, connection: undefined };
    const held: Held = { claim, lane, renewedAt: at, ...own };
    this.#letters.add(held);
    if (this.#stop.signal.aborted) void this.#release(held);
    else lane.queue.push(held);
  }

  /** What goes to one smarthost is one lane here, whatever domains it is for. */
  async #way({ envelope: { route } }: OutboundClaim, name: string): Promise<string> {
    if (route.kind !== 'mx' || !this.#parts.smarthost) return name;
    const chosen = await this.#parts.smarthost(route.domain).catch(() => undefined);
    const way = chosen ? `smarthost ${chosen.host}:${chosen.port}` : name;
    if (way === name) this.#ways.delete(name);
    else {
      if (this.#ways.size >= WAYS_MAX) this.#ways.clear();
      this.#ways.set(name, way);
    }
    return way;
  }

  // Sending.

  /** Starts as many letters of a lane as may be under way. */
  #pump(lane: Lane): void {
    const { clock } = this.#parts;
    while (lane.queue.length > 0 && !this.#stop.signal.aborted) {
      if (lane.state.isResting(clock.now())) return this.#rest(lane);
      if (lane.active >= lane.state.limit) return;
      if (!this.#shares.mayStart(lane, clock.now())) return;
      const held = lane.queue.shift();
      if (!held) return;
      lane.active += 1;
      this.#active += 1;
      this.#shares.begin(held, clock.now());
      void this.#send(held).finally(() => this.#sent(lane));
    }
  }

  #sent(lane: Lane): void {
    lane.active -= 1;
    this.#active -= 1;
    if (this.#active === 0) this.#onQuiet?.();
    const { options } = this.#parts;
    const wasScarce = this.#shares.size >= Math.floor(options['relay.connections.max'] / 2) - 1;
    this.#pump(lane);
    if (wasScarce) for (const other of this.#lanes.values()) this.#pump(other);
    if (lane.queue.length <= lane.state.limit) this.#look();
  }

  /** Its letters wait in the open, or are put off where that goes on for long. */
  #rest(lane: Lane): void {
    const { clock, random, options } = this.#parts;
    for (const held of lane.queue.splice(0)) {
      if (!lane.state.isPuttingOff(clock.now())) {
        void this.#release(held);
        continue;
      }
      lane.state.putOff = true;
      lane.origins.add(laneOf(held.claim.envelope.route));
      const { trouble } = lane.state;
      const spread = chance(random) * options['relay.retry.min'];
      const why = { status: '4.4.1', text: 'the destination rests', remote: undefined, ...trouble };
      void this.#settle(held, {
        tried: {
          results: waitingFor(held.claim, { status: why.status, text: why.text }),
          last: undefined,
        },
        ms: 0,
        counts: false,
        restMs: lane.state.restUntil - clock.now() + spread,
      });
    }
  }

  /** One letter, from a connection to its settlement. Never rejects. */
  async #send(held: Held): Promise<void> {
    const { claim, lane } = held;
    const { clock, logger, sign } = this.#parts;
    const startedAt = clock.now();
    let tried: Attempt;
    try {
      tried = await attempt({
        claim,
        clock,
        sign,
        idle: () => this.#reused(lane.takeIdle()),
        connect: (targets) =>
          this.#connector.connectAll(targets, held.cut.signal, {
            makeRoom: () => this.#makeRoom(),
            spare: (to) => this.#reused(spareFor(to, this.#lanes.values())),
          }),
        targets: () => targetsOf(claim.envelope.route, this.#hosts),
        onConnection: (connection) => (held.connection = connection),
      });
    } catch (error) {
      this.#shares.end(held, clock.now(), false);
      return this.#ownTrouble(held, error);
    }
    this.#shares.end(held, clock.now(), tried.reached);
    if (tried.busy) return this.#busy(held);
    const ms = clock.now() - startedAt;
    seconds.observe(ms / 1000);
    if (tried.connection) this.#giveBack(lane, tried.connection);
    if (held.over) return;
    this.#learn(lane, tried);
    try {
      await this.#settle(held, { tried, ms, counts: true });
    } catch (error) {
      logger.error({ error, id: claim.envelope.id }, 'a letter was not settled');
    }
  }

  /**
   * Its addresses have enough of ours: for a while the lane goes on with the connections that it
   * has. Where it has none its letters go back to the spool: what waits here keeps others out.
   */
  #busy(held: Held): void {
    const { lane } = held;
    lane.busyUntil = this.#parts.clock.now() + BUSY_MS;
    lane.busyAt = lane.active - 1;
    if (lane.busyAt > 0) return void lane.queue.unshift(held);
    void this.#release(held);
    this.#clear(lane);
  }

  #clear(lane: Lane): void {
    for (const held of lane.queue.splice(0)) void this.#release(held);
  }

  #cut(held: Held, why: string): void {
    held.cut.abort(new Error(why));
    held.connection?.destroy(why);
  }

  #reused(connection: Connection | undefined): Connection | undefined {
    if (connection) counted.inc('reused');
    return connection;
  }

  /** A free connection elsewhere makes way for one that is needed. */
  #makeRoom(): void {
    if (this.#connector.open < this.#parts.options['relay.connections.max']) return;
    quitOldest(this.#lanes.values());
  }

  #giveBack(lane: Lane, connection: Connection): void {
    const { options, clock } = this.#parts;
    const isWorn = connection.letters >= options['relay.connection.messages'];
    const stops = this.#stop.signal.aborted || options['relay.connection.idle'] === 0;
    const hasNext = lane.queue.length > 0;
    if (isWorn || (stops && !hasNext)) connection.client.quit();
    else lane.park(connection, clock.now());
  }

  #learn(lane: Lane, tried: Attempt): void {
    const { clock, random, spools, logger } = this.#parts;
    const [first] = tried.results;
    if (tried.overloaded) lane.state.slowDown();
    if (!tried.reached && first?.kind === 'later') {
      const { status, text } = first;
      lane.state.unreachable(clock.now(), { status, text }, random);
    } else if (!tried.overloaded && lane.state.succeeded()) {
      const names = [...lane.origins];
      lane.origins.clear();
      for (const name of names) {
        spools.wake(name).catch((error: unknown) => {
          logger.warn({ error, lane: name }, 'letters of a destination that is back stay put off');
        });
      }
    }
  }

  /** The spool, a key, a directory: nothing that a peer did. It does not count as a try. */
  async #ownTrouble(held: Held, error: unknown): Promise<void> {
    const { logger } = this.#parts;
    const { claim } = held;
    const { id, trace } = claim.envelope;
    if (held.over) return;
    if (error instanceof MessageGoneError) {
      logger.error({ code: 'MF-REL-105', id, trace, error }, 'letter without message: MF-REL-105');
      return this.#finish(held, { kind: 'hold', reason: error.message });
    }
    logger.warn({ id, trace, error }, 'a letter cannot be sent for now');
    const text = error instanceof Error ? error.message : String(error);
    const results = waitingFor(claim, { status: '4.3.0', text, inside: true });
    await this.#settle(held, { tried: { results, last: undefined }, ms: 0, counts: false });
  }

  // Settling.

  async #settle(
    held: Held,
    what: {
      readonly tried: Pick<Attempt, 'results' | 'last'>;
      readonly ms: number;
      readonly counts: boolean;
      readonly restMs?: number;
    },
  ): Promise<void> {
    const { options, random, report, logger, clock } = this.#parts;
    const { claim } = held;
    const seen = await claim.now().catch(() => undefined);
    if (seen !== undefined) this.#offset = seen - clock.now();
    const now = seen ?? clock.now() + this.#offset;
    const { restMs, tried, ms, counts } = what;
    const settlement = await conclude(
      { ...tried, ms, counts, ...(restMs === undefined ? {} : { notBefore: now + restMs }) },
      {
        claim,
        options,
        random,
        report,
        logger,
        now,
        isGuess: seen === undefined,
        triedAt: clock.now(),
      },
    );
    await this.#finish(held, settlement);
  }

  /** Tells the spool, again and again while it does not listen. */
  async #finish(held: Held, settlement: Settlement): Promise<void> {
    const { clock, logger } = this.#parts;
    const { id, trace } = held.claim.envelope;
    for (const wait of [...SETTLE_WAITS_MS, undefined]) {
      if (held.over) return;
      try {
        const ours = await held.claim.settle(settlement);
        letters.inc(ours ? settlement.kind : 'lost');
        this.#drop(held);
        return;
      } catch (error) {
        if (wait === undefined) {
          const fields = { code: 'MF-REL-104', id, trace, spool: held.claim.spool, error };
          logger.error(fields, 'a letter may be sent twice: MF-REL-104');
        } else await clock.sleep(wait);
      }
    }
    this.#drop(held); // Its lease runs out.
  }

  async #release(held: Held): Promise<void> {
    if (held.over) return;
    this.#drop(held);
    await this.#giveUp(held.claim);
  }

  async #giveUp(claim: OutboundClaim): Promise<void> {
    letters.inc('released');
    const released = claim.release();
    this.#releases.add(released);
    await released;
    this.#releases.delete(released);
  }

  #drop(held: Held): void {
    held.over = true;
    this.#letters.delete(held);
  }

  // Keeping.

  async #renew(): Promise<void> {
    const { clock, logger } = this.#parts;
    const now = clock.now();
    const due = [...this.#letters].filter(({ renewedAt }) => now - renewedAt >= RENEW_MS);
    await Promise.all(
      due.map(async (held) => {
        try {
          const ours = await held.claim.renew();
          held.renewedAt = clock.now();
          if (ours || held.over) return;
          letters.inc('lost');
          held.connection?.destroy('another process has taken the letter');
          this.#drop(held);
          const at = held.lane.queue.indexOf(held);
          if (at >= 0) held.lane.queue.splice(at, 1);
        } catch (error) {
          logger.warn({ error, id: held.claim.envelope.id }, 'a claim could not be renewed');
        }
      }),
    );
  }

  /** Ends connections that nobody needs, forgets lanes with nothing to remember. */
  #tidy(): void {
    const { clock, options } = this.#parts;
    const now = clock.now();
    const lanes = [...this.#lanes.values()];
    const isScarce = lanes.some(
      ({ queue, active, slowUntil }) => queue.length > 0 && active === 0 && slowUntil <= now,
    );
    for (const [held, why] of this.#shares.overdue(now, isScarce)) this.#cut(held, why);
    for (const [name, lane] of this.#lanes) {
      if (now < lane.slowUntil) this.#clear(lane);
      lane.quitIdle(now - options['relay.connection.idle']);
      const isEmpty = lane.held === 0 && lane.idle === 0;
      const isSlow = now < Math.max(lane.slowUntil, lane.busyUntil);
      if (!isEmpty || isSlow || !lane.state.isFresh(now)) continue;
      this.#lanes.delete(name);
    }
  }

  readonly #having = (): Having => {
    const now = this.#parts.clock.now();
    const ageOf = ({ claim }: Held): number => now + this.#offset - claim.envelope.acceptedAt;
    return {
      ages: [...this.#letters].map(ageOf),
      open: this.#connector.open,
      resting: [...this.#lanes.values()].filter(({ state }) => state.isResting(now)).length,
    };
  };
}
