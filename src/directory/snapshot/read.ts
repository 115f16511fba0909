/**
 * Reading the live directory whole, as it was at one moment, while others change it.
 *
 * One replica is read: one that shows cn=farm, tells its contextCSN, and is behind no other
 * replica that answers, nor behind the snapshot that is to be replaced. A rebuilt or lagging one
 * would give a snapshot in which users are missing, and a snapshot says "no such user".
 *
 * 1. contextCSN, then all entries.
 * 2. contextCSN again. The same: nothing changed meanwhile, and what was read is that state.
 * 3. Else the ids of all entries, which shows what is gone, then every entry changed since
 *    (entryCSN), until such a look finds nothing new. Each takes milliseconds.
 *
 * What is guaranteed: every entry that is in the tree at the last contextCSN is in the reading as
 * it then was. An entry that was deleted within the last moments of reading may still be in it, as
 * if the reading were that much older. Nodes' beats and claims change all the time and concern
 * nobody: `mwNode` entries are taken as they were when they were read.
 *
 * A site's own directory with its users need not tell a contextCSN. Then it is read twice, and
 * again until two readings are the same: nothing that was read changed between the two.
 */
import { GreaterThanEqualsFilter, type Entry, type Filter } from 'ldapts';
import type { Clock } from '../../base/clock.ts';
import { LdapConnection, type ServerAccess } from '../client/connection.ts';
import { valuesOf } from '../client/entries.ts';
import { all, parseFilter } from '../client/filters.ts';
import { covers, moved, type Csn } from './csn.ts';
import { SnapshotError } from './format.ts';

/** Entries below a base that match. */
export interface Branch {
  readonly base: string;
  readonly scope: 'one' | 'sub';
  readonly filter: Filter;
  readonly attributes: readonly string[];
}

/** What is read of one directory, from one of its servers. */
export interface ReadOptions<B extends string> {
  readonly servers: readonly ServerAccess[];
  /** Entry that a whole replica shows. */
  readonly shows: string;
  /** Entry with contextCSN. */
  readonly suffix: string;
  /** Whether a server without contextCSN may be read. */
  readonly csn: 'required' | 'optional';
  /** contextCSN that the replica must have reached. */
  readonly notBefore: Csn;
  readonly branches: Readonly<Record<B, Branch>>;
  /** Entries by their DN, with the attribute that is wanted. */
  readonly single: Readonly<Record<string, string>>;
  /** Where users go when they are removed. */
  readonly removed: Branch | undefined;
  readonly clock: Clock;
}

export interface ReadResult<B extends string> {
  readonly url: string;
  readonly contextCsn: Csn;
  readonly entries: Readonly<Record<B, readonly Entry[]>>;
  readonly single: ReadonlyMap<string, Entry>;
  readonly selected: Selected;
}

/** Filters of lists by the list's address, and how to find whom they select. */
export interface Selecting<B extends string> {
  readonly filters: (read: (branch: B) => Iterable<Entry>) => ReadonlyMap<string, string>;
  readonly base: string;
  readonly users: (filter: Filter) => Filter;
  /** Attribute with the identity of a user. */
  readonly id: string;
}
export type Selected = ReadonlyMap<string, readonly string[] | Error>;

const ALWAYS = ['entryUUID', 'entryCSN', 'objectClass'];
/** Reading 200,000 users takes a server some ten seconds. */
const READ_DEADLINE_MS = 120_000;
const PAGE_SIZE = 1_000;
const ROUNDS_MAX = 50;
const REPEATS_MAX = 5;
const ELECTIONS_MAX = 10;
const ELECTION_PAUSE_MS = 300;

interface Candidate {
  readonly connection: LdapConnection;
  readonly csn: Csn;
}

