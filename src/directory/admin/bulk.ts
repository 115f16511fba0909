import type { Entry, Filter } from 'ldapts';
import { addressKey, addressSpellings, keyText } from '../address.ts';
import { valuesOf } from '../client/entries.ts';
import type { LdapDirectoryOptions } from '../client/directory.ts';
import { dnKey, nameDn, parseDn } from '../dn.ts';
import { comparable } from '../schema.ts';
import { Addresses, isA } from './addresses.ts';
import { unchangedSince } from './assertion.ts';
import { checkedRow, type BulkRow, type CheckedRow } from './bulk-row.ts';
import { AdminError } from './error.ts';
import { identify } from './identity.ts';
import { Loops } from './loops.ts';
import { allOf, anyOf } from './query.ts';
import { AdminSession, type NewValues } from './session.ts';
import { Uids } from './uids.ts';

/**
 * Many users at once. What a single add asks for each user is asked here for some hundred of them
 * in one search: who has these addresses and numbers. Domains, volumes, sites and rights are read
 * once. Every change stays one operation of the directory, with all that it checks by itself.
 */
export type BulkPlan =
  | { readonly kind: 'add'; readonly row: CheckedRow; readonly dn: string; readonly uid: number }
  /** The entry has all that the row gives. */
  | { readonly kind: 'same'; readonly row: CheckedRow }
  | {
      readonly kind: 'differs';
      readonly row: CheckedRow;
      readonly dn: string;
      readonly revision: string;
      /** Attributes and what they would be. */
      readonly changes: NewValues;
    }
  | { readonly kind: 'problem'; readonly line: number; readonly message: string };

interface Frame {
  /** Domain to `main`, or to why nobody has an address in it. */
  readonly domains: ReadonlyMap<string, string>;
  readonly volumes: ReadonlySet<string>;
  readonly sites: ReadonlySet<string>;
  readonly withRights: ReadonlySet<string>;
}

const MAIN = 'main';
/** Connections for changes. */
const LANES = 32;

export class Bulk {
  readonly #session: AdminSession;
  readonly #loops: Loops;
  readonly #frame: Frame;
  /** Address or `uid N` to the line that has it. */
  readonly #seen = new Map<string, number>();
  readonly #forwards = new Map<string, readonly string[]>();
  #nextUid: number | undefined;
  /** A server answers one connection after the other or at once: changes go over several. */
  readonly #lanes: readonly AdminSession[];
  #lane = 0;

  private constructor(lanes: readonly AdminSession[], session: AdminSession, frame: Frame) {
    this.#lanes = lanes;
    this.#session = session;
    this.#frame = frame;
    this.#loops = new Loops(session, new Addresses(session));
  }

  /** @throws AdminError denied, unavailable */
  static async open(options: LdapDirectoryOptions): Promise<Bulk> {
    const session = await AdminSession.open(options);
    const lanes = [session];
    try {
      const { level, name } = await identify(session);
      if (level !== 'administrator' && level !== 'operator') {
        const has = level === undefined ? 'no level' : `the level ${level}`;
        throw new AdminError('denied', `${name} has ${has} and may not add users; operator may`);
      }
      const named = { ...options, bindDn: session.dn };
      while (lanes.length < LANES) lanes.push(await AdminSession.open(named));
      return new Bulk(lanes, session, await readFrame(session));
    } catch (error) {
      await Promise.all(lanes.map((lane) => lane.close()));
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }

  #writer(): AdminSession {
    this.#lane = (this.#lane + 1) % this.#lanes.length;
    return this.#lanes[this.#lane] ?? this.#session;
  }

