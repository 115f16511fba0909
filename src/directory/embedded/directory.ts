import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../log/types.ts';
import { dnKey, parseDn } from '../dn.ts';
import { comparable, layout, type Layout } from '../schema.ts';
import { Access, type Identity } from './access.ts';
import type { Controls } from './controls.ts';
import { ChangeNumbers, csnOfTimestamp } from './csn.ts';
import { ATTRIBUTE_ENTRY, type Entry } from './entry.ts';
import { matches, type Filter, type Visible } from './filter.ts';
import { isHashed, PasswordVerifier, TooManyChecks, type HashScheme } from './password.ts';
import type { Dn, Operation } from './request.ts';
import { LdapFailure } from './result.ts';
import { Store, StoreFailure, type StoredChange } from './store.ts';
import { markAbove, marksOf } from './together.ts';
import { inScope, Tree } from './tree.ts';
import { upgradeOperations } from './upgrade.ts';
import { entryOf, find, hashValues, planAdd, planDelete, planModify } from './write.ts';
import { planRename, renamedEntry, type WriteContext } from './write.ts';

type Of<K extends Operation['kind']> = Extract<Operation, { kind: K }>;
type Write = Of<'add' | 'modify' | 'delete' | 'rename'>;

export interface EmbeddedDirectoryOptions {
  /** Where the data lies; made when missing. */
  readonly data: string;
  readonly suffix: string;
  /** How a password given in the clear is stored; asked with each. */
  readonly scheme: () => HashScheme;
  readonly journalBytesMax: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** An entry that was found, and what of it may be shown. */
export interface Found {
  readonly entry: Entry;
  readonly visible: Visible;
}

/** A change on its way to the disk. */
interface Waiting {
  readonly operation: Write;
  readonly who: () => Identity;
  readonly controls: Controls;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const TOGETHER_MAX = 256;

const isApart = (operation: Write, taken: ReadonlySet<string>): boolean =>
  operation.kind === 'add' &&
  !taken.has(markAbove(operation)) &&
  !marksOf(operation).some((mark) => taken.has(mark));

/** What the embedded server serves: tree, rights, rules and disk, without the wire. */
export class EmbeddedDirectory {
  readonly layout: Layout;
  readonly #tree = new Tree();
  readonly #access: Access;
  readonly #options: EmbeddedDirectoryOptions;
  readonly #verifier: PasswordVerifier;
  readonly #numbers: ChangeNumbers;
  /** contextCSN: the newest change that is on disk. Numbers of failed changes are never shown. */
  #state = '';
  readonly #suffixKey: string;
  readonly #farmKey: string;
  #store: Store | undefined;
  readonly #waiting: Waiting[] = [];
  /** Changes go one after the other; look-ups go on meanwhile and see the last one on disk. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: EmbeddedDirectoryOptions) {
    this.#options = options;
    this.layout = layout(options.suffix);
    this.#access = new Access(this.#tree, this.layout);
    this.#verifier = new PasswordVerifier(options.scheme());
    this.#numbers = new ChangeNumbers(options.clock);
    this.#suffixKey = dnKey(parseDn(this.layout.suffix));
    this.#farmKey = dnKey(parseDn(this.layout.farm));
  }

  /** Reads the data, and gives data of an earlier release what it lacks. @throws StoreFailure */
  static async open(options: EmbeddedDirectoryOptions): Promise<EmbeddedDirectory> {
    const directory = new EmbeddedDirectory(options);
    const { data, journalBytesMax, logger } = options;
    const store = { directory: data, journalBytesMax, logger };
    directory.#store = await Store.open(
      store,
      (change) => directory.#load(change),
      (csn) => directory.#numbers.saw(csn),
    );
    directory.#state = directory.#numbers.last;
    await directory.#upgrade();
    return directory;
  }

  get size(): number {
    return this.#tree.size;
  }

  /**
   * Verifies a bind. @returns the key of the entry that is bound from now on
   * @throws LdapFailure: an unknown name and a wrong password are one answer, after the same work.
   */
  async bind(operation: Of<'bind'>): Promise<string | undefined> {
    const { dn, password } = operation;
    if (dn.rdns.length === 0 && password.length === 0) return undefined;
    if (password.length === 0) {
      // RFC 4513 §5.1.2: a name without a password would succeed and prove nothing.
      throw new LdapFailure('unwillingToPerform', 'A bind with a name needs a password');
    }
    const key = dnKey(dn.rdns);
    if (await this.verifies(key, password)) return key;
    throw new LdapFailure('invalidCredentials', 'Name or password is wrong');
  }

