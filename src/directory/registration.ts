/**
 * How a node joins the farm and tells that it lives (S0-16, S0-33, S0-34).
 *
 * A node needs no entry made by hand: it adds its own, bound with the identity of all front ends,
 * with a number that no other has. From then on it is itself: it gave the entry the hash of a key
 * that only its own disk holds, and writes `status`, `mwBeat`, `mwVersion` and
 * `mwAddress` bound as that entry.
 * The directory lets front ends add a key where there is none, and nothing else (rights.ts), so
 * whoever holds the identity of front ends cannot speak for another node.
 *
 * A key that does not fit, because the node was installed anew or its name stands in two files,
 * stops no mail: the node serves, its entry stays as it is, and the log says how to mend it.
 *
 * Nothing here is kept open between two beats: a beat is seldom, and asks the servers in order.
 */
import { createHash } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Attribute, Change, EqualityFilter } from 'ldapts';
import { systemClock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { toTime } from './time.ts';
import { serverAccess, type LdapDirectoryOptions } from './client/directory.ts';
import { CredentialsRefused, LdapConnection, resultCode } from './client/connection.ts';
import type { ServerAccess } from './client/connection.ts';
import { valuesOf } from './client/entries.ts';
import type { OwnIdentity } from './client/secrets.ts';
import { dnKey, nameDn, parseDn } from './dn.ts';
import { reachableAddresses } from './interfaces.ts';
import { layout, type Layout } from './schema.ts';
import { DirectoryUnavailable } from './types.ts';

export interface RegistrationOptions {
  /** As the node's file says: the identity of front ends, or the node's own. */
  readonly directory: LdapDirectoryOptions;
  /** Name of the node: cn of its entry. */
  readonly name: string;
  /** Host name, for people. */
  readonly server: string;
  /** Addresses of its interfaces, asked at each beat; by default those of this machine. */
  readonly addresses?: () => readonly string[];
  /** Release that the node runs. */
  readonly version: string;
  /** The node's state directory; the key lies there. */
  readonly data: string;
  readonly random: Random;
}

/** What telling came to. */
export type Told =
  /**
   * Written. `nodes`: how many entries of nodes there are; `twin`: another one with our number,
   * which two servers gave away at one moment.
   */
  | { readonly kind: 'told'; readonly nodes: number; readonly twin: string | undefined }
  /** The entry has another key than this node (MF-NODE-006). */
  | { readonly kind: 'other-key' }
  /** An administrator took the entry away. */
  | { readonly kind: 'no-entry' };

export interface Registration {
  /**
   * Adds the node's entry; one that is there stays as it is.
   * @throws RegistrationRefused; DirectoryUnavailable
   */
  join(status: string): Promise<void>;
  /** Writes status, beat and version as the node itself. @throws DirectoryUnavailable */
  tell(status: string): Promise<Told>;
}

/** The directory does not take this node's entry. */
export class RegistrationRefused extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RegistrationRefused';
  }
}

const KEY_NAME = 'node.key';
const KEY_BYTES = 32;
const KEY = /^[\w-]{43}$/;
/** So many others take the number that we are about to take; then something else is wrong. */
const NUMBER_TRIES = 50;

const NO_SUCH_ENTRY = 32;
const ENTRY_EXISTS = 68;
const CONSTRAINT = 19;
/** The entry has a key: a second value, the same value, or a right that is only "where absent". */
const HAS_KEY: ReadonlySet<number | undefined> = new Set([CONSTRAINT, 20, 50]);

/** Nothing is asked before the first call. */
export function openRegistration(options: RegistrationOptions): Registration {
  return new NodeRegistration(options);
}

class NodeRegistration implements Registration {
  readonly #options: RegistrationOptions;
  readonly #names: Layout;
  readonly #dn: string;
  readonly #dnKey: string;
  readonly #servers: readonly ServerAccess[];
  /** The node's file has the node's own identity: no key is needed. */
  readonly #isItself: boolean;

  constructor(options: RegistrationOptions) {
    const { suffix, bindDn } = options.directory;
    this.#options = options;
    this.#names = layout(suffix);
    this.#dn = nameDn('cn', options.name, this.#names.nodes);
    this.#dnKey = dnKey(parseDn(this.#dn));
    this.#servers = serverAccess(options.directory);
    this.#isItself = bindDn !== '' && dnKey(parseDn(bindDn)) === this.#dnKey;
  }

