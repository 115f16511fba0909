import { statSync } from 'node:fs';
import { systemClock, type Clock } from '../../base/clock.ts';
import { defaults, type OptionValues } from '../../config/options.ts';
import { silentLogger, type Logger } from '../../log/types.ts';
import { addressKey, domainKey, keyText, type AddressKey } from '../address.ts';
import { ETRN_DOMAINS_MAX, etrnNames, parseEtrn } from '../etrn.ts';
import type { Lookups, Selection } from '../lookups.ts';
import { DIRECTORY_OPTIONS } from '../options.ts';
import { ownerOf, resolveAddress, type ExpansionLimits, type LeftOut } from '../resolve.ts';
import { volumeByRule } from '../rules.ts';
import { DirectoryUnavailable } from '../types.ts';
import type {
  Account,
  AddressOwner,
  Directory,
  DomainEntry,
  ListEntry,
  NodeEntry,
  Resolution,
  ResolveContext,
  RuleEntry,
  SecondFactor,
  VolumeEntry,
} from '../types.ts';
import { PASSWORD_BYTES_MAX } from '../client/passwords.ts';
import { fileIdentity, SnapshotFile } from './file.ts';
import { SnapshotPasswords } from './passwords.ts';
import { KEYS, type About, type Places } from './records.ts';

export interface SnapshotOptions {
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly options?: Partial<OptionValues<typeof DIRECTORY_OPTIONS>>;
}

/** A directory that is a file. */
export interface SnapshotDirectory extends Directory {
  /**
   * As `resolve`, for use beside a live directory that is away: only what the snapshot itself
   * says, and nothing that follows from something not being in it (see live.ts).
   */
  resolveHeld(address: string, context?: ResolveContext): Promise<Resolution>;
  /** When the directory was read, in ms since 1970. @throws DirectoryUnavailable */
  createdAt(): Promise<number>;
  readonly withPasswords: boolean | undefined;
}

/** How often it is looked whether there is another file. */
const LOOK_MS = 1_000;
/** How long a file that was refused is left alone, unless another one comes. */
const REFUSED_MS = 10_000;

/** Answers from a snapshot file, and from the next one within a second of its being there. */
export function openSnapshot(path: string, options: SnapshotOptions = {}): SnapshotDirectory {
  return new OpenSnapshot(path, options);
}

class OpenSnapshot implements SnapshotDirectory {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #negativeMs: number;
  readonly #maxAgeMs: number;
  readonly #limits: Partial<ExpansionLimits>;
  readonly #passwords = new SnapshotPasswords();
  #file: SnapshotFile | undefined;
  #retired: SnapshotFile | undefined;
  #fault: Error | undefined;
  /** Identity of the file that was opened last, and of the one that was refused last. */
  #seen = '';
  #refused = '';
  #refusedAt = -Infinity;
  #lookedAt = -Infinity;
  #opening: Promise<void> | undefined;
  #closed = false;

  constructor(path: string, options: SnapshotOptions) {
    this.#path = path;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    const values = { ...defaults(DIRECTORY_OPTIONS), ...options.options };
    this.#negativeMs = values['directory.snapshot.negative'];
    this.#maxAgeMs = values['directory.snapshot.stale'];
    this.#limits = { destinations: values['directory.expansion.max'] };
  }

  get available(): boolean {
    this.#look();
    return this.#file !== undefined && this.#age(this.#file) < this.#maxAgeMs;
  }

  get withPasswords(): boolean | undefined {
    return this.#file?.header.withPasswords;
  }