/** @throws SnapshotError that says why there is no reading */
export async function readWhole<B extends string>(
  options: ReadOptions<B>,
  selecting: Selecting<B> | undefined,
): Promise<ReadResult<B>> {
  const chosen = await electReplica(options);
  try {
    const reading = (): Reading<B> => new Reading(options, selecting, chosen);
    return await (chosen.csn.length > 0 ? reading().settled() : twiceTheSame(reading));
  } catch (error) {
    if (error instanceof SnapshotError) throw error;
    const { url } = chosen.connection;
    throw new SnapshotError(`${url} cannot be read whole: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    await chosen.connection.close();
  }
}

async function twiceTheSame<B extends string>(reading: () => Reading<B>): Promise<ReadResult<B>> {
  let last = await reading().once();
  for (let repeat = 0; repeat < REPEATS_MAX; repeat += 1) {
    const again = await reading().once();
    if (JSON.stringify(again) === JSON.stringify(last)) return again;
    last = again;
  }
  throw new SnapshotError(`${last.url} changes faster than it can be read; the old file stays`);
}

/** A replica that is behind none; two that take changes may need a moment until one is. */
async function electReplica<B extends string>(options: ReadOptions<B>): Promise<Candidate> {
  let faults: readonly string[] = [];
  for (let election = 0; election < ELECTIONS_MAX; election += 1) {
    if (election > 0) await options.clock.sleep(ELECTION_PAUSE_MS);
    const looks = await Promise.all(options.servers.map((access) => look(access, options)));
    const up = looks.filter((one) => typeof one !== 'string');
    faults = looks.filter((one) => typeof one === 'string');
    const states = [options.notBefore, ...up.map(({ csn }) => csn)];
    const best = up.find(({ csn }) => states.every((other) => covers(csn, other)));
    for (const other of up) if (other !== best) void other.connection.close();
    if (best) return best;
    if (up.length === 0) break;
    const behind = up.map(({ connection }) => `${connection.url} lags behind (MF-DIR-007)`);
    faults = [...faults, ...behind];
  }
  throw new SnapshotError(`No directory server is whole and current: ${faults.join('; ')}`);
}

async function look<B extends string>(
  access: ServerAccess,
  options: ReadOptions<B>,
): Promise<Candidate | string> {
  try {
    const patient = { ...access, operationDeadlineMs: READ_DEADLINE_MS };
    const connection = await LdapConnection.open(patient);
    const shown = await entryAt(connection, options.shows, '1.1');
    const csn = await contextCsn(connection, options.suffix);
    if (shown && (csn.length > 0 || options.csn === 'optional')) return { connection, csn };
    await connection.close();
    return shown
      ? `${access.url} shows no contextCSN: it is being filled, or overlay syncprov is missing`
      : `${access.url} does not show ${options.shows} (MF-DIR-002)`;
  } catch (error) {
    return `${access.url}: ${(error as Error).message}`;
  }
}

async function entryAt(
  connection: LdapConnection,
  dn: string,
  attribute: string,
): Promise<Entry | undefined> {
  const options = { scope: 'base', attributes: [attribute], sizeLimit: 1 } as const;
  return (await connection.search(dn, options))[0];
}

async function contextCsn(connection: LdapConnection, suffix: string): Promise<Csn> {
  const entry = await entryAt(connection, suffix, 'contextCSN');
  return entry ? valuesOf(entry, 'contextCSN').toSorted() : [];
}

/** The branch that changes all the time without news for anybody. */
const BEATING = 'nodes';
const csnOf = (entry: Entry): string => valuesOf(entry, 'entryCSN')[0] ?? '';
const idOf = (entry: Entry): string => valuesOf(entry, 'entryUUID')[0] ?? entry.dn;

class Reading<B extends string> {
  readonly #options: ReadOptions<B>;
  readonly #selecting: Selecting<B> | undefined;
  readonly #connection: LdapConnection;
  readonly #first: Csn;
  readonly #branches: readonly (readonly [B, Branch])[];
  readonly #read = new Map<B, Map<string, Entry>>();
  readonly #single = new Map<string, Entry>();
  #selected: Selected = new Map();

  constructor(options: ReadOptions<B>, selecting: Selecting<B> | undefined, chosen: Candidate) {
    this.#options = options;
    this.#selecting = selecting;
    this.#connection = chosen.connection;
    this.#first = chosen.csn;
    this.#branches = Object.entries(options.branches) as [B, Branch][];
  }

  /** Until contextCSN stands still between a look at what changed and the next one. */
  async settled(): Promise<ReadResult<B>> {
    await this.#readAll();
    let last = this.#first;
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const now = await contextCsn(this.#connection, this.#options.suffix);
      const since = moved(last, now);
      if (since === undefined) return this.#result(now);
      if (round === 0) await this.#dropGone();
      if (!(await this.#readChanged(since))) return this.#result(now);
      await this.#readSelected();
      last = now;
    }
    throw new SnapshotError(
      `${this.#connection.url} changes faster than it can be read; the old file stays`,
    );
  }

  async once(): Promise<ReadResult<B>> {
    await this.#readAll();
    return this.#result([]);
  }

  #result(contextCsns: Csn): ReadResult<B> {
    const entries = this.#branches.map(([name]) => [name, [...this.#entries(name)]] as const);
    return {
      url: this.#connection.url,
      contextCsn: contextCsns,
      entries: Object.fromEntries(entries) as unknown as Record<B, readonly Entry[]>,
      single: this.#single,
      selected: this.#selected,
    };
  }

  #entries(name: B): Iterable<Entry> {
    return this.#read.get(name)?.values() ?? [];
  }

  async #readAll(): Promise<void> {
    for (const [name, branch] of this.#branches) {
      const byId = new Map<string, Entry>();
      const attributes = [...new Set([...branch.attributes, ...ALWAYS])];
      for await (const entry of this.#pages({ ...branch, attributes })) {
        byId.set(idOf(entry), entry);
      }
      this.#read.set(name, byId);
    }
    await this.#readSingle();
    await this.#readSelected();
  }

  async *#pages({ base, ...branch }: Branch): AsyncGenerator<Entry> {
    const options = { ...branch, sizeLimit: 0, pageSize: PAGE_SIZE };
    for await (const page of this.#connection.pages(base, options)) yield* page;
  }

  /** An entry that moved to another branch is gone from its own. */
  async #dropGone(): Promise<void> {
    for (const [name, branch] of this.#branches) {
      const there = new Set<string>();
      for await (const entry of this.#pages({ ...branch, attributes: ['entryUUID'] })) {
        there.add(idOf(entry));
      }
      const byId = this.#read.get(name);
      for (const id of byId?.keys() ?? []) if (!there.has(id)) byId?.delete(id);
    }
  }

  /**
   * All at once, for while they run nothing may change. @returns whether anything was new; when
   * nothing is, what is held is the tree, whoever else changed something that concerns nobody.
   */
  async #readChanged(since: string): Promise<boolean> {
    const changed = new GreaterThanEqualsFilter({ attribute: 'entryCSN', value: since });
    const { removed } = this.#options;
    const [rest, gone, ...branches] = await Promise.all([
      this.#readSingle(),
      removed ? this.#idsOf({ ...removed, filter: all(removed.filter, changed) }) : [],
      ...this.#branches
        .filter(([name]) => name !== BEATING)
        .map(([name, branch]) => this.#readChangedOf(name, branch, changed)),
    ]);
    let news = rest || branches.includes(true);
    for (const id of gone) {
      for (const byId of this.#read.values()) news = byId.delete(id) || news;
    }
    return news;
  }

  async #readChangedOf(name: B, branch: Branch, changed: Filter): Promise<boolean> {
    const attributes = [...new Set([...branch.attributes, ...ALWAYS])];
    const byId = this.#read.get(name);
    let news = false;
    const search = { ...branch, attributes, filter: all(branch.filter, changed) };
    for await (const entry of this.#pages(search)) {
      const before = byId?.get(idOf(entry));
      news ||= before === undefined || csnOf(before) !== csnOf(entry);
      byId?.set(idOf(entry), entry);
    }
    return news;
  }

  async #idsOf(branch: Branch): Promise<readonly string[]> {
    const ids: string[] = [];
    for await (const entry of this.#pages(branch)) ids.push(idOf(entry));
    return ids;
  }

  /** @returns whether one of them changed */
  async #readSingle(): Promise<boolean> {
    let news = false;
    for (const [dn, attribute] of Object.entries(this.#options.single)) {
      const entry = await entryAt(this.#connection, dn, attribute);
      news ||= JSON.stringify(entry) !== JSON.stringify(this.#single.get(dn));
      if (entry) this.#single.set(dn, entry);
      else this.#single.delete(dn);
    }
    return news;
  }

  /** Who is in lists by filter: read again whenever something changed. */
  async #readSelected(): Promise<void> {
    const selected = new Map<string, readonly string[] | Error>();
    const filters = this.#selecting?.filters((name) => this.#entries(name)) ?? [];
    for (const [address, text] of filters) selected.set(address, await this.#select(text));
    this.#selected = selected;
  }

  async #select(text: string): Promise<readonly string[] | Error> {
    if (!this.#selecting) return [];
    const { base, users, id } = this.#selecting;
    let filter: Filter;
    try {
      filter = users(parseFilter(text));
    } catch (error) {
      return new Error(`it is no filter (RFC 4515): ${(error as Error).message} (MF-DIR-008)`);
    }
    const ids: string[] = [];
    for await (const entry of this.#pages({ base, scope: 'sub', filter, attributes: [id] })) {
      ids.push(...valuesOf(entry, id).slice(0, 1));
    }
    return ids;
  }
}
