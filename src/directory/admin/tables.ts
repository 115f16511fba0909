import { EqualityFilter, OrFilter, SubstringFilter, type Entry } from 'ldapts';
import { domainSpellings } from '../address.ts';
import { toNode, toSettings, toVolume, valuesOf } from '../client/entries.ts';
import { nameDn } from '../dn.ts';
import { VOLUME_STATES, type NodeEntry, type VolumeEntry } from '../types.ts';
import * as names from './names.ts';
import { AdminError, type AdminSession, type NewValues } from './session.ts';

/** Entries of one class below one branch, by name. */
class Branch {
  readonly #session: AdminSession;
  readonly #base: string;
  readonly #objectClass: string;
  readonly #what: string;

  constructor(
    session: AdminSession,
    where: { readonly base: string; readonly objectClass: string; readonly what: string },
  ) {
    this.#session = session;
    this.#base = where.base;
    this.#objectClass = where.objectClass;
    this.#what = where.what;
  }

  async all(): Promise<readonly Entry[]> {
    return await this.#session.search({ base: this.#base, objectClass: this.#objectClass });
  }

  /** @throws AdminError not-found */
  async one(spellings: readonly string[]): Promise<Entry> {
    for (const value of spellings) {
      const filter = new EqualityFilter({ attribute: 'cn', value });
      const where = { base: this.#base, objectClass: this.#objectClass, filter, limit: 1 };
      const [entry] = await this.#session.search(where);
      if (entry) return entry;
    }
    const name = names.printable(spellings[0] ?? '');
    throw new AdminError('not-found', `There is no ${this.#what} ${name}`);
  }

  /** @throws AdminError exists */
  async add(name: string, values: NewValues): Promise<void> {
    const objectClass = ['top', this.#objectClass];
    try {
      await this.#session.add(nameDn('cn', name, this.#base), { objectClass, cn: name, ...values });
    } catch (error) {
      if (!(error instanceof AdminError) || error.kind !== 'exists') throw error;
      throw new AdminError('exists', `The ${this.#what} ${name} exists already`);
    }
  }

  async set(name: string, values: NewValues): Promise<void> {
    await this.#session.replace((await this.one([name])).dn, values);
  }

  async remove(spellings: readonly string[]): Promise<void> {
    await this.#session.remove((await this.one(spellings)).dn);
  }
}

export class Domains {
  readonly #session: AdminSession;
  readonly #branch: Branch;

  constructor(session: AdminSession) {
    this.#session = session;
    const base = session.names.domains;
    this.#branch = new Branch(session, { base, objectClass: 'mwDomain', what: 'domain' });
  }

  /** @throws AdminError exists, invalid */
  async add(domain: string): Promise<string> {
    const name = names.checkedDomain(domain);
    await this.#branch.add(name, {});
    return name;
  }

  /** @throws AdminError not-found */
  async show(domain: string): Promise<string> {
    const entry = await this.#branch.one(domainSpellings(names.checkedDomain(domain)));
    return valuesOf(entry, 'cn')[0] ?? '';
  }

  async list(): Promise<readonly string[]> {
    return (await this.#branch.all()).map((entry) => valuesOf(entry, 'cn')[0] ?? '').toSorted();
  }

  /** @throws AdminError not-found; invalid while a user's login is in it */
  async remove(domain: string): Promise<void> {
    const name = names.checkedDomain(domain);
    const users = await this.#session.search({
      base: this.#session.names.users,
      objectClass: 'mwUser',
      attributes: ['cn', 'mailAlias'],
    });
    const endings = domainSpellings(name).map((spelling) => `@${spelling}`);
    const inUse = users.find((entry) =>
      [...valuesOf(entry, 'cn'), ...valuesOf(entry, 'mailAlias')].some((address) =>
        endings.some((ending) => address.toLowerCase().endsWith(ending)),
      ),
    );
    if (inUse) throw new AdminError('invalid', `${name} is in use by ${inUse.dn}`);
    await this.#branch.remove(domainSpellings(name));
  }
}

/** What may be given for a volume; what is undefined stays. */
export interface VolumeValues {
  readonly path?: string | undefined;
  readonly identity?: string | undefined;
  readonly weight?: number | undefined;
  readonly state?: string | undefined;
}

export class Volumes {
  readonly #branch: Branch;
  readonly #session: AdminSession;

  constructor(session: AdminSession) {
    this.#session = session;
    const base = session.names.volumes;
    this.#branch = new Branch(session, { base, objectClass: 'mwVolume', what: 'volume' });
  }

  /** @throws AdminError exists, invalid */
  async add(
    name: string,
    values: VolumeValues & { readonly path: string; readonly identity: string },
  ): Promise<VolumeEntry> {
    const written = volumeValues(values);
    await this.#requireOwnPath(String(written['mwMountPath']));
    await this.#branch.add(names.checkedName(name, 'volume'), written);
    return await this.show(name);
  }