  async join(status: string): Promise<void> {
    const userPassword = this.#isItself ? undefined : keyHash(await this.#key());
    await this.#onSomeServer(async (access) => {
      await using(await LdapConnection.open(access), async (connection) => {
        await this.#requireWhole(connection);
        await this.#add(connection, { status, ...(userPassword && { userPassword }) });
      });
    });
  }

  async tell(status: string): Promise<Told> {
    return await this.#onSomeServer(async (access) => {
      const connection = await this.#openAsNode(access);
      if (typeof connection === 'string') return { kind: connection };
      return await using(connection, async () => {
        await this.#modify(connection, status);
        const nodes = await this.#nodes(connection);
        const own = nodes.find(({ key }) => key === this.#dnKey);
        const twin = nodes.find(({ key, nid }) => own && nid === own.nid && key !== own.key);
        return { kind: 'told', nodes: nodes.length, twin: twin?.dn };
      });
    });
  }

  /** A server whose schema is older than ours is told the rest: a beat tells that we live. */
  async #modify(connection: LdapConnection, status: string): Promise<void> {
    const now = (this.#options.directory.clock ?? systemClock).now();
    const values = { status: [status], mwBeat: [toTime(now)], mwVersion: [this.#options.version] };
    const mwAddress = (this.#options.addresses ?? reachableAddresses)();
    try {
      await connection.modify(this.#dn, changesTo({ ...values, mwAddress }));
    } catch (error) {
      if (!OLDER.has(resultCode(error))) throw error;
      await connection.modify(this.#dn, changesTo(values));
    }
  }

  /** Bound as the node; gives the entry our key where it has none. */
  async #openAsNode(access: ServerAccess): Promise<LdapConnection | 'other-key' | 'no-entry'> {
    if (this.#isItself) return await LdapConnection.open(access);
    const password = await this.#key();
    const asNode = { ...access, bind: { dn: this.#dn, password } };
    const first = await openUnlessRefused(asNode);
    if (first) return first;
    const given = await using(await LdapConnection.open(access), (frontend) =>
      this.#giveKey(frontend, password),
    );
    if (given === 'no-entry') return given;
    return (await openUnlessRefused(asNode)) ?? 'other-key';
  }

  async #giveKey(connection: LdapConnection, key: string): Promise<'no-entry' | 'done'> {
    const modification = new Attribute({ type: 'userPassword', values: [keyHash(key)] });
    try {
      await connection.modify(this.#dn, [new Change({ operation: 'add', modification })]);
    } catch (error) {
      const code = resultCode(error);
      if (code === NO_SUCH_ENTRY) {
        await this.#requireWhole(connection);
        return 'no-entry';
      }
      if (!HAS_KEY.has(code)) throw error;
    }
    return 'done';
  }

  /** Two nodes may take the same number at one moment: the directory refuses the second. */
  async #add(connection: LdapConnection, given: Record<string, string>): Promise<void> {
    const { name, server, version } = this.#options;
    let nid = 0;
    let cause: unknown;
    for (let tries = 0; tries < NUMBER_TRIES; tries++) {
      nid = freeNumber(
        (await this.#nodes(connection)).map((node) => node.nid),
        nid,
      );
      const values = { cn: name, nid: String(nid), server, mwVersion: version, ...given };
      const attributes = Object.entries(values).map(([type, value]) => [type, [value]] as const);
      try {
        const objectClass = ['top', 'mwNode'];
        await connection.add(this.#dn, { objectClass, ...Object.fromEntries(attributes) });
        return;
      } catch (error) {
        const code = resultCode(error);
        if (code === ENTRY_EXISTS) return;
        if (code === undefined) throw error;
        cause = error;
        if (code !== CONSTRAINT) break;
      }
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RegistrationRefused(`${connection.url} does not take ${this.#dn}: ${reason}`, {
      cause,
    });
  }

  /** All nodes with their numbers. */
  async #nodes(
    connection: LdapConnection,
  ): Promise<readonly { readonly dn: string; readonly key: string; readonly nid: number }[]> {
    const found = await connection.search(this.#names.nodes, {
      scope: 'one',
      filter: new EqualityFilter({ attribute: 'objectClass', value: 'mwNode' }),
      attributes: ['nid'],
      sizeLimit: 0,
    });
    return found.map((entry) => {
      const nid = Number(valuesOf(entry, 'nid')[0] ?? 0);
      return { dn: entry.dn, key: dnKey(parseDn(entry.dn)), nid };
    });
  }

  /** That an entry is missing counts only where the farm is. */
  async #requireWhole(connection: LdapConnection): Promise<void> {
    const options = { scope: 'base', attributes: ['1.1'], sizeLimit: 1 } as const;
    const found = await connection.search(this.#names.farm, options);
    if (found.length > 0) return;
    throw new Error(`${connection.url} does not show ${this.#names.farm} (MF-DIR-002)`);
  }

  /**
   * The servers in order, until one does it; a replica that only reads refuses, the next is asked.
   * @throws DirectoryUnavailable
   */
  async #onSomeServer<T>(use: (access: ServerAccess) => Promise<T>): Promise<T> {
    let cause: unknown;
    for (const access of this.#servers) {
      try {
        return await use(access);
      } catch (error) {
        cause = error;
      }
    }
    if (cause instanceof RegistrationRefused) throw cause;
    throw new DirectoryUnavailable(`No directory server takes the entry ${this.#dn}`, { cause });
  }

  /** From the disk each time: another process of this node may have been first. */
  async #key(): Promise<string> {
    const path = join(this.#options.data, KEY_NAME);
    const kept = await keptKey(this.#options.data);
    if (kept !== undefined) return kept;
    const key = Buffer.from(this.#options.random.bytes(KEY_BYTES)).toString('base64url');
    await mkdir(this.#options.data, { recursive: true, mode: 0o700 });
    await writeSecret(path, `${key}\n`);
    return key;
  }
}

/**
 * objectClassViolation, undefinedAttributeType, insufficientAccessRights: schema or rights of an
 * earlier release.
 */
const OLDER: ReadonlySet<number | undefined> = new Set([65, 17, 50]);

const changesTo = (values: Readonly<Record<string, readonly string[]>>): readonly Change[] =>
  Object.entries(values).map(([type, given]) => {
    const modification = new Attribute({ type, values: [...given] });
    return new Change({ operation: 'replace', modification });
  });

/**
 * Who the node is in the directory, once it has given itself a key: so it reads secrets. Read from
 * the disk each time. Undefined before that, and where the node's file has its own identity.
 */
export async function nodeIdentity(node: {
  readonly name: string;
  readonly suffix: string;
  readonly data: string;
}): Promise<OwnIdentity | undefined> {
  const key = await keptKey(node.data);
  const dn = nameDn('cn', node.name, layout(node.suffix).nodes);
  return key === undefined ? undefined : { dn, password: key };
}

async function keptKey(data: string): Promise<string | undefined> {
  const kept = (await readFile(join(data, KEY_NAME), 'utf8').catch(() => '')).trim();
  return KEY.test(kept) ? kept : undefined;
}

/** Written beside and renamed: a crash leaves no half key. */
async function writeSecret(path: string, text: string): Promise<void> {
  const beside = `${path}.${process.pid}.new`;
  const file = await open(beside, 'w', 0o600);
  try {
    await chmod(beside, 0o600); // A leftover of a crash may have another mode.
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
}

/**
 * {SSHA} suffices for a key of 256 random bits. The salt is made from the key, so that a key that
 * is given to two replicas at one moment is one value when they meet.
 */
function keyHash(key: string): string {
  const salt = createHash('sha256').update(`salt of ${key}`).digest().subarray(0, 8);
  const digest = createHash('sha1').update(key).update(salt).digest();
  return `{SSHA}${Buffer.concat([digest, salt]).toString('base64')}`;
}

async function openUnlessRefused(access: ServerAccess): Promise<LdapConnection | undefined> {
  try {
    return await LdapConnection.open(access);
  } catch (error) {
    if (error instanceof CredentialsRefused) return undefined;
    throw error;
  }
}

async function using<T>(
  connection: LdapConnection,
  work: (connection: LdapConnection) => Promise<T>,
): Promise<T> {
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

/**
 * The smallest number above `above` that no node has. Not one more than the greatest: somebody may
 * have set that to the greatest there is.
 */
export function freeNumber(taken: readonly number[], above = 0): number {
  const numbers = new Set(taken);
  let number = above + 1;
  while (numbers.has(number)) number += 1;
  return number;
}