  /** What each row means to the directory as it is now. Rows are told apart by their lines. */
  async plan(rows: readonly BulkRow[]): Promise<readonly BulkPlan[]> {
    const checked = rows.map((row) => this.#check(row));
    const good = checked.flatMap((one) => ('login' in one ? [one] : []));
    const held = await this.#held(good);
    const fresh = good.filter((row) => !held.addresses.get(row.login)?.some(isUser));
    const uids = await this.#freeUids(fresh.filter(({ uid }) => uid === undefined).length, held);
    return await Promise.all(
      checked.map(async (row) => {
        if (!('login' in row)) return row;
        try {
          return await this.#planOne(row, held, uids);
        } catch (error) {
          if (!(error instanceof AdminError) || error.kind === 'unavailable') throw error;
          return { kind: 'problem', line: row.line, message: error.message } as const;
        }
      }),
    );
  }

  /** @returns the account's id when it is asked for. @throws AdminError */
  async add(plan: BulkPlan & { kind: 'add' }, userPassword: string): Promise<void> {
    const { row, dn, uid } = plan;
    const { mwVolume: _, ...values } = row.values;
    const objectClass = row.objectClass;
    await this.#writer().add(dn, { objectClass, cn: row.login, uid, userPassword, ...values });
  }

  /** @throws AdminError; conflict when the entry was changed since it was planned */
  async change(plan: BulkPlan & { kind: 'differs' }, userPassword?: string): Promise<void> {
    const only = plan.revision === '' ? undefined : unchangedSince(plan.revision);
    await this.#writer().replace(plan.dn, { ...plan.changes, userPassword }, only);
  }

  #check(row: BulkRow): CheckedRow | (BulkPlan & { kind: 'problem' }) {
    const fault = (message: string) => ({ kind: 'problem', line: row.line, message }) as const;
    try {
      const checked = checkedRow(row);
      const { mwVolume: volume, mwSite: site } = checked.values;
      for (const address of checked.addresses) {
        const domain = address.slice(address.lastIndexOf('@') + 1);
        const why = this.#frame.domains.get(domain) ?? `${domain} is not a domain of this farm`;
        if (why !== MAIN) return fault(why);
      }
      const marks = [
        ...checked.addresses,
        ...(checked.uid === undefined ? [] : [`uid ${checked.uid}`]),
      ];
      for (const mark of marks) {
        const line = this.#seen.get(mark);
        if (line !== undefined) return fault(`${mark} stands in line ${line} already`);
      }
      for (const mark of marks) this.#seen.set(mark, row.line);
      if (volume !== undefined && !this.#frame.volumes.has(String(volume)))
        return fault(`There is no volume ${String(volume)}`);
      if (site !== undefined && !this.#frame.sites.has(String(site)))
        return fault(`There is no site ${String(site)}`);
      return checked;
    } catch (error) {
      if (error instanceof AdminError) return fault(error.message);
      throw error;
    }
  }

  async #held(rows: readonly CheckedRow[]): Promise<Held> {
    const spellings = rows.flatMap(({ addresses }) =>
      addresses.flatMap((text) => {
        const key = addressKey(text);
        return key ? addressSpellings(key) : [];
      }),
    );
    const numbers = rows.flatMap(({ uid }) => (uid === undefined ? [] : [String(uid)]));
    const found = new Map<string, Entry>();
    for (const filter of [
      ...(spellings.length > 0 ? [anyOf(['cn', 'mailAlias'], spellings)] : []),
      ...(numbers.length > 0 ? [anyOf(['uid'], numbers)] : []),
    ]) {
      for (const entry of await this.#search(filter)) found.set(entry.dn, entry);
    }
    return indexed([...found.values()]);
  }

  async #search(filter: Filter): Promise<readonly Entry[]> {
    const classes = anyOf(['objectClass'], ['mwUser', 'mwMailUser', 'mwList']);
    return await this.#session.search({
      base: this.#session.names.suffix,
      filter: allOf(classes, filter),
    });
  }

  /** So many numbers that nobody has, here, in the file so far, or among the removed. */
  async #freeUids(count: number, held: Held): Promise<number[]> {
    const free: number[] = [];
    if (count === 0) return free;
    this.#nextUid ??= await new Uids(this.#session).choose(undefined);
    while (free.length < count) {
      const from: number = this.#nextUid;
      const asked = Array.from({ length: count - free.length }, (_, i) => from + i);
      const taken = indexed(await this.#search(anyOf(['uid'], asked.map(String)))).uids;
      this.#nextUid = from + asked.length;
      for (const uid of asked) {
        if (!taken.has(uid) && !held.uids.has(uid) && !this.#seen.has(`uid ${uid}`)) free.push(uid);
      }
    }
    return free;
  }

  async #planOne(row: CheckedRow, held: Held, uids: number[]): Promise<BulkPlan> {
    const { line, login } = row;
    const own = held.addresses.get(login)?.find((entry) => isUser(entry) && isNamed(entry, login));
    for (const address of row.addresses) {
      const other = held.addresses.get(address)?.find((entry) => entry !== own);
      if (other) {
        const who = valuesOf(other, 'cn')[0] ?? other.dn;
        const what = isA(other, 'mwList')
          ? 'is the address of a list'
          : `already belongs to ${who}`;
        return { kind: 'problem', line, message: `${address} ${what}` };
      }
    }
    const holder = row.uid === undefined ? undefined : held.uids.get(row.uid);
    if (holder && holder !== own) {
      const who = valuesOf(holder, 'mwFormerLogin')[0] ?? valuesOf(holder, 'cn')[0] ?? holder.dn;
      return { kind: 'problem', line, message: `uid ${row.uid ?? ''} already belongs to ${who}` };
    }
    await this.#refuseLoops(row);
    if (own) return differences(row, own);
    const dn = nameDn('cn', login, this.#session.names.users);
    if (this.#frame.withRights.has(dnKey(parseDn(dn)))) {
      return {
        kind: 'problem',
        line,
        message: `${login} is in a group of rights; revoke it first`,
      };
    }
    if (row.password === undefined) {
      const message = `${login} is new and needs a password: column password, or a hash in userPassword`;
      return { kind: 'problem', line, message };
    }
    return { kind: 'add', row, dn, uid: row.uid ?? uids.shift() ?? 0 };
  }

  /** Around in the directory, or within the file. @throws AdminError invalid */
  async #refuseLoops(row: CheckedRow): Promise<void> {
    const forwards = (row.values['mailForward'] ?? []) as readonly string[];
    if (forwards.length === 0) return;
    for (const address of row.addresses) this.#forwards.set(address, forwards);
    const open = [...forwards];
    const seen = new Set(open);
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (row.addresses.includes(at)) {
        throw new AdminError('invalid', `A forward of ${row.login} would come back to ${at}`);
      }
      for (const next of this.#forwards.get(at) ?? []) {
        if (!seen.has(next)) open.push(next);
        seen.add(next);
      }
    }
    await this.#loops.refuse(forwards, { addresses: row.addresses }, `A forward of ${row.login}`);
  }
}

