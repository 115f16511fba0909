import type { Entry } from 'ldapts';
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
 * The state is a process's own, and a node has several: one that was asked nothing since a
 * change knows nothing of it, and when the server that has it then dies, one behind would be
 * believed. So each tells the others what is new in what it read (`onNewest`, `learn`; the
 * supervisor passes it on, also to a process that starts). What was read, never all that is known:
 * else processes would remind each other of a lost change for ever.
 *
 * Not believed either: a replica that is being filled and took a change itself meanwhile. It has a
 * contextCSN, of that change, but lacks in it the changes that made the suffix's entry and cn=farm,
 * which it has (entryCSN): that alone tells a process that just started. Nor one that shows another
 * cn=farm (entryUUID) than the others: its URL leads to another farm.
 *
 * A server may die with a change that it handed to no other. Then nobody has it, and unknown
 * addresses, catch-alls and rules would get 451 for ever. So a change that no server has which
 * answers is forgotten after LOST_MS, if all that answer are whole and agree on the last one before
 * it. The risk: the one that took it lives, and both we and the others are cut off from it for so
 * long. But then nobody hears either of what it takes after that, so remembering would not help.
 * After a restore of the whole farm from a backup it is what makes unknown addresses 550 again.
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

/** A change that no server has which answers is taken for lost after this. */
export const LOST_MS = 600_000;

export interface Evidence {
  /** Undefined: the replica has no contextCSN. */
  readonly state: ServerState | undefined;
  /** It has entries that its own contextCSN does not cover: it is being filled. */
  readonly partial: boolean;
  /** When the look began. */
  readonly at: number;
}

export interface WitnessOptions {
  /** DN of the entry that a whole replica shows. */
  readonly shows: string;
  /** DN of the entry that has contextCSN; undefined: the naming context above `shows`. */
  readonly suffix: string | undefined;
  /** With one server, that it has no contextCSN proves nothing against it. */
  readonly urls: readonly string[];
  /** Hears of each state that was read and has what was not known. */
  readonly onNewest?: ((state: ServerState) => void) | undefined;
  readonly clock: Clock;
}

/** What is known about the states of all replicas. */
export class Witness {
  readonly #options: WitnessOptions;
  readonly #evidence = new WeakMap<LdapConnection, Evidence>();
  readonly #reading = new WeakMap<LdapConnection, Promise<Evidence>>();
  /** The last look at each server, by URL. */
  readonly #looks = new Map<string, Evidence>();
  /** Since when no server that answers has a change, by the id of the server that took it. */
  readonly #missingSince = new Map<string, number>();
  #newest: ServerState = new Map();
  /** entryUUID of the entry that a whole replica shows, by URL; and the one that is ours. */
  readonly #trees = new Map<string, string>();
  #tree: { readonly id: string; readonly at: number } | undefined;

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
    if (evidence.partial || new Set(this.#trees.values()).size > 1) return false;
    if (evidence.state) return covers(evidence.state, bar);
    return this.#options.urls.length === 1 && bar.size === 0;
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
    const [found, top] = await Promise.all([
      orUndefined(connection.search(shows, { ...base, attributes: ['entryUUID', 'entryCSN'] })),
      orUndefined(this.#topOf(connection)),
    ]);
    const shown = found?.[0];
    if (!shown) throw new NotWhole(`${connection.url} does not show ${shows}`);
    this.#requireSameTree(connection.url, valuesOf(shown, 'entryUUID')[0]);
    const state = top && serverState(valuesOf(top, 'contextCSN'));
    const own = serverState([shown, top].flatMap((one) => (one ? valuesOf(one, 'entryCSN') : [])));
    const partial = state !== undefined && own !== undefined && !covers(state, own);
    const evidence = { state, partial, at };
    this.#evidence.set(connection, evidence);
    this.#looks.set(connection.url, evidence);
    if (state && !covers(this.#newest, state)) {
      this.learn(state);
      this.#options.onNewest?.(state);
    }
    return evidence;
  }

  /** A state that some server was seen in, here or by another process. */
  learn(state: ServerState): void {
    this.#newest = together(this.#newest, state);
  }

  /**
   * The tree of the URL that stands first is ours, of those seen; one that changes its tree later
   * changes nothing, unless all agree. While two differ no "there is none" counts (`proves`).
   */
  #requireSameTree(url: string, id: string | undefined): void {
    if (id === undefined) return;
    const isNew = !this.#trees.has(url);
    const at = this.#options.urls.indexOf(url);
    this.#trees.set(url, id);
    const alike = new Set(this.#trees.values()).size === 1;
    if (!this.#tree || alike || (isNew && at < this.#tree.at)) {
      if (this.#tree && this.#tree.id !== id) this.#newest = new Map();
      this.#tree = { id, at: Math.min(at, this.#tree?.at ?? at) };
    }
    this.requireOurs(url);
  }

  /** @throws NotWhole when the URL leads to another tree */
  requireOurs(url: string): void {
    const id = this.#trees.get(url);
    if (id === undefined || id === this.#tree?.id) return;
    throw new NotWhole(`${url} shows another ${this.#options.shows} than the others`);
  }

  /**
   * Forgets changes that none of the servers that answer has had for LOST_MS, while they agree
   * on the last one that they have. @returns the changes
   */
  forgetLost(urls: readonly string[]): readonly string[] {
    const now = this.#options.clock.now();
    const looks = urls.map((url) => this.#looks.get(url));
    const states = looks.flatMap((look) => (look?.state && !look.partial ? [look.state] : []));
    const lately = looks.every((look) => look && now - look.at < EVIDENCE_FRESH_MS);
    const lost: string[] = [];
    for (const [server, csn] of this.#newest) {
      const [last, ...others] = new Set(states.map((state) => state.get(server)));
      const agreed = states.length > 0 && states.length === looks.length && others.length === 0;
      if (!agreed || (last !== undefined && last >= csn)) {
        this.#missingSince.delete(server);
        continue;
      }
      const since = this.#missingSince.get(server) ?? now;
      this.#missingSince.set(server, since);
      if (now - since < LOST_MS || !lately) continue;
      const rest = [...this.#newest].filter(([id]) => id !== server);
      this.#newest = new Map(last === undefined ? rest : [...rest, [server, last]]);
      this.#missingSince.delete(server);
      lost.push(csn);
    }
    return lost;
  }

  /** The entry with contextCSN. */
  async #topOf(connection: LdapConnection): Promise<Entry | undefined> {
    const suffix = this.#options.suffix ?? (await this.#namingContext(connection));
    const attributes = ['contextCSN', 'entryCSN'];
    const options = { scope: 'base', attributes, sizeLimit: 1 } as const;
    return (await connection.search(suffix, options))[0];
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
