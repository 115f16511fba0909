/**
 * Secrets are read as the node itself: nodes search with the identity that all front ends share,
 * which may read none but those of forwards (`srs`). Nothing is connected before the first secret
 * is asked for, so that an MX that never sends keeps no such connection; a node that has no key yet
 * asks as it does otherwise, and hears that there is none.
 */
import type { Layout } from '../schema.ts';
import { secretEntryName } from '../secret-name.ts';
import type { SecretKind } from '../types.ts';
import { valuesOf } from './entries.ts';
import { all, equal } from './filters.ts';
import type { Ask } from './replicas.ts';

/** Who a node is in the directory: the DN of its entry and the key that it gave it. */
export interface OwnIdentity {
  readonly dn: string;
  readonly password: string;
}

/** Servers, asked with one identity. */
export interface Asking {
  ask<T>(ask: Ask<T>): Promise<T>;
  close(): Promise<void>;
}

export interface SecretEntriesOptions {
  readonly layout: Layout;
  /** As front ends ask. */
  readonly ask: <T>(ask: Ask<T>) => Promise<T>;
  /** Read each time: a node may be given a new key while it runs. Undefined: it has none. */
  readonly identity: () => Promise<OwnIdentity | undefined>;
  readonly open: (identity: OwnIdentity) => Asking;
}

/** Two already are one too many. */
const NAMED_MAX = 2;

export class SecretEntries {
  readonly #options: SecretEntriesOptions;
  #own: { readonly as: OwnIdentity; readonly asking: Asking } | undefined;

  constructor(options: SecretEntriesOptions) {
    this.#options = options;
  }

  /**
   * Who may not read it is told that there is none.
   * @throws DirectoryUnavailable
   */
  async get(kind: SecretKind, name: string): Promise<string | undefined> {
    const { layout } = this.#options;
    const cn = secretEntryName(kind, name);
    if (cn === undefined) return undefined;
    return await this.#ask(async (connection, whole) => {
      const entries = await connection.search(layout.secrets, {
        scope: 'one',
        filter: all(equal('objectClass', 'mwSecret'), equal('cn', cn)),
        attributes: ['mwSecretValue'],
        sizeLimit: NAMED_MAX,
      });
      const [entry] = entries;
      const value = entry && valuesOf(entry, 'mwSecretValue')[0];
      if (value === undefined) await whole();
      return value;
    });
  }

  async close(): Promise<void> {
    await this.#own?.asking.close();
  }

  async #ask<T>(ask: Ask<T>): Promise<T> {
    const { identity, open } = this.#options;
    const as = await identity();
    if (!as) return await this.#options.ask(ask);
    const before = this.#own;
    if (before?.as.dn !== as.dn || before.as.password !== as.password) {
      this.#own = { as, asking: open(as) };
      await before?.asking.close();
    }
    return await (this.#own?.asking.ask(ask) ?? this.#options.ask(ask));
  }
}
