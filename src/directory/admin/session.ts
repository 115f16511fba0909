import {
  AndFilter,
  Attribute,
  Change,
  EqualityFilter,
  PresenceFilter,
  ResultCodeError,
  type Entry,
  type Filter,
} from 'ldapts';
import { addressKey, addressSpellings } from '../address.ts';
import { CredentialsRefused, LdapConnection, resultCode } from '../client/connection.ts';
import { serverAccess, type LdapDirectoryOptions } from '../client/directory.ts';
import { dnKey, nameDn, parseDn } from '../dn.ts';
import { layout, type Layout } from '../schema.ts';
import { Assertion } from './assertion.ts';
import { AdminError, type AdminErrorKind } from './error.ts';
import { printable } from './names.ts';

/** Values to write: undefined leaves an attribute as it is, an empty list takes it away. */
export type NewValues = Readonly<Record<string, string | number | readonly string[] | undefined>>;

export interface Where {
  readonly base: string;
  readonly objectClass?: string;
  readonly scope?: 'base' | 'sub';
  readonly filter?: Filter | undefined;
  readonly limit?: number;
  readonly attributes?: readonly string[];
}

/** A list of all users takes longer than any question of a front end may. */
const LIST_DEADLINE_MS = 120_000;
const PAGE_SIZE = 1_000;

/** All that people gave an entry, and what tells its states apart. */
export const RECORD_ATTRIBUTES: readonly string[] = [
  '*',
  'entryUUID',
  'entryCSN',
  'createTimestamp',
  'modifyTimestamp',
];

/** RFC 4511 §4.1.9 results and what they mean to an administrator; 122 is of RFC 4528. */
const KIND_OF: ReadonlyMap<number, AdminErrorKind> = new Map([
  [4, 'denied'],
  [16, 'not-found'],
  [17, 'invalid'],
  [18, 'invalid'],
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
  [67, 'invalid'],
  [68, 'exists'],
  [69, 'invalid'],
  [122, 'conflict'],
]);

/**
 * A connection with an administrator's rights. Every failure is an AdminError. A connection that
 * the server closed while it was idle is opened again, at the next server if need be; one that
 * breaks under a change leaves it open whether the change was made, and the error says so.
 */
export class AdminSession {
  readonly names: Layout;
  /** Who is bound. */
  readonly dn: string;
  readonly #options: LdapDirectoryOptions;
  #connection: LdapConnection;
  #opening: Promise<LdapConnection> | undefined;
  #closed = false;

  private constructor(options: LdapDirectoryOptions, connection: LdapConnection) {
    this.names = layout(options.suffix);
    this.dn = options.bindDn;
    this.#options = options;
    this.#connection = connection;
  }

  /**
   * Connects to the first server that answers. `bindDn` may be a login: it is found where logins
   * stand. @throws AdminError denied, unavailable
   */
  static async open(options: LdapDirectoryOptions): Promise<AdminSession> {
    let refused: unknown;
    for (const bindDn of identities(options)) {
      try {
        const named = { ...options, bindDn };
        return new AdminSession(named, await connect(named));
      } catch (error) {
        if (!(error instanceof AdminError) || error.kind !== 'denied') throw error;
        refused ??= error;
      }
    }
    throw refused;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** From now on every call fails (S0-41). */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#connection.close();
  }

