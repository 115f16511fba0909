import { AndFilter, Attribute, Change, EqualityFilter, type Entry, type Filter } from 'ldapts';
import { LdapConnection, resultCode, CredentialsRefused } from '../client/connection.ts';
import { serverAccess, type LdapDirectoryOptions } from '../client/directory.ts';
import { layout, type Layout } from '../schema.ts';

/** What can go wrong for an administrator; the text says what, without a full stop. */
export const ADMIN_ERROR_KINDS = [
  'exists',
  'not-found',
  'invalid',
  'denied',
  'unavailable',
] as const;
export type AdminErrorKind = (typeof ADMIN_ERROR_KINDS)[number];

export class AdminError extends Error {
  readonly kind: AdminErrorKind;
  constructor(kind: AdminErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AdminError';
    this.kind = kind;
  }
}

/** Values to write: undefined leaves an attribute as it is, an empty list takes it away. */
export type NewValues = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** A list of all users takes longer than any question of a front end may. */
const LIST_DEADLINE_MS = 120_000;

/** RFC 4511 §4.1.9 results and what they mean to an administrator. */
const KIND_OF: ReadonlyMap<number, AdminErrorKind> = new Map([
  [16, 'not-found'],
  [19, 'invalid'],
  [20, 'exists'],
  [21, 'invalid'],
  [32, 'not-found'],
  [34, 'invalid'],
  [49, 'denied'],
  [50, 'denied'],
  [53, 'denied'],
  [64, 'invalid'],
  [65, 'invalid'],
  [66, 'invalid'],
  [68, 'exists'],
]);

/** A connection with an administrator's rights. Every failure is an AdminError. */
export class AdminSession {
  readonly names: Layout;
  readonly #connection: LdapConnection;

  private constructor(names: Layout, connection: LdapConnection) {
    this.names = names;
    this.#connection = connection;
  }

  /** Connects to the first server that answers. @throws AdminError */
  static async open(options: LdapDirectoryOptions): Promise<AdminSession> {
    let last: unknown;
    for (const server of serverAccess(options)) {
      try {
        const access = { ...server, operationDeadlineMs: LIST_DEADLINE_MS };
        return new AdminSession(layout(options.suffix), await LdapConnection.open(access));
      } catch (error) {
        last = error;
        if (error instanceof CredentialsRefused) break;
      }
    }
    const denied = last instanceof CredentialsRefused;
    throw new AdminError(
      denied ? 'denied' : 'unavailable',
      denied
        ? `The directory refuses ${options.bindDn}`
        : 'No directory server answers (MF-DIR-001)',
      { cause: last },
    );
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** Entries of a class below a base; all attributes but passwords, with the operational ones. */
  async search(where: {
    readonly base: string;
    readonly objectClass: string;
    readonly filter?: Filter | undefined;
    readonly limit?: number;
    readonly attributes?: readonly string[];
  }): Promise<readonly Entry[]> {
    const ofClass = new EqualityFilter({ attribute: 'objectClass', value: where.objectClass });
    const filters = where.filter ? [ofClass, where.filter] : [ofClass];
    return await this.#do(() =>
      this.#connection.search(where.base, {
        scope: 'sub',
        filter: new AndFilter({ filters }),
        attributes: where.attributes ?? ['*', 'entryUUID', 'createTimestamp'],
        sizeLimit: where.limit ?? 0,
      }),
    );
  }

  async add(dn: string, values: NewValues): Promise<void> {
    const written = Object.entries(values)
      .map(([name, value]) => [name, list(value)] as const)
      .filter(([, all]) => all.length > 0);
    await this.#do(() => this.#connection.add(dn, Object.fromEntries(written)));
  }

  /** Replaces the values of the attributes that are given. */
  async replace(dn: string, values: NewValues): Promise<void> {
    const changes = Object.entries(values)
      .filter(([, value]) => value !== undefined)
      .map(([type, value]) => change('replace', type, list(value)));
    if (changes.length > 0) await this.#do(() => this.#connection.modify(dn, changes));
  }

  async addValue(dn: string, type: string, value: string): Promise<void> {
    await this.#do(() => this.#connection.modify(dn, [change('add', type, [value])]));
  }

  async removeValue(dn: string, type: string, value: string): Promise<void> {
    await this.#do(() => this.#connection.modify(dn, [change('delete', type, [value])]));
  }

  async rename(dn: string, rdn: string): Promise<void> {
    await this.#do(() => this.#connection.rename(dn, rdn));
  }

  async remove(dn: string): Promise<void> {
    await this.#do(() => this.#connection.remove(dn));
  }

  async #do<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      const kind = KIND_OF.get(resultCode(error) ?? -1);
      const text = error instanceof Error ? plainText(error.message) : String(error);
      if (kind) throw new AdminError(kind, text, { cause: error });
      throw new AdminError('unavailable', `The directory does not answer: ${text}`, {
        cause: error,
      });
    }
  }
}

const list = (value: NewValues[string]): string[] =>
  value === undefined ? [] : typeof value === 'object' ? [...value] : [String(value)];

const change = (operation: 'add' | 'delete' | 'replace', type: string, values: string[]): Change =>
  new Change({ operation, modification: new Attribute({ type, values }) });

/** ldapts appends the code to the server's text; people do not need it. */
const plainText = (text: string): string => text.replace(/\s*Code: 0x[0-9a-f]+$/i, '').trim();