  /** @throws AdminError not-found */
  async show(name: string): Promise<VolumeEntry> {
    return toVolume(await this.#branch.one([names.checkedName(name, 'volume')]));
  }

  async list(): Promise<readonly VolumeEntry[]> {
    return (await this.#branch.all()).map(toVolume);
  }

  /** @throws AdminError not-found, invalid */
  async set(name: string, values: VolumeValues): Promise<VolumeEntry> {
    const known = await this.show(name);
    const written = volumeValues(values);
    if (values.path !== undefined)
      await this.#requireOwnPath(String(written['mwMountPath']), known);
    await this.#branch.set(known.name, written);
    return await this.show(name);
  }

  /** @throws AdminError not-found; invalid while a user's mailbox is on it */
  async remove(name: string): Promise<void> {
    // As its entry has it: a volume is found in any case, users name it in this one.
    const volume = await this.show(name);
    const on = [
      new EqualityFilter({ attribute: 'mwVolume', value: volume.name }),
      new SubstringFilter({ attribute: 'mwPath', initial: `${volume.path}/` }),
    ];
    const filter = new OrFilter({ filters: on });
    const base = this.#session.names.users;
    const where = { base, objectClass: 'mwUser', filter, limit: 1, attributes: ['cn'] };
    const [user] = await this.#session.search(where);
    if (user) throw new AdminError('invalid', `The mailbox of ${user.dn} is on ${volume.name}`);
    await this.#branch.remove([volume.name]);
  }

  /** Two volumes with one mount point would be one disk counted twice, and no path unequivocal. */
  async #requireOwnPath(path: string, except?: VolumeEntry): Promise<void> {
    const holder = (await this.list()).find(
      (volume) => volume.path === path && volume.name !== except?.name,
    );
    if (holder) throw new AdminError('exists', `${path} is volume ${holder.name} already`);
  }
}

function volumeValues(values: VolumeValues): NewValues {
  const { path, identity, weight, state } = values;
  if (state !== undefined && !VOLUME_STATES.some((known) => known === state)) {
    throw new AdminError('invalid', `A volume is one of ${VOLUME_STATES.join(', ')}`);
  }
  return {
    mwMountPath: path === undefined ? undefined : names.checkedPath(path),
    mwIdentity: identity === undefined ? undefined : names.checkedText(identity, 'An identity'),
    mwWeight: weight === undefined ? undefined : names.checkedCount(weight, 'A weight'),
    mwState: state,
  };
}

/** What may be given for a node; what is undefined stays. */
export interface NodeValues {
  readonly nid?: number | undefined;
  readonly server?: string | undefined;
  readonly status?: string | undefined;
  readonly listen?: readonly string[] | undefined;
}

export class Nodes {
  readonly #branch: Branch;

  constructor(session: AdminSession) {
    const base = session.names.nodes;
    this.#branch = new Branch(session, { base, objectClass: 'mwNode', what: 'node' });
  }

  /** @throws AdminError exists, invalid */
  async add(
    name: string,
    values: NodeValues & { readonly nid: number; readonly server: string },
  ): Promise<NodeEntry> {
    const given = { status: 'spldmb', ...values };
    await this.#branch.add(names.checkedName(name, 'node'), nodeValues(given));
    return await this.show(name);
  }

  /** @throws AdminError not-found */
  async show(name: string): Promise<NodeEntry> {
    return toNode(await this.#branch.one([names.checkedName(name, 'node')]));
  }

  async list(): Promise<readonly NodeEntry[]> {
    return (await this.#branch.all()).map(toNode);
  }

  /** @throws AdminError not-found, invalid */
  async set(name: string, values: NodeValues): Promise<NodeEntry> {
    await this.#branch.set(names.checkedName(name, 'node'), nodeValues(values));
    return await this.show(name);
  }

  /** @throws AdminError not-found */
  async remove(name: string): Promise<void> {
    await this.#branch.remove([names.checkedName(name, 'node')]);
  }
}

/** `SERVICE HOST:PORT`; an IPv6 host in brackets. */
const LISTEN = /^[a-z][a-z0-9-]{0,31} (?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.*-]+):\d{1,5}$/;
/** One letter for each service, upper case up, lower case down (S0-34). */
const STATUS = /^[SPLMBAG]*$/i;

function nodeValues(values: NodeValues): NewValues {
  const { nid, server, status, listen } = values;
  if (status !== undefined && !STATUS.test(status)) {
    throw new AdminError('invalid', 'A status has letters of S, P, L, M, B, A, G only');
  }
  const wrong = listen?.find((line) => !LISTEN.test(line));
  if (wrong !== undefined) {
    throw new AdminError('invalid', `"${names.printable(wrong)}" is not SERVICE HOST:PORT`);
  }
  return {
    nid: nid === undefined ? undefined : names.checkedCount(nid, 'A node id'),
    server: server === undefined ? undefined : names.checkedDomainName(server),
    status,
    mwListen: listen,
  };
}

export class Settings {
  readonly #session: AdminSession;

  constructor(session: AdminSession) {
    this.#session = session;
  }

  async all(): Promise<ReadonlyMap<string, string>> {
    const base = this.#session.names.farm;
    const [farm] = await this.#session.search({ base, objectClass: 'mwFarm', limit: 1 });
    if (farm) return toSettings(farm);
    throw new AdminError('not-found', `The directory has no ${base}`);
  }

  /** Sets an option, or takes it away. Its value is checked where options are known: by the CLI. */
  async set(name: string, value: string | undefined): Promise<void> {
    if (!/^[a-z][a-z0-9.-]{0,99}$/.test(name)) {
      throw new AdminError('invalid', `"${names.printable(name)}" is not the name of an option`);
    }
    if (value !== undefined && /[\0\n\r]/.test(value)) {
      throw new AdminError('invalid', 'A value is one line');
    }
    const before = (await this.all()).get(name);
    const { farm } = this.#session.names;
    if (before === value) return;
    // Added first: a reader between the two sees both and takes the later one, never none.
    if (value !== undefined) await this.#session.addValue(farm, 'mwSetting', `${name}=${value}`);
    if (before !== undefined) {
      await this.#session.removeValue(farm, 'mwSetting', `${name}=${before}`);
    }
  }
}