  /** Entries below a base; all attributes but operational ones we do not use. */
  async search(where: Where): Promise<readonly Entry[]> {
    return await this.#read((connection) =>
      connection.search(where.base, {
        scope: where.scope ?? 'sub',
        filter: filterOf(where),
        attributes: where.attributes ?? RECORD_ATTRIBUTES,
        sizeLimit: where.limit ?? 0,
      }),
    );
  }

  /** As `search`, in pages, on a connection of its own: a tree of any size in little memory. */
  async *each(where: Where): AsyncGenerator<Entry> {
    this.#requireOpen();
    const connection = await connect(this.#options);
    try {
      const pages = connection.pages(where.base, {
        scope: where.scope ?? 'sub',
        filter: filterOf(where),
        attributes: where.attributes ?? RECORD_ATTRIBUTES,
        sizeLimit: 0,
        pageSize: PAGE_SIZE,
      });
      for await (const page of pages) {
        for (const entry of page) {
          this.#requireOpen();
          yield entry;
        }
      }
    } catch (error) {
      throw this.#failure(error);
    } finally {
      await connection.close();
    }
  }

  /** @returns the one entry of this DN, if there is one that we may see */
  async entry(dn: string, attributes?: readonly string[]): Promise<Entry | undefined> {
    const where = { base: dn, scope: 'base', limit: 1 } as const;
    return (await this.search(attributes ? { ...where, attributes } : where))[0];
  }

  async add(dn: string, values: NewValues): Promise<void> {
    const written = Object.entries(values)
      .map(([name, value]) => [name, list(value)] as const)
      .filter(([, all]) => all.length > 0);
    await this.#write(dn, (connection) => connection.add(dn, Object.fromEntries(written)));
  }

  /** Replaces the values of the attributes that are given, if the entry matches `only`. */
  async replace(dn: string, values: NewValues, only?: Filter): Promise<void> {
    const changes = Object.entries(values)
      .filter(([, value]) => value !== undefined)
      .map(([type, value]) => change('replace', type, list(value)));
    if (changes.length > 0) await this.#modify(dn, changes, only);
  }

  async addValue(dn: string, type: string, value: string, only?: Filter): Promise<void> {
    await this.#modify(dn, [change('add', type, [value])], only);
  }

  async removeValue(dn: string, type: string, value: string, only?: Filter): Promise<void> {
    await this.#modify(dn, [change('delete', type, [value])], only);
  }

  /** @param to the new RDN, or the new DN where the entry moves to another branch */
  async rename(dn: string, to: string, only?: Filter): Promise<void> {
    await this.#write(dn, (connection) => connection.rename(dn, to, controls(only)));
  }

  async remove(dn: string, only?: Filter): Promise<void> {
    await this.#write(dn, (connection) => connection.remove(dn, controls(only)));
  }

  async #modify(dn: string, changes: readonly Change[], only?: Filter): Promise<void> {
    await this.#write(dn, (connection) => connection.modify(dn, changes, controls(only)));
  }

  /** Asks once more where the connection broke: a question changes nothing. */
  async #read<T>(ask: (connection: LdapConnection) => Promise<T>): Promise<T> {
    const connection = await this.#usable();
    try {
      return await ask(connection);
    } catch (error) {
      this.#requireOpen();
      if (error instanceof ResultCodeError || connection.timedOut) throw this.#failure(error);
    }
    try {
      return await ask(await this.#usable());
    } catch (error) {
      throw this.#failure(error);
    }
  }

  async #write(dn: string, work: (connection: LdapConnection) => Promise<void>): Promise<void> {
    const connection = await this.#usable();
    try {
      await work(connection);
    } catch (error) {
      if (error instanceof ResultCodeError) throw this.#failure(error, dn);
      const text =
        `The connection to the directory was lost while ${dn} was changed; whether the change ` +
        'was made is not known: look at the entry before you repeat it';
      throw new AdminError('uncertain', text, { cause: error });
    }
  }

  #requireOpen(): void {
    if (!this.#closed) return;
    throw new AdminError('closed', 'This session with the directory is closed; open another one');
  }

  async #usable(): Promise<LdapConnection> {
    this.#requireOpen();
    if (this.#connection.usable) return this.#connection;
    this.#opening ??= connect(this.#options).finally(() => {
      this.#opening = undefined;
    });
    const connection = await this.#opening;
    if (this.#closed) await connection.close();
    this.#requireOpen();
    this.#connection = connection;
    return connection;
  }

  #failure(error: unknown, dn?: string): AdminError {
    if (error instanceof AdminError) return error;
    const kind = KIND_OF.get(resultCode(error) ?? -1);
    const text = error instanceof Error ? plainText(error.message) : String(error);
    if (!kind) {
      return new AdminError('unavailable', `The directory does not answer: ${text}`, {
        cause: error,
      });
    }
    const refused = kind === 'denied' && dn !== undefined;
    const said = refused ? `The directory does not let ${this.dn} change ${dn}: ${text}` : text;
    return new AdminError(kind, said, { cause: error });
  }
}

/** The DNs that a name may stand for: itself, or a login in the spellings its entry may have. */
function identities(options: LdapDirectoryOptions): readonly string[] {
  const { bindDn, suffix } = options;
  if (isBelow(bindDn, suffix)) return [bindDn];
  const key = addressKey(bindDn);
  if (key?.domain === undefined) {
    if (isDn(bindDn)) return [bindDn];
    throw new AdminError('invalid', `"${printable(bindDn)}" is neither a login nor a DN`);
  }
  return addressSpellings(key).map((login) => nameDn('cn', login, layout(suffix).users));
}

function isBelow(dn: string, suffix: string): boolean {
  try {
    return `,${dnKey(parseDn(dn))}`.endsWith(`,${dnKey(parseDn(suffix))}`);
  } catch {
    return false;
  }
}

function isDn(text: string): boolean {
  try {
    return parseDn(text).length > 0;
  } catch {
    return false;
  }
}

async function connect(options: LdapDirectoryOptions): Promise<LdapConnection> {
  let last: unknown;
  for (const server of serverAccess(options)) {
    try {
      return await LdapConnection.open({ ...server, operationDeadlineMs: LIST_DEADLINE_MS });
    } catch (error) {
      last = error;
      if (error instanceof CredentialsRefused) break;
    }
  }
  const denied = last instanceof CredentialsRefused;
  const text = denied
    ? `The directory refuses ${options.bindDn}: no such identity, or a wrong password`
    : `No directory server answers (MF-DIR-001): ${options.urls.join(', ')}`;
  throw new AdminError(denied ? 'denied' : 'unavailable', text, { cause: last });
}

function filterOf({ objectClass, filter }: Where): Filter {
  const filters = [
    ...(objectClass === undefined
      ? []
      : [new EqualityFilter({ attribute: 'objectClass', value: objectClass })]),
    ...(filter ? [filter] : []),
  ];
  const [first] = filters;
  if (first && filters.length === 1) return first;
  return filters.length > 0
    ? new AndFilter({ filters })
    : new PresenceFilter({ attribute: 'objectClass' });
}

const controls = (only: Filter | undefined): Assertion[] => (only ? [new Assertion(only)] : []);

const list = (value: NewValues[string]): string[] =>
  value === undefined ? [] : typeof value === 'object' ? [...value] : [String(value)];

const change = (operation: 'add' | 'delete' | 'replace', type: string, values: string[]): Change =>
  new Change({ operation, modification: new Attribute({ type, values }) });

/** ldapts appends the code to the server's text; people do not need it. */
const plainText = (text: string): string =>
  text
    .replace(/\s*Code: 0x[0-9a-f]+$/i, '')
    .trim()
    .replace(/\.$/, '');