  async createdAt(): Promise<number> {
    return (await this.#current()).header.createdAt;
  }

  async resolve(address: string, context?: ResolveContext): Promise<Resolution> {
    const file = await this.#current();
    const answer = await this.#resolve(address, context, this.#lookups(file));
    const positive = answer.kind === 'account' || answer.kind === 'expanded';
    return positive ? answer : this.#negative(file, answer);
  }

  async resolveHeld(address: string, context?: ResolveContext): Promise<Resolution> {
    const all = this.#lookups(await this.#current());
    const held: Lookups = {
      ...all,
      // Both speak of addresses that nobody holds, which an old file cannot know.
      domain: async (name) => {
        const domain = await all.domain(name);
        return domain && { ...domain, catchAll: undefined };
      },
      rules: async () => [],
    };
    const left: LeftOut[] = [];
    const answer = await this.#resolve(address, context, held, (what) => left.push(what));
    const positive = answer.kind === 'account' || answer.kind === 'expanded';
    const unknown = left.find(({ why }) => why === 'unknown');
    if (positive && !unknown) return answer;
    throw new DirectoryUnavailable(
      unknown
        ? `The snapshot does not know ${unknown.address}, which ${unknown.by} names`
        : 'The snapshot does not know the address',
    );
  }

  async ownerOf(address: string): Promise<AddressOwner | undefined> {
    const file = await this.#current();
    return (await ownerOf(address, this.#lookups(file))) ?? this.#negative(file, undefined);
  }

  async account(login: string): Promise<Account | undefined> {
    const file = await this.#current();
    const key = addressKey(login);
    const account = key && this.#holder(file, key);
    const own = account && addressKey(account.login);
    // Only logins are found by a bare name: short ones, where the map has them.
    if (account && key && (key.domain === undefined || (own && keyText(own) === keyText(key)))) {
      return account;
    }
    return this.#negative(file, undefined);
  }

  async accountById(id: string): Promise<Account | undefined> {
    const file = await this.#current();
    const account = this.#account(file, KEYS.account(id));
    return account ?? this.#negative(file, undefined);
  }

  async secondFactor({ login, hasSecondFactor }: Account): Promise<SecondFactor | undefined> {
    if (hasSecondFactor !== true) return undefined;
    // Its secret is in no file; a snapshot says only that there is one.
    throw new DirectoryUnavailable(`The second factor of ${login} is not in a snapshot`);
  }

  async verifyPassword(account: Account, password: string): Promise<'accepted' | 'refused'> {
    const file = await this.#current();
    if (password === '' || Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return 'refused';
    if (!file.header.withPasswords) {
      throw new DirectoryUnavailable('The snapshot has no passwords: export --with-passwords');
    }
    const stored = this.#find<readonly string[]>(file, KEYS.passwords(account.id)) ?? [];
    const answer = await this.#passwords.verify(stored, password, account.login);
    return answer === 'accepted' ? answer : this.#negative(file, answer);
  }

  async volumes(): Promise<readonly VolumeEntry[]> {
    const file = await this.#current();
    return this.#find<readonly VolumeEntry[]>(file, KEYS.table('volumes')) ?? [];
  }

  async assignVolume(account: Account, volume: string): Promise<string> {
    const file = await this.#current();
    const stored = this.#account(file, KEYS.account(account.id));
    if (stored?.volume !== undefined) return stored.volume;
    // The explicit path says where the mail lies; there is nothing to choose or to remember.
    if (stored?.path !== undefined && stored.path === account.path) return volume;
    const placed = this.#find<boolean>(file, KEYS.table('placed')) ?? true;
    if (!placed && (await this.volumeByRule(account)) === volume) return volume;
    throw new DirectoryUnavailable(
      `${account.login} has no volume yet, and a snapshot cannot store ${volume}: ` +
        'the first letter waits until the user is placed in the directory',
    );
  }

  async volumeByRule(account: Account): Promise<string | undefined> {
    return volumeByRule(await this.#rules(await this.#current()), account);
  }

  async storedVolume(account: Account): Promise<string | undefined> {
    const file = await this.#current();
    const stored = this.#find<Account>(file, KEYS.account(account.id));
    if (stored?.volume !== undefined) return stored.volume;
    const placed = this.#find<boolean>(file, KEYS.table('placed')) ?? true;
    if (stored?.path !== undefined) return undefined;
    if (stored && !placed) return await this.volumeByRule(account);
    // It may have been placed since.
    throw new DirectoryUnavailable(`The snapshot knows no volume of ${account.login}`);
  }

  async settings(): Promise<ReadonlyMap<string, string>> {
    const file = await this.#current();
    return new Map(this.#find<readonly [string, string][]>(file, KEYS.table('settings')) ?? []);
  }

  async node(name: string): Promise<NodeEntry | undefined> {
    const file = await this.#current();
    const node = this.#find<NodeEntry>(file, KEYS.node(name));
    return node && { ...NODE, ...node };
  }

  async nodes(): Promise<readonly NodeEntry[]> {
    const file = await this.#current();
    const nodes = this.#find<readonly NodeEntry[]>(file, KEYS.table('nodes'));
    if (nodes) return nodes.map((node) => ({ ...NODE, ...node }));
    throw new DirectoryUnavailable(
      `The snapshot ${this.#path} is of a release before nodes were in it: export it again`,
    );
  }

  async domain(name: string): Promise<DomainEntry | undefined> {
    const file = await this.#current();
    const key = domainKey(name);
    const domain = key === undefined ? undefined : await this.#lookups(file).domain(key);
    return domain ?? this.#negative(file, undefined);
  }

  async etrnDomains(argument: string): Promise<readonly DomainEntry[]> {
    const file = await this.#current();
    const named = parseEtrn(argument);
    if (!named) return [];
    const lookups = this.#lookups(file);
    const names = this.#find<readonly string[]>(file, KEYS.table('customers')) ?? [];
    const some = names.filter((name) => etrnNames(named, name)).slice(0, ETRN_DOMAINS_MAX);
    const found = await Promise.all(some.map((name) => lookups.domain(name)));
    const held = found.filter((one) => one?.transport !== undefined) as readonly DomainEntry[];
    return held.length > 0 ? held : this.#negative(file, []);
  }

  async secret(): Promise<string | undefined> {
    throw new DirectoryUnavailable(
      'A snapshot has no secrets: keys and passwords are read from a directory server only',
    );
  }

  invalidate(): void {
    this.#lookedAt = -Infinity;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening;
    this.#file?.close();
    this.#retired?.close();
    this.#file = undefined;
  }

  async #resolve(
    address: string,
    context: ResolveContext | undefined,
    lookups: Lookups,
    onLeftOut?: (what: LeftOut) => void,
  ): Promise<Resolution> {
    return await resolveAddress(address, lookups, {
      ...(context && { context }),
      limits: this.#limits,
      ...(onLeftOut && { onLeftOut }),
    });
  }

  #lookups(file: SnapshotFile): Lookups {
    return {
      holder: async (key) => this.#holder(file, key),
      list: async (key) => complete(this.#find<ListEntry>(file, KEYS.list(keyText(key))), LIST),
      domain: async (name) => complete(this.#find<DomainEntry>(file, KEYS.domain(name)), DOMAIN),
      select: async (selection, limit) => this.#select(file, selection, limit),
      rules: async () => this.#rules(file),
      postmaster: async () => {
        const id = this.#find<string>(file, KEYS.table('postmaster'));
        return id === undefined ? undefined : this.#account(file, KEYS.account(id));
      },
    };
  }

  #holder(file: SnapshotFile, key: AddressKey): Account | undefined {
    return this.#account(file, KEYS.holder(keyText(key)));
  }

  #account(file: SnapshotFile, key: string): Account | undefined {
    return completeAccount(this.#find<Account>(file, key));
  }

  #select(file: SnapshotFile, selection: Selection, limit: number): readonly Account[] {
    const key = selectionKey(selection);
    const places = this.#find<Places>(file, key);
    if (!places) return [];
    if (places.count > limit) {
      throw new DirectoryUnavailable(`${places.count} users are more than ${limit} (MF-DIR-020)`);
    }
    const read = (at: number): unknown => this.#guarded(() => file.record(at)).value;
    return (read(places.at) as readonly number[]).map(
      (at) => completeAccount(read(at) as Account) as Account,
    );
  }

  async #rules(file: SnapshotFile): Promise<readonly RuleEntry[]> {
    return this.#find<readonly RuleEntry[]>(file, KEYS.table('rules')) ?? [];
  }

  #find<T>(file: SnapshotFile, key: string): T | undefined {
    const record = this.#guarded(() => file.find(key));
    if (record?.fault !== undefined) throw new DirectoryUnavailable(record.fault);
    return record?.value as T | undefined;
  }

  /** Whatever is wrong with the file is the directory being away, never an answer. */
  #guarded<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw new DirectoryUnavailable(`${(error as Error).message} (MF-DIR-014)`, { cause: error });
    }
  }