interface Held {
  /** Address in lower case to the entries that have it. */
  readonly addresses: ReadonlyMap<string, readonly Entry[]>;
  readonly uids: ReadonlyMap<number, Entry>;
}

const isUser = (entry: Entry): boolean => !isA(entry, 'mwList');
const normal = (address: string): string => {
  const key = addressKey(address);
  return key ? keyText(key) : address.toLowerCase();
};
const isNamed = (entry: Entry, login: string): boolean =>
  normal(valuesOf(entry, 'cn')[0] ?? '') === login;

function indexed(entries: readonly Entry[]): Held {
  const addresses = new Map<string, Entry[]>();
  const uids = new Map<number, Entry>();
  for (const entry of entries) {
    for (const text of [...valuesOf(entry, 'cn'), ...valuesOf(entry, 'mailAlias')]) {
      const holders = addresses.get(normal(text)) ?? [];
      if (!holders.includes(entry)) addresses.set(normal(text), [...holders, entry]);
    }
    const uid = Number(valuesOf(entry, 'uid')[0]);
    if (Number.isSafeInteger(uid)) uids.set(uid, entry);
  }
  return { addresses, uids };
}

/** What the row says otherwise than the entry; what it does not say stays. */
function differences(row: CheckedRow, own: Entry): BulkPlan {
  const { line, login } = row;
  const now = valuesOf(own, 'uid')[0];
  if (row.uid !== undefined && now !== String(row.uid)) {
    return { kind: 'problem', line, message: `${login} exists with uid ${now ?? ''}` };
  }
  const changes: Record<string, NewValues[string]> = {};
  for (const [name, value] of Object.entries(row.values)) {
    const wanted = [value ?? []].flat().map(String);
    const set = (all: readonly string[]) => all.map((one) => comparable(name, one)).toSorted();
    if (set(wanted).join('\0') !== set(valuesOf(own, name)).join('\0')) changes[name] = wanted;
  }
  if ('mwVolume' in changes && valuesOf(own, 'mwVolume').length > 0) {
    const volume = valuesOf(own, 'mwVolume')[0] ?? '';
    return { kind: 'problem', line, message: `The mailbox of ${login} is on ${volume} and stays` };
  }
  if (Object.keys(changes).length === 0) return { kind: 'same', row };
  const revision = valuesOf(own, 'entryCSN')[0] ?? '';
  return { kind: 'differs', row, dn: own.dn, revision, changes };
}

async function readFrame(session: AdminSession): Promise<Frame> {
  const { names } = session;
  const read = (base: string, objectClass: string) => session.search({ base, objectClass });
  const domains = new Map<string, string>();
  const sites = await read(names.sites, 'mwSite');
  for (const site of sites) {
    for (const name of valuesOf(site, 'mwSiteDomain')) {
      domains.set(
        name.toLowerCase(),
        `${name} is a domain of a site: its users are in the main one`,
      );
    }
  }
  for (const entry of await read(names.domains, 'mwDomain')) {
    const name = normal(`x@${valuesOf(entry, 'cn')[0] ?? ''}`).slice(2);
    const aliasOf = valuesOf(entry, 'mwAliasOf')[0];
    domains.set(name, aliasOf === undefined ? MAIN : `${name} is another name of ${aliasOf}`);
  }
  const named = (entries: readonly Entry[]) => entries.flatMap((entry) => valuesOf(entry, 'cn'));
  const groups = await read(names.rights, 'mwLevelGroup');
  return {
    domains,
    volumes: new Set(named(await read(names.volumes, 'mwVolume'))),
    sites: new Set(named(sites).map((name) => name.toLowerCase())),
    withRights: new Set(
      groups.flatMap((one) => valuesOf(one, 'member')).map((dn) => dnKey(parseDn(dn))),
    ),
  };
}
