import type { Clock } from '../../base/clock.ts';
import { dnKey, parseDn } from '../dn.ts';
import { resultCode, type LdapConnection } from './connection.ts';
import { valuesOf } from './entries.ts';
import { covers, serverState, together, type ServerState } from './state.ts';

/**
 * When "there is none" may be believed. A replica that was replaced, is being filled or lags
 * behind answers "nothing" with success, just as a good one does for an address nobody has; the
 * first must never become a 550. So a negative answer counts only with evidence:
 *
 *   before the search, on the same connection, the replica showed cn=farm (it is whole) and a
 *   contextCSN (state.ts) that has everything which this process had seen, from any replica, when
 *   the question began.
 *
 * Before, not after: a state read after the search does not say what the search saw. On the same
 * connection: behind a new connection there may be a new process on an empty disk.
 *
 * The newest state is learnt by looking at every replica twice a second while questions come
 * (replicas.ts). So one that was cut off from the others and serves yesterday's tree in good faith
 * is found out although nothing else would be asked of the others.
 *
 * What it costs. A connection looks once when it is opened, and while questions come once in
 * LOOK_EVERY_MS, beside them: evidence lies ready, and a negative answer costs the one search.
 * After a pause the first one costs a look and a second search. Beats and placements change
 * contextCSN all the time, and a good replica is milliseconds behind another for a part of them; a
 * look at the others ends before that at the one that is asked begins, so mostly the one asked has
 * what they have. Else: look again, wait a moment, look again (BEHIND_WAIT_MS, BEHIND_WAITS), and
 * ask again once it has caught up; only then the next replica. Under many changes all of them may
 * lack something of each other: a question goes round again, PATIENCE_ROUNDS at most, unless all
 * have been behind for longer than PATIENCE_MS. Then it is a temporary failure (MF-DIR-007).
 *
 * What is not believed with several URLs: a replica without contextCSN. slapd keeps none while it
 * is filled for the first time. With one URL and no contextCSN there is nothing to compare; it is
 * the only truth, if it is whole.
 *
 * "Refused" to a password is as grave and has a rule of its own: the states of the others are
 * read after it (the password may have been changed there a moment ago), and where the refusing
 * replica lacked something, it is asked again when it has that.
 *
 * A positive answer needs no evidence: it may be old by the cache's seconds anyway. A replica that
 * was found behind is asked last, so it answers only where the others are gone, and then what it
 * has (an account, a password that it accepts) is better than nothing, as in any outage.
 *
 * Rejected: forgetting the newest state after a while. After a restore of the whole farm from a
 * backup unknown addresses get 451 until each server took a change (its next beat), or the nodes
 * are restarted: that harms nobody, the opposite does.
 */

/** Evidence older than this, when a question begins, does not count for it. */
export const EVIDENCE_FRESH_MS = 1_000;
/** While questions come every replica is looked at this often. */
export const LOOK_EVERY_MS = 500;
/** How long a question waits for the states of other replicas that were not looked at lately. */
export const OTHERS_WAIT_MS = 250;
export const BEHIND_WAIT_MS = 30;
export const BEHIND_WAITS = 2;
/** How long replicas that all lag behind each other may keep a question waiting. */
export const PATIENCE_MS = 1_000;
export const PATIENCE_ROUNDS = 20;

/** A replica answered, but does not show cn=farm: empty, half loaded, or another tree. */
export class NotWhole extends Error {}

/** A replica lacks changes that are known to exist, or does not say what it has. */
export class NotCurrent extends Error {}

export interface Evidence {
  /** Undefined: the replica has no contextCSN. */
  readonly state: ServerState | undefined;
  /** When the look began. */
  readonly at: number;
}

export interface WitnessOptions {
  /** DN of the entry that a whole replica shows. */
  readonly shows: string;
  /** DN of the entry that has contextCSN; undefined: the naming context above `shows`. */
  readonly suffix: string | undefined;
  /** With one server, that it has no contextCSN proves nothing against it. */
  readonly several: boolean;
  readonly clock: Clock;
}

/** What is known about the states of all replicas. */
export class Witness {
  readonly #options: WitnessOptions;
  readonly #evidence = new WeakMap<LdapConnection, Evidence>();
  readonly #reading = new WeakMap<LdapConnection, Promise<Evidence>>();
  #newest: ServerState = new Map();

  constructor(options: WitnessOptions) {
    this.#options = options;
  }

  /** The newest state seen of any replica. Never changed in place. */
  get newest(): ServerState {
    return this.#newest;
  }

  evidence(connection: LdapConnection): Evidence | undefined {
    return this.#evidence.get(connection);
  }

  /** Whether a replica that gave this evidence has all of a state. */
  proves(evidence: Evidence, bar: ServerState): boolean {
    if (evidence.state) return covers(evidence.state, bar);
    return !this.#options.several && bar.size === 0;
  }

  /** Looks; callers at the same time share one look. @throws NotWhole, what the search throws */
  read(connection: LdapConnection): Promise<Evidence> {
    const running = this.#reading.get(connection);
    if (running) return running;
    const reading = this.#read(connection).finally(() => this.#reading.delete(connection));
    this.#reading.set(connection, reading);
    return reading;
  }

  async #read(connection: LdapConnection): Promise<Evidence> {
    const { clock, shows } = this.#options;
    const at = clock.now();
    const base = { scope: 'base', sizeLimit: 1 } as const;
    const [found, state] = await Promise.all([
      orUndefined(connection.search(shows, { ...base, attributes: ['1.1'] })),
      orUndefined(this.#stateOf(connection)),
    ]);
    if ((found?.length ?? 0) === 0) {
      throw new NotWhole(`${connection.url} does not show ${shows}`);
    }
    const evidence = { state, at };
    this.#evidence.set(connection, evidence);
    if (state) this.#newest = together(this.#newest, state);
    return evidence;
  }

  async #stateOf(connection: LdapConnection): Promise<ServerState | undefined> {
    const suffix = this.#options.suffix ?? (await this.#namingContext(connection));
    const attributes = ['contextCSN'];
    const options = { scope: 'base', attributes, sizeLimit: 1 } as const;
    const [entry] = await connection.search(suffix, options);
    return entry && serverState(valuesOf(entry, 'contextCSN'));
  }

  /** RFC 4512 §5.1: where the tree of a site's own directory begins, the server says. */
  async #namingContext(connection: LdapConnection): Promise<string> {
    const { shows } = this.#options;
    const attributes = ['namingContexts'];
    const [root] = await connection.search('', { scope: 'base', attributes, sizeLimit: 1 });
    const below = parseDn(shows);
    const above = (root ? valuesOf(root, 'namingContexts') : []).filter((context) => {
      const rdns = parseDn(context);
      return rdns.length > 0 && dnKey(rdns) === dnKey(below.slice(-rdns.length));
    });
    return above.toSorted((a, b) => b.length - a.length)[0] ?? shows;
  }
}

/** A server that refuses to show something does not show it. */
async function orUndefined<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (resultCode(error) === undefined) throw error;
    return undefined;
  }
}