  /** @throws DirectoryUnavailable when the file is too old for its silence to mean anything */
  #negative<T>(file: SnapshotFile, answer: T): T {
    if (this.#age(file) < this.#negativeMs) return answer;
    throw new DirectoryUnavailable(
      `The snapshot ${this.#dated(file)}: what is not in it may exist by now`,
    );
  }

  /** One from the future is as old as it is young: its clock or ours was wrong. */
  #age(file: SnapshotFile): number {
    return Math.abs(this.#clock.now() - file.header.createdAt);
  }

  #dated(file: SnapshotFile): string {
    const age = hours(this.#age(file));
    const future = file.header.createdAt > this.#clock.now();
    return future ? `is dated ${age} ahead of this machine's clock` : `is ${age} old`;
  }

  async #current(): Promise<SnapshotFile> {
    this.#look();
    if (!this.#file) await this.#opening;
    const file = this.#file;
    if (!file || this.#closed) {
      const why = this.#closed ? 'The snapshot is closed' : (this.#fault?.message ?? 'No snapshot');
      throw new DirectoryUnavailable(`${why} (MF-DIR-014)`, { cause: this.#fault });
    }
    if (this.#age(file) < this.#maxAgeMs) return file;
    throw new DirectoryUnavailable(`The snapshot ${this.#path} ${this.#dated(file)} (MF-DIR-015)`);
  }

  /** Starts to open what is there now, if it is another file than before. */
  #look(): void {
    const now = this.#clock.now();
    if (this.#closed || this.#opening || Math.abs(now - this.#lookedAt) < LOOK_MS) return;
    this.#lookedAt = now;
    const stats = statSync(this.#path, { throwIfNoEntry: false });
    const identity = stats ? fileIdentity(stats) : 'none';
    if (identity === this.#seen) return;
    if (identity === this.#refused && now - this.#refusedAt < REFUSED_MS) return;
    this.#opening = this.#open(identity).finally(() => (this.#opening = undefined));
  }

  async #open(identity: string): Promise<void> {
    try {
      const file = await SnapshotFile.open(this.#path);
      this.#seen = file.identity;
      // Questions under way may still read the one before.
      this.#retired?.close();
      this.#retired = this.#file;
      this.#file = file;
      this.#fault = undefined;
      this.#logger.info(
        { snapshot: this.#path, ageS: Math.round(this.#age(file) / 1000) },
        'snapshot of the directory is in use',
      );
    } catch (err) {
      this.#fault = err as Error;
      this.#refusedAt = this.#clock.now();
      if (identity === this.#refused) return;
      this.#refused = identity;
      const kept = this.#file === undefined ? 'there is none' : 'the one before stays in use';
      this.#logger.warn({ snapshot: this.#path, err }, `MF-DIR-014 snapshot refused, ${kept}`);
    }
  }
}

const hours = (ms: number): string => `${(ms / 3_600_000).toFixed(1)} h`;

function selectionKey(selection: Selection): string {
  if (selection.kind === 'domain') return KEYS.ofDomain(selection.domain);
  if (selection.kind === 'site') return KEYS.ofSite(selection.site, selection.domain);
  return KEYS.ofList(selection.list.address);
}

/** JSON has no undefined: what is not there is put back, so that answers equal those of LDAP. */
const VACATION = { subject: undefined, from: undefined, until: undefined };
const ACCOUNT = { volume: undefined, path: undefined, site: undefined, vacation: undefined };
const NODE = { addresses: [], beatAt: undefined, version: undefined };
const LIST = { filter: undefined, owner: undefined };
const DOMAIN = {
  aliasOf: undefined,
  catchAll: undefined,
  site: undefined,
  transport: undefined,
  etrnFrom: [],
  dkim: [],
};
function complete<T extends object>(value: T | undefined, absent: Partial<T>): T | undefined {
  return value && { ...absent, ...value };
}

function completeAccount(value: Account | undefined): Account | undefined {
  const account = complete(value, ACCOUNT);
  const { vacation } = account ?? {};
  return account && vacation ? { ...account, vacation: { ...VACATION, ...vacation } } : account;
}

/** What a file says about itself. @throws SnapshotError */
export async function inspectSnapshot(path: string): Promise<{
  readonly createdAt: number;
  readonly withPasswords: boolean;
  readonly bytes: number;
  readonly about: About;
}> {
  const file = await SnapshotFile.open(path);
  try {
    const about = file.find(KEYS.table('about'))?.value as About;
    const { createdAt, withPasswords, fileBytes } = file.header;
    return { createdAt, withPasswords, bytes: fileBytes, about };
  } finally {
    file.close();
  }
}

/**
 * Why a node does not take this snapshot, or undefined: hashes are for nodes that serve logins and
 * have no directory server to ask. A file that cannot be read is told by whoever opens it.
 */
export async function snapshotFault(
  path: string,
  node: { readonly logins: boolean; readonly servers: boolean },
): Promise<string | undefined> {
  if (node.logins && !node.servers) return undefined;
  const { withPasswords } = await inspectSnapshot(path);
  if (!withPasswords) return undefined;
  const why = node.logins
    ? 'this node verifies passwords with the servers of directory.urls'
    : 'this node serves no logins';
  return (
    `${path} has password hashes, and ${why}: ` +
    'give it a snapshot that was exported without --with-passwords (MF-DIR-016)'
  );
}
