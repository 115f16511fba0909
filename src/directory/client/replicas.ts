import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../log/types.ts';
import { serverFailures } from '../metrics.ts';
import { DirectoryUnavailable } from '../types.ts';
import { CredentialsRefused, LdapConnection, resultCode } from './connection.ts';
import type { ServerAccess } from './connection.ts';

/** A replica shows cn=farm: seen this long ago at most, or it is looked for again. */
export const WHOLE_FRESH_MS = 1_000;

export interface ReplicasOptions {
  readonly servers: readonly ServerAccess[];
  /** DN of cn=farm. */
  readonly farm: string;
  /** Time between two probes of a server that failed. */
  readonly retryMs: number;
  readonly connections: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One server. `down` is left only by a probe, so that no question waits for a dead server. */
export interface Replica {
  readonly access: ServerAccess;
  readonly connections: LdapConnection[];
  state: 'untried' | 'up' | 'down';
  opening: Promise<LdapConnection> | undefined;
  seenWholeAt: number;
}

/** Questions under way on one connection; more would only wait in the server, on our deadline. */
export const IN_FLIGHT_MAX = 64;
/** Questions that wait for their turn; beyond it the directory counts as too slow. */
export const WAITING_MAX = 20_000;

export type Ask<T> = (connection: LdapConnection, whole: RequireWhole) => Promise<T>;

/** What a question may ask of the replica it goes to. */
export type RequireWhole = () => Promise<void>;

/** A replica answered, but does not show cn=farm: empty, half loaded, or another tree. */
class NotWhole extends Error {}

/** The answer was taken; that it means trouble is not the server's fault. */
const isAnswer = (error: unknown): boolean =>
  error instanceof DirectoryUnavailable || resultCode(error) !== undefined;

/**
 * The servers of the directory, in order of preference. A question goes to the first that is not
 * known to be down; whatever goes wrong with that one, the next is asked. A server that failed is
 * probed in the background, with a connection, a bind and a look at cn=farm, and asked again when
 * all three succeed: a dead server costs the questions that were under way, and no others.
 */
export class Replicas {
  readonly #options: ReplicasOptions;
  readonly #replicas: readonly Replica[];
  readonly #closing = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;

  constructor(options: ReplicasOptions) {
    this.#options = options;
    this.#replicas = options.servers.map((access) => ({
      access,
      connections: [],
      state: 'untried',
      opening: undefined,
      seenWholeAt: -Infinity,
    }));
  }

  /** Whether the last thing heard from some server was good. */
  get available(): boolean {
    return this.#replicas.some((replica) => replica.state === 'up');
  }

  /**
   * Asks servers until one gives an answer that counts. A server's result (see `resultCode`) is
   * an answer and is passed on. `ask` may run twice: it must be safe to repeat.
   * @throws DirectoryUnavailable when none answers
   */
  async ask<T>(ask: Ask<T>): Promise<T> {
    return await this.#inTurn(() => this.#askEach(ask));
  }

  async #askEach<T>(ask: Ask<T>): Promise<T> {
    return await this.each(async (replica) => {
      const connection = await this.#connection(replica);
      try {
        return await ask(connection, () => this.#requireWhole(replica, connection));
      } catch (error) {
        if (isAnswer(error) || error instanceof NotWhole || connection.timedOut) throw error;
        // The server may have closed an idle connection at this very moment: once more, afresh.
        const fresh = await this.#open(replica);
        return await ask(fresh, () => this.#requireWhole(replica, fresh));
      }
    });
  }

  /** Tries `use` on one server after the other. @throws DirectoryUnavailable, results of `use` */
  async each<T>(use: (replica: Replica) => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) {
      throw new DirectoryUnavailable('The directory client is closed');
    }
    let cause: unknown;
    for (const replica of this.#replicas) {
      if (replica.state === 'down') continue;
      try {
        const answer = await use(replica);
        this.#praise(replica);
        return answer;
      } catch (error) {
        if (isAnswer(error)) throw error;
        this.#blame(replica, error);
        cause = error;
      }
    }
    throw new DirectoryUnavailable('No directory server answers (MF-DIR-001)', { cause });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const open = this.#replicas.flatMap((replica) => replica.connections);
    await Promise.all(open.map((connection) => connection.close()));
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

  /** The least busy connection; another one is opened in the background while there may be more. */
  async #connection(replica: Replica): Promise<LdapConnection> {
    const usable = replica.connections.filter((connection) => connection.usable);
    replica.connections.splice(0, replica.connections.length, ...usable);
    const least = usable.toSorted((a, b) => a.inFlight - b.inFlight)[0];
    if (!least) return await this.#open(replica);
    const more = usable.length < this.#options.connections && least.inFlight > 0;
    if (more) this.#open(replica).catch(() => {});
    return least;
  }

  #open(replica: Replica): Promise<LdapConnection> {
    replica.opening ??= this.#connect(replica).finally(() => (replica.opening = undefined));
    return replica.opening;
  }

  async #connect(replica: Replica): Promise<LdapConnection> {
    const connection = await LdapConnection.open(replica.access);
    replica.connections.push(connection);
    if (!this.#closing.signal.aborted) return connection;
    await connection.close();
    throw new DirectoryUnavailable('The directory client is closed');
  }

  async #requireWhole(replica: Replica, connection: LdapConnection): Promise<void> {
    const { clock, farm } = this.#options;
    if (clock.now() - replica.seenWholeAt < WHOLE_FRESH_MS) return;
    const options = { scope: 'base', attributes: ['1.1'], sizeLimit: 1 } as const;
    const found = await connection.search(farm, options);
    if (found.length === 0) throw new NotWhole(`${replica.access.url} does not show ${farm}`);
    replica.seenWholeAt = clock.now();
  }

  #praise(replica: Replica): void {
    if (replica.state === 'untried') replica.state = 'up';
  }

  #blame(replica: Replica, error: unknown): void {
    const [reason, code] = blameOf(error, replica.state);
    serverFailures.inc(reason);
    replica.seenWholeAt = -Infinity;
    if (replica.state === 'down') return; // Several questions were under way.
    replica.state = 'down';
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
        await this.#requireWhole(replica, await this.#connection(replica));
        replica.state = 'up';
        logger.info({ url }, 'directory server is back');
        return;
      } catch (error) {
        logger.debug({ url, err: error }, 'directory server is still away');
      }
    }
  }
}

function blameOf(
  error: unknown,
  state: Replica['state'],
): ['credentials' | 'not-whole' | 'operation' | 'connect', string] {
  if (error instanceof CredentialsRefused) return ['credentials', 'MF-DIR-003'];
  if (error instanceof NotWhole) return ['not-whole', 'MF-DIR-002'];
  return [state === 'untried' ? 'connect' : 'operation', 'MF-DIR-001'];
}
