import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../log/types.ts';
import { dnKey } from '../dn.ts';
import { comparable, layout, type Layout } from '../schema.ts';
import {
  accessKeys,
  hiddenFrom,
  identify,
  mayGivePassword,
  mayModify,
  mayRestructure,
} from './access.ts';
import type { AccessKeys, Identity } from './access.ts';
import type { Entry } from './entry.ts';
import { matches } from './filter.ts';
import { PasswordVerifier, TooManyChecks, type HashScheme } from './password.ts';
import type { Operation } from './request.ts';
import { LdapFailure } from './result.ts';
import { Store, StoreFailure, type StoredChange } from './store.ts';
import { inScope, Tree } from './tree.ts';
import { find, hashValues, planAdd, planDelete, planModify, planRename } from './write.ts';

type Of<K extends Operation['kind']> = Extract<Operation, { kind: K }>;
type Write = Of<'add' | 'modify' | 'delete' | 'rename'>;

export interface EmbeddedDirectoryOptions {
  /** Where the data lies; made when missing. */
  readonly data: string;
  readonly suffix: string;
  readonly scheme: HashScheme;
  readonly journalBytesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the embedded server serves: tree, rights, rules and disk, without the wire. */
export class EmbeddedDirectory {
  readonly layout: Layout;
  readonly #tree = new Tree();
  readonly #keys: AccessKeys;
  readonly #options: EmbeddedDirectoryOptions;
  readonly #verifier: PasswordVerifier;
  #store: Store | undefined;
  /** Changes go one after the other; look-ups go on meanwhile and see the last one on disk. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: EmbeddedDirectoryOptions) {
    this.#options = options;
    this.layout = layout(options.suffix);
    this.#keys = accessKeys(this.layout);
    this.#verifier = new PasswordVerifier(options.scheme);
  }

  /** @throws StoreFailure */
  static async open(options: EmbeddedDirectoryOptions): Promise<EmbeddedDirectory> {
    const directory = new EmbeddedDirectory(options);
    const { data, journalBytesMax, logger } = options;
    const store = { directory: data, journalBytesMax, logger };
    directory.#store = await Store.open(store, (change) => directory.#apply(change));
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
    const entry = this.#tree.get(dnKey(dn.rdns));
    try {
      const stored = entry?.get('userpassword') ?? [];
      if (entry && (await this.#verifier.verify(stored, password))) return entry.key;
      if (!entry) await this.#verifier.verify([], password);
    } catch (error) {
      if (error instanceof TooManyChecks) throw new LdapFailure('busy', 'Too many binds at once');
      throw error;
    }
    throw new LdapFailure('invalidCredentials', 'Name or password is wrong');
  }

  /** The identity behind a bound key, as of now. */
  who(bound: string | undefined): Identity {
    return identify(this.#tree, this.#keys, bound);
  }

  /** Entries that match, and what of them must not be shown. @throws LdapFailure */
  search(
    operation: Of<'search'>,
    who: Identity,
  ): { readonly entries: Iterable<Entry>; readonly hidden: ReadonlySet<string> } {
    const hidden = hiddenFrom(who);
    const base = find(this.#tree, operation.base);
    return { entries: this.#matching(operation, base, hidden), hidden };
  }

  *#matching(operation: Of<'search'>, base: Entry, hidden: ReadonlySet<string>): Generator<Entry> {
    const { filter, scope } = operation;
    for (const entry of this.#tree.candidates(filter, base, scope)) {
      if (inScope(entry, base, scope) && matches(filter, entry, hidden)) yield entry;
    }
  }

  /** @throws LdapFailure */
  compare(operation: Of<'compare'>, who: Identity): boolean {
    const hidden = hiddenFrom(who);
    const name = operation.name.toLowerCase();
    if (hidden.has(name))
      throw new LdapFailure('insufficientAccessRights', 'Not for this identity');
    const entry = find(this.#tree, operation.dn);
    const values = entry.get(name);
    if (values.length === 0) throw new LdapFailure('noSuchAttribute', 'The entry does not have it');
    const wanted = comparable(name, operation.value);
    return values.some((value) => comparable(name, value) === wanted);
  }

  /**
   * Makes a change. Resolves when it is on disk and visible.
   * @throws LdapFailure
   */
  async write(operation: Write, who: () => Identity): Promise<void> {
    this.#authorise(operation, who());
    if (operation.kind === 'modify') mayGivePassword(who(), operation.changes);
    const ready = await this.#hashed(operation);
    await this.#exclusively(async () => {
      // Rights and state are looked at again: something may have changed while we waited.
      this.#authorise(ready, who());
      await this.#commit(this.#plan(ready));
    });
  }

  /**
   * Fills an empty directory, in one batch: after a crash it is empty still, or whole.
   * @throws LdapFailure
   */
  async seed(operations: readonly Of<'add'>[]): Promise<void> {
    const ready = await Promise.all(operations.map((operation) => this.#hashed(operation)));
    const changes: StoredChange[] = [];
    for (const operation of ready) {
      const planned = this.#plan(operation);
      for (const change of planned) this.#apply(change);
      changes.push(...planned);
    }
    await this.#store?.append(changes);
  }

  async close(): Promise<void> {
    await this.#exclusively(async () => await this.#store?.close());
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return await turn;
  }

  #authorise(operation: Write, who: Identity): void {
    if (operation.kind !== 'modify') return mayRestructure(who);
    if (who.kind === 'anonymous') mayRestructure(who);
    mayModify(who, find(this.#tree, operation.dn), operation.changes);
  }

  async #hashed<T extends Write>(operation: T): Promise<T> {
    const { scheme } = this.#options;
    if (operation.kind === 'add') {
      return { ...operation, attributes: await hashValues(operation.attributes, scheme) };
    }
    if (operation.kind === 'modify') {
      return { ...operation, changes: await hashValues(operation.changes, scheme) };
    }
    return operation;
  }

  #plan(operation: Write): readonly StoredChange[] {
    const context = { tree: this.#tree, layout: this.layout, clock: this.#options.clock };
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
      await this.#store.append(changes);
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error;
      throw new LdapFailure('unavailable', error.message);
    }
    for (const change of changes) this.#apply(change);
    if (this.#store.foldIsDue) await this.#fold(this.#store);
  }

  /** A fold that fails costs nothing but disk: the journal goes on. */
  async #fold(store: Store): Promise<void> {
    try {
      await store.fold(this.#tree.topDown());
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'cannot fold the directory journal; it goes on');
    }
  }

  #apply(change: StoredChange): void {
    if (change.kind === 'put') this.#tree.put(change.entry);
    else this.#tree.delete(change.entry.key);
  }
}