  /** Whether this is the password of the entry; takes as long where there is no entry. */
  async verifies(key: string, password: Buffer): Promise<boolean> {
    const entry = this.#tree.get(key);
    const stored = entry && this.#access.mayBind(entry) ? entry.get('userpassword') : [];
    try {
      return (await this.#verifier.verify(stored, password)) && stored.length > 0;
    } catch (error) {
      if (error instanceof TooManyChecks) throw new LdapFailure('busy', 'Too many binds at once');
      throw error;
    }
  }

  /** The identity behind a bound key, as of now. */
  who(bound: string | undefined): Identity {
    return this.#access.who(bound);
  }

  /** mwSetting values of cn=farm; the same array until one is changed. */
  get settings(): readonly string[] {
    return this.#tree.get(this.#farmKey)?.get('mwsetting') ?? NONE;
  }

  /**
   * Entries that match and may be seen. `asking.who` may be renewed while they are walked.
   * @throws LdapFailure
   */
  search(operation: Of<'search'>, asking: { who: Identity }, assertion?: Filter): Generator<Found> {
    const base = this.#visible(operation.base, asking.who);
    if (assertion) this.#assert(assertion, base, asking.who);
    return this.#matching(operation, base, asking);
  }

  *#matching(
    operation: Of<'search'>,
    base: Entry,
    asking: { readonly who: Identity },
  ): Generator<Found> {
    const { filter, scope } = operation;
    for (const candidate of this.#tree.candidates(filter, base, scope)) {
      if (!inScope(candidate, base, scope)) continue;
      const entry = this.#shown(candidate);
      const visible = this.#access.reader(asking.who, entry);
      if (visible(ATTRIBUTE_ENTRY) && matches(filter, entry, visible)) yield { entry, visible };
    }
  }

