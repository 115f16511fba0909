import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../log/types.ts';
import { clients, serverFailures, type ServersKnown } from '../metrics.ts';
import { DirectoryUnavailable } from '../types.ts';
import { LdapConnection } from './connection.ts';
import type { ServerAccess } from './connection.ts';
import type { ServerState } from './state.ts';
import { behind, blameOf, isAnswer, isDeclined, isUnfit, NoneCurrent } from './verdicts.ts';
import {
  BEHIND_WAIT_MS,
  BEHIND_WAITS,
  EVIDENCE_FRESH_MS,
  LOOK_EVERY_MS,
  NotCurrent,
  OTHERS_WAIT_MS,
  PATIENCE_MS,
  PATIENCE_ROUNDS,
  Witness,
  type Evidence,
} from './witness.ts';

export interface ReplicasOptions {
  readonly servers: readonly ServerAccess[];
  /** DN of the entry that a whole replica shows: cn=farm. */
  readonly shows: string;
  /** DN of the entry with contextCSN; undefined: the server's naming context above `shows`. */
  readonly suffix: string | undefined;
  /** Time between two probes of a server that failed. */
  readonly retryMs: number;
  readonly connections: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears of states that were not known; see witness.ts. */
  readonly onNewest?: (state: ServerState) => void;
}

/** One server. `down` is left only by a probe, so that no question waits for a dead server. */
export interface Replica {
  readonly access: ServerAccess;
  readonly connections: LdapConnection[];
  state: 'untried' | 'up' | 'down';
  /** Since when it lacks changes: asked last, and its "there is none" does not count. */
  behindSince: number | undefined;
  opening: Promise<LdapConnection> | undefined;
  looking: Promise<void> | undefined;
  /** When the last look at it began. */
  lookedAt: number;
}

/** What was found has no evidence yet that counts. Never leaves this module. */
class Unproven extends Error {}

/** Questions under way on one connection; more would only wait in the server, on our deadline. */
export const IN_FLIGHT_MAX = 64;
/** Questions that wait for their turn; beyond it the directory counts as too slow. */
export const WAITING_MAX = 20_000;

export type Ask<T> = (connection: LdapConnection, whole: RequireWhole) => Promise<T>;

/** To be called before "there is none" is believed; the question is put again where it throws. */
export type RequireWhole = () => Promise<void>;

/**
 * The servers of the directory, in order of preference. A question goes to the first that is not
 * known to be down; whatever goes wrong with that one, the next is asked. A server that failed is
 * probed in the background, with a connection, a bind and a look at cn=farm, and asked again when
 * all three succeed: a dead server costs the questions that were under way, and no others. One
 * that is behind (witness.ts) is asked when no other is left.
 */
export class Replicas {
  readonly #options: ReplicasOptions;
  readonly #replicas: readonly Replica[];
  readonly #witness: Witness;
  readonly #closing = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;

  constructor(options: ReplicasOptions) {
    this.#options = options;
    this.#witness = new Witness({ ...options, urls: options.servers.map(({ url }) => url) });
    this.#replicas = options.servers.map((access) => ({
      access,
      connections: [],
      state: 'untried',
      behindSince: undefined,
      opening: undefined,
      looking: undefined,
      lookedAt: -Infinity,
    }));
    clients.add(this.#known);
  }

  readonly #known = (): ServersKnown => ({
    down: this.#replicas.filter(({ state }) => state === 'down').length,
    behind: this.#replicas.filter(
      ({ state, behindSince }) => state !== 'down' && behindSince !== undefined,
    ).length,
  });

  /** Whether the last thing heard from some server was good. */
  get available(): boolean {
    return this.#replicas.some((replica) => replica.state === 'up');
  }

  /** The newest state that is known of all servers together. */
  get newest(): ServerState {
    return this.#witness.newest;
  }

  /** Takes a state that another process saw a server in. */
  learn(state: ServerState): void {
    this.#witness.learn(state);
  }

  /**
   * Asks servers until one gives an answer that counts. A server's result (see `resultCode`) is
   * an answer and is passed on. `ask` may run several times: it must be safe to repeat.
   * @throws DirectoryUnavailable when none answers
   */
  async ask<T>(ask: Ask<T>): Promise<T> {
    return await this.#inTurn(() => this.#askEach(ask));
  }

  async #askEach<T>(ask: Ask<T>): Promise<T> {
    const question = new Question(this.#options.clock.now(), this.#witness.newest);
    this.#lookNowAndThen(question.begunAt);
    return await this.each(async (replica) => {
      const connection = await this.#connection(replica);
      try {
        return await this.#put(question, replica, connection, ask);
      } catch (error) {
        const told = isAnswer(error) || isDeclined(error) || isUnfit(error);
        if (told || connection.timedOut) throw error;
        // The server may have closed an idle connection at this very moment: once more, afresh.
        return await this.#put(question, replica, await this.#open(replica), ask);
      }
    });
  }

  /** Puts a question to one server, again as long as its answer lacks evidence it can get. */
  async #put<T>(
    question: Question,
    replica: Replica,
    connection: LdapConnection,
    ask: Ask<T>,
  ): Promise<T> {
    for (;;) {
      const evidence = this.#witness.evidence(connection);
      try {
        return await ask(connection, async () => {
          if (!this.#counts(question, evidence)) throw new Unproven();
        });
      } catch (error) {
        if (!(error instanceof Unproven)) throw error;
      }
      if (!this.#wasLookedAt(question)) {
        await this.#lookAtOthers(replica, question.begunAt - EVIDENCE_FRESH_MS);
        question.raise(this.#witness.newest);
      }
      await this.#catchUp(question, replica, connection);
    }
  }

  /** Whether evidence from before an answer makes it count. */
  #counts(question: Question, evidence: Evidence | undefined): boolean {
    if (!evidence || !this.#witness.proves(evidence, question.bar)) return false;
    return question.begunAt - evidence.at < EVIDENCE_FRESH_MS && this.#wasLookedAt(question);
  }

  /** Whether the states of all others are known as of about when the question began. */
  #wasLookedAt(question: Question): boolean {
    if (question.raised) return true;
    const since = question.begunAt - EVIDENCE_FRESH_MS;
    return this.#replicas.every(({ state, lookedAt }) => state === 'down' || lookedAt > since);
  }

  /** Until the server has what the question knows of. @throws NotWhole, NotCurrent */
  async #catchUp(
    question: Question,
    replica: Replica,
    connection: LdapConnection,
  ): Promise<Evidence> {
    for (let waits = 0; ; waits += 1) {
      const evidence = await this.#witness.read(connection);
      if (this.#witness.proves(evidence, question.bar)) return evidence;
      if (waits === BEHIND_WAITS || replica.behindSince !== undefined)
        throw behind(replica.access.url, evidence);
      await this.#options.clock.sleep(BEHIND_WAIT_MS, this.#closing.signal);
    }
  }

  /**
   * Does something with a server whose refusal counts only if it had, before, everything that any
   * server has after it; done again when it has caught up. `work` must be safe to repeat.
   * @throws NotWhole, NotCurrent, what `work` throws
   */
  async witnessed<T>(
    replica: Replica,
    work: () => Promise<T>,
    refuses: (answer: T) => boolean,
  ): Promise<T> {
    const { clock } = this.#options;
    let question: Question | undefined;
    let connection: LdapConnection | undefined;
    for (;;) {
      // The one that has caught up, where there is one.
      connection = connection?.usable ? connection : await this.#connection(replica);
      const evidence = this.#witness.evidence(connection);
      const answer = await work();
      if (!refuses(answer)) return answer;
      if (!question) {
        question = new Question(clock.now(), this.#witness.newest);
        await this.#lookAtOthers(replica, question.begunAt);
        question.raise(this.#witness.newest);
      }
      const proven = evidence !== undefined && this.#witness.proves(evidence, question.bar);
      // The look afterwards, on the connection from before: it is the same process still.
      await this.#catchUp(question, replica, connection);
      if (proven) return answer;
    }
  }

  /** Asks this one server. */
  async at<T>(replica: Replica, ask: (connection: LdapConnection) => Promise<T>): Promise<T> {
    return await ask(await this.#connection(replica));
  }

  /** Asks all servers that are up and current; leaves out those that do not answer. */
  async everywhere<T>(ask: (connection: LdapConnection) => Promise<T>): Promise<readonly T[]> {
    const current = this.#replicas.filter(
      ({ state, behindSince }) => state !== 'down' && behindSince === undefined,
    );
    const answers = await Promise.allSettled(
      current.map(async (replica) => await ask(await this.#connection(replica))),
    );
    return answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  }

  /**
   * Tries `use` on one server after the other, and again while all lag behind each other for a
   * moment. @throws DirectoryUnavailable, results of `use`
   */
  async each<T>(use: (replica: Replica) => Promise<T>): Promise<T> {
    for (let round = 1; ; round += 1) {
      try {
        return await this.#eachOnce(use);
      } catch (error) {
        const patient = error instanceof NoneCurrent && round < PATIENCE_ROUNDS;
        if (!patient || !this.#replicas.some((replica) => this.#fellBehindLately(replica))) {
          throw error;
        }
      }
      await this.#options.clock.sleep(BEHIND_WAIT_MS, this.#closing.signal);
    }
  }

  #fellBehindLately({ state, behindSince }: Replica): boolean {
    if (state === 'down' || behindSince === undefined) return false;
    return this.#options.clock.now() - behindSince < PATIENCE_MS;
  }

  async #eachOnce<T>(use: (replica: Replica) => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) {
      throw new DirectoryUnavailable('The directory client is closed');
    }
    let cause: unknown;
    for (const replica of this.#inOrder()) {
      if (replica.state === 'down') continue;
      try {
        const answer = await use(replica);
        this.#praise(replica);
        return answer;
      } catch (error) {
        if (isAnswer(error)) throw error;
        if (error instanceof NotCurrent) this.#fellBehind(replica, error);
        else if (isDeclined(error)) serverFailures.inc('operation');
        else this.#blame(replica, error);
        cause = error;
      }
    }
    if (cause instanceof NotCurrent) throw new NoneCurrent(cause);
    throw new DirectoryUnavailable('No directory server answers (MF-DIR-001)', { cause });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    clients.delete(this.#known);
    const open = this.#replicas.flatMap((replica) => replica.connections);
    await Promise.all(open.map((connection) => connection.close()));
  }

  /** Preferred ones first; those that are behind after all others. */
  #inOrder(): readonly Replica[] {
    const late = ({ behindSince }: Replica): number => (behindSince === undefined ? 0 : 1);
    if (!this.#replicas.some(late)) return this.#replicas;
    return this.#replicas.toSorted((a, b) => late(a) - late(b));
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inFlight >= this.#options.connections * IN_FLIGHT_MAX) {
      if (this.#waiting.length >= WAITING_MAX) {
        throw new DirectoryUnavailable('Too many questions wait for the directory');
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#inFlight += 1;
    try {
      return await work();
    } finally {
      this.#inFlight -= 1;
      this.#waiting.shift()?.();
    }
  }

  #usable(replica: Replica): readonly LdapConnection[] {
    const usable = replica.connections.filter((connection) => connection.usable);
    replica.connections.splice(0, replica.connections.length, ...usable);
    return usable;
  }

  /** The least busy connection; another one is opened in the background while there may be more. */
  async #connection(replica: Replica): Promise<LdapConnection> {
    const usable = this.#usable(replica);
    const least = usable.toSorted((a, b) => a.inFlight - b.inFlight)[0];
    if (!least) return await this.#open(replica);
    this.#witness.requireOurs(replica.access.url);
    const more = usable.length < this.#options.connections && least.inFlight > 0;
    if (more) this.#open(replica).catch(() => {});
    return least;
  }

  #open(replica: Replica): Promise<LdapConnection> {
    replica.opening ??= this.#connect(replica).finally(() => (replica.opening = undefined));
    return replica.opening;
  }

  /** A connection is used from its first look on: it always has evidence. @throws NotWhole */
  async #connect(replica: Replica): Promise<LdapConnection> {
    const connection = await LdapConnection.open(replica.access);
    try {
      if (this.#closing.signal.aborted) {
        throw new DirectoryUnavailable('The directory client is closed');
      }
      const { at } = await this.#witness.read(connection);
      replica.lookedAt = Math.max(replica.lookedAt, at);
    } catch (error) {
      void connection.close();
      if (!isDeclined(error)) throw error;
      // Not even the look that comes first: the server is of no use.
      throw new Error(`${connection.url} shows nothing`, { cause: error });
    }
    replica.connections.push(connection);
    return connection;
  }

  /** Beside the questions; the first that is asked is looked at last, see witness.ts. */
  #lookNowAndThen(now: number): void {
    const due = this.#replicas.filter(
      ({ state, looking, lookedAt }) =>
        state !== 'down' && !looking && now - lookedAt >= LOOK_EVERY_MS,
    );
    const [first] = due;
    if (!first) return;
    const others = this.#lookAtOthers(first, now - LOOK_EVERY_MS);
    void others.then(() => this.#look(first)).catch(() => {});
  }

  /**
   * Looks at servers beside one, where the last look is older than `since`. Waits not long, but
   * for one that was never heard of until it answers or its connection fails: it may be the only
   * one that has what a process that just started has to know.
   */
  async #lookAtOthers(one: Replica, since: number): Promise<void> {
    const due = this.#replicas.filter(
      (replica) => replica !== one && replica.state !== 'down' && replica.lookedAt < since,
    );
    if (due.length === 0) return;
    const waited = new AbortController();
    const enough = this.#options.clock.sleep(OTHERS_WAIT_MS, waited.signal).catch(() => {});
    const looks = due.map(async (replica) => {
      const look = this.#lookSince(replica, since);
      await (replica.state === 'untried' ? look : Promise.race([look, enough]));
    });
    await Promise.all(looks);
    waited.abort();
  }

  /** A look that was on its way before `since` does not do: once more after it. */
  async #lookSince(replica: Replica, since: number): Promise<void> {
    const LOOKS_MAX = 3;
    for (let n = 0; n < LOOKS_MAX && replica.lookedAt < since; n += 1) {
      if (replica.state === 'down') return;
      await this.#look(replica);
    }
  }

  /** Looks at a server on each of its connections. Never throws: what is wrong is noted. */
  #look(replica: Replica): Promise<void> {
    replica.looking ??= this.#lookAt(replica).finally(() => (replica.looking = undefined));
    return replica.looking;
  }

  async #lookAt(replica: Replica): Promise<void> {
    const bar = this.#witness.newest;
    try {
      const usable = this.#usable(replica);
      const connections = usable.length > 0 ? usable : [await this.#open(replica)];
      const looks = await Promise.all(connections.map((one) => this.#witness.read(one)));
      replica.lookedAt = Math.min(...looks.map(({ at }) => at));
      this.#praise(replica);
      this.#forgetLost();
      const current = looks.every((look) => this.#witness.proves(look, bar));
      if (replica.behindSince !== undefined && current) {
        replica.behindSince = undefined;
        this.#options.logger.info({ url: replica.access.url }, 'directory server is current again');
      }
    } catch (error) {
      if (!isAnswer(error) && !this.#closing.signal.aborted) this.#blame(replica, error);
    }
  }

  /** See witness.ts. */
  #forgetLost(): void {
    const up = this.#replicas.filter(({ state }) => state === 'up');
    const lost = this.#witness.forgetLost(up.map(({ access }) => access.url));
    if (lost.length === 0) return;
    const text = 'MF-DIR-007 changes that no directory server has any more are taken for lost';
    this.#options.logger.warn({ changes: lost }, text);
  }

  #praise(replica: Replica): void {
    if (replica.state === 'untried') replica.state = 'up';
  }

  #fellBehind(replica: Replica, error: NotCurrent): void {
    serverFailures.inc('behind');
    if (replica.behindSince !== undefined) return;
    replica.behindSince = this.#options.clock.now();
    const { url } = replica.access;
    this.#options.logger.warn({ url, err: error }, 'MF-DIR-007 directory server is behind');
  }

  #blame(replica: Replica, error: unknown): void {
    const [reason, code] = blameOf(error, replica.state);
    serverFailures.inc(reason);
    if (replica.state === 'down') return; // Several questions were under way.
    replica.state = 'down';
    for (const connection of replica.connections.splice(0)) void connection.close();
    const { url } = replica.access;
    this.#options.logger.warn({ url, err: error, reason }, `${code} directory server is left out`);
    void this.#probe(replica);
  }

  /** Until it is up again or we close. */
  async #probe(replica: Replica): Promise<void> {
    const { clock, retryMs, logger } = this.#options;
    const { url } = replica.access;
    while (!this.#closing.signal.aborted) {
      try {
        await clock.sleep(retryMs, this.#closing.signal);
        await this.#open(replica);
        replica.state = 'up';
        logger.info({ url }, 'directory server is back');
        return;
      } catch (error) {
        logger.debug({ url, err: error }, 'directory server is still away');
      }
    }
  }
}

/** One question: when it began, and the newest state that was known then. */
class Question {
  readonly begunAt: number;
  bar: ServerState;
  /** The others were looked at for this question. */
  raised = false;

  constructor(begunAt: number, bar: ServerState) {
    this.begunAt = begunAt;
    this.bar = bar;
  }

  raise(bar: ServerState): void {
    this.bar = bar;
    this.raised = true;
  }
}