  /** @throws LdapFailure */
  compare(operation: Of<'compare'>, who: Identity, assertion?: Filter): boolean {
    const entry = this.#visible(operation.dn, who);
    if (assertion) this.#assert(assertion, entry, who);
    const name = operation.name.toLowerCase();
    if (!this.#access.reader(who, entry)(name))
      throw new LdapFailure('insufficientAccessRights', 'Not for this identity');
    const values = entry.get(name);
    if (values.length === 0) throw new LdapFailure('noSuchAttribute', 'The entry does not have it');
    const wanted = comparable(name, operation.value);
    return values.some((value) => comparable(name, value) === wanted);
  }

  /** The entry as it is shown: the suffix carries the state of the tree. */
  #shown(entry: Entry): Entry {
    if (entry.key !== this.#suffixKey || this.#state === '') return entry;
    return entry.with({ ...entry.attributes, contextcsn: [this.#state] });
  }

  /**
   * The entry of a DN. Whether one that may not be read exists is not told.
   * @throws LdapFailure noSuchObject with the nearest entry above that may be read
   */
  #visible(dn: Dn, who: Identity): Entry {
    for (let depth = 0; depth < dn.rdns.length; depth += 1) {
      const stored = this.#tree.get(dnKey(dn.rdns.slice(depth)));
      if (!stored || !this.#access.reader(who, stored)(ATTRIBUTE_ENTRY)) continue;
      if (depth === 0) return this.#shown(stored);
      throw new LdapFailure('noSuchObject', 'No such entry', stored.dn);
    }
    const hint = who.key === undefined ? ': bind first' : '';
    throw new LdapFailure('noSuchObject', `No entry that this identity may read${hint}`);
  }

  /** RFC 4528 §3: the operation happens where the assertion is true, not where it is undefined. */
  #assert(assertion: Filter, entry: Entry, who: Identity): void {
    const shown = this.#shown(entry);
    if (matches(assertion, shown, this.#access.reader(who, shown))) return;
    throw new LdapFailure('assertionFailed', 'The entry is not as the assertion says');
  }

  /**
   * Makes a change. Resolves when it is on disk and visible.
   * @throws LdapFailure
   */
  async write(operation: Write, who: () => Identity, controls: Controls = {}): Promise<void> {
    const subject = this.#authorise(operation, who());
    if (operation.kind === 'modify') {
      this.#access.mayGivePassword(who(), subject, operation.changes);
    } else if (operation.kind === 'add') {
      this.#access.mayGivePasswords(who(), operation.attributes);
    }
    const ready = await this.#hashed(operation);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ operation: ready, who, controls, resolve, reject });
    this.#exclusively(() => this.#writeNext()).catch(reject);
    await promise;
  }

  /**
   * Makes the first change that waits, and in the same write to the disk the adds behind it that
   * nothing connects with it: a sync costs as much for one as for a hundred.
   */
  async #writeNext(): Promise<void> {
    const together: Waiting[] = [];
    const changes: StoredChange[] = [];
    const taken = new Set<string>();
    while (together.length < TOGETHER_MAX) {
      const [next] = this.#waiting;
      if (!next || (together.length > 0 && !isApart(next.operation, taken))) break;
      this.#waiting.shift();
      try {
        changes.push(...this.#planWaiting(next));
      } catch (error) {
        next.reject(error);
        continue;
      }
      together.push(next);
      if (next.operation.kind !== 'add') break;
      for (const mark of marksOf(next.operation)) taken.add(mark);
    }
    if (together.length === 0) return;
    try {
      await this.#commit(changes);
      for (const { resolve } of together) resolve();
    } catch (error) {
      for (const { reject } of together) reject(error);
    }
  }

  /** Rights and state are looked at again: something may have changed while it waited. */
  #planWaiting({ operation, who, controls }: Waiting): readonly StoredChange[] {
    const entry = this.#authorise(operation, who());
    if (controls.assertion) this.#assert(controls.assertion, entry, who());
    return this.#plan(operation);
  }

  /**
   * Gives an entry a password in the clear, which is stored hashed (RFC 3062).
   * @throws LdapFailure
   */
  async setPassword(dn: Dn, password: string, who: () => Identity): Promise<void> {
    if (password === '' || isHashed(password)) {
      throw new LdapFailure('constraintViolation', 'A password is neither empty nor {SCHEME}…');
    }
    const change = { operation: 'replace', name: 'userPassword', values: [password] } as const;
    await this.write({ kind: 'modify', dn, changes: [change] }, who);
  }

  /**
   * Fills an empty directory, in one batch: after a crash it is empty still, or whole.
   * @throws LdapFailure
   */
  async seed(operations: readonly Of<'add'>[]): Promise<void> {
    const ready = await Promise.all(operations.map((operation) => this.#hashed(operation)));
    await this.#atOnce(ready);
  }

  async #upgrade(): Promise<void> {
    const operations = upgradeOperations(this.#tree, this.layout);
    if (operations.length === 0) return;
    try {
      await this.#atOnce(operations);
    } catch (error) {
      if (!(error instanceof LdapFailure)) throw error;
      throw new StoreFailure(
        `The data cannot be brought to this release: ${error.message} (MF-DIR-011)`,
        { cause: error },
      );
    }
    const dns = operations.map(({ dn }) => dn.text);
    this.#options.logger.info({ entries: dns }, 'directory data was brought to this release');
  }

  /** Several operations as one batch, before anybody is served. */
  async #atOnce(operations: readonly Write[]): Promise<void> {
    const changes: StoredChange[] = [];
    for (const operation of operations) {
      const planned = this.#plan(operation);
      for (const change of planned) this.#apply(change);
      changes.push(...planned);
    }
    await this.#store?.append(changes, this.#numbers.last);
    this.#state = this.#numbers.last;
  }

  async close(): Promise<void> {
    await this.#exclusively(async () => await this.#store?.close());
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return await turn;
  }

  /** @returns the entry that the operation is about @throws LdapFailure */
  #authorise(operation: Write, who: Identity): Entry {
    this.#access.requireSomebody(who);
    if (operation.kind === 'add') {
      const added = entryOf(operation);
      this.#access.mayAdd(who, added);
      return added;
    }
    const entry = find(this.#tree, operation.dn);
    if (operation.kind === 'modify') this.#access.mayModify(who, entry, operation.changes);
    else if (operation.kind === 'delete') this.#access.mayDelete(who, entry);
    else this.#access.mayRename(who, entry, renamedEntry(operation, entry));
    return entry;
  }

  async #hashed<T extends Write>(operation: T): Promise<T> {
    const scheme = this.#options.scheme();
    if (operation.kind === 'add') {
      return { ...operation, attributes: await hashValues(operation.attributes, scheme) };
    }
    if (operation.kind === 'modify') {
      return { ...operation, changes: await hashValues(operation.changes, scheme) };
    }
    return operation;
  }

  #plan(operation: Write): readonly StoredChange[] {
    const context: WriteContext = {
      tree: this.#tree,
      layout: this.layout,
      clock: this.#options.clock,
      numbers: this.#numbers,
    };
    switch (operation.kind) {
      case 'add':
        return planAdd(operation, context);
      case 'modify':
        return planModify(operation, context);
      case 'delete':
        return planDelete(operation, context);
      case 'rename':
        return planRename(operation, context);
    }
  }

  async #commit(changes: readonly StoredChange[]): Promise<void> {
    if (!this.#store) throw new LdapFailure('unavailable', 'The directory is not open');
    try {
      await this.#store.append(changes, this.#numbers.last);
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error;
      throw new LdapFailure('unavailable', error.message);
    }
    for (const change of changes) this.#apply(change);
    this.#state = this.#numbers.last;
    if (this.#store.foldIsDue) await this.#fold(this.#store);
  }

  /** A fold that fails costs nothing but disk: the journal goes on. */
  async #fold(store: Store): Promise<void> {
    try {
      await store.fold(this.#toKeep());
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'cannot fold the directory journal; it goes on');
    }
  }

  *#toKeep(): Generator<Entry> {
    for (const entry of this.#tree.topDown()) yield this.#shown(entry);
  }

  /** What is on disk. Entries of before there were numbers get one that is the same each time. */
  #load(change: StoredChange): void {
    if (change.kind === 'delete') return this.#apply(change);
    const { contextcsn, ...attributes } = change.entry.attributes;
    for (const csn of contextcsn ?? []) this.#numbers.saw(csn);
    const entrycsn = attributes['entrycsn'] ?? [csnOfTimestamp(attributes['modifytimestamp']?.[0])];
    for (const csn of entrycsn) this.#numbers.saw(csn);
    this.#apply({ kind: 'put', entry: change.entry.with({ ...attributes, entrycsn }) });
  }

  #apply(change: StoredChange): void {
    if (change.kind === 'put') this.#tree.put(change.entry);
    else this.#tree.delete(change.entry.key);
  }
}

const NONE: readonly string[] = [];
