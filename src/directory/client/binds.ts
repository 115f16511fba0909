import { DirectoryUnavailable } from '../types.ts';
import { LdapConnection, resultCode, type ServerAccess } from './connection.ts';
import type { Replicas } from './replicas.ts';

/** Verifications that wait for a connection; beyond it the directory counts as too slow. */
const WAITING_MAX = 1_000;

/** invalidCredentials, noSuchObject, inappropriateAuthentication, invalidDNSyntax. */
const REFUSED: ReadonlySet<number | undefined> = new Set([49, 32, 48, 34]);

/**
 * Connections that do nothing but verify passwords by bind, one at a time each: while a bind runs
 * nothing else may be asked on its connection (RFC 4511 §4.2.1), and afterwards the connection is
 * that user, which a search must never be.
 */
export class PasswordBinds {
  readonly #replicas: Replicas;
  readonly #connections: number;
  readonly #idle = new Map<string, LdapConnection[]>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #closed = false;

  constructor(replicas: Replicas, options: { readonly connections: number }) {
    this.#replicas = replicas;
    this.#connections = options.connections;
  }

  /**
   * A refusal counts only from a server that is whole and current.
   * @param holds asked afterwards, of the same server, what its entry of this name says
   * @throws DirectoryUnavailable
   */
  async verify<T>(
    dn: string,
    password: string,
    holds: (connection: LdapConnection) => Promise<T>,
  ): Promise<{ readonly answer: 'accepted' | 'refused'; readonly holds: T }> {
    await this.#turn();
    try {
      return await this.#replicas.each(async (replica) => {
        const answer = await this.#replicas.witnessed(
          replica,
          () => this.#bindAt(replica.access, dn, password),
          (said) => said === 'refused',
        );
        return { answer, holds: await this.#replicas.at(replica, holds) };
      });
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const idle = [...this.#idle.values()].flat();
    await Promise.all(idle.map((connection) => connection.close()));
  }

  async #turn(): Promise<void> {
    if (this.#running >= this.#connections) {
      if (this.#waiting.length >= WAITING_MAX) {
        throw new DirectoryUnavailable('Too many passwords wait to be verified');
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#running += 1;
  }

  async #bindAt(
    access: ServerAccess,
    dn: string,
    password: string,
  ): Promise<'accepted' | 'refused'> {
    const idle = this.#take(access.url);
    if (idle) {
      try {
        return await this.#bind(idle, dn, password);
      } catch (error) {
        // The server may have closed it meanwhile: once more on a fresh one, but never when late.
        if (idle.timedOut || resultCode(error) !== undefined) throw error;
      }
    }
    const fresh = await LdapConnection.open({ ...access, bind: undefined });
    return await this.#bind(fresh, dn, password);
  }

  async #bind(
    connection: LdapConnection,
    dn: string,
    password: string,
  ): Promise<'accepted' | 'refused'> {
    try {
      await connection.bind(dn, password);
      this.#giveBack(connection);
      return 'accepted';
    } catch (error) {
      if (!REFUSED.has(resultCode(error))) {
        void connection.close();
        throw error;
      }
      this.#giveBack(connection);
      return 'refused';
    }
  }

  #take(url: string): LdapConnection | undefined {
    const idle = this.#idle.get(url) ?? [];
    for (let connection = idle.pop(); connection; connection = idle.pop()) {
      if (connection.usable) return connection;
    }
    return undefined;
  }

  #giveBack(connection: LdapConnection): void {
    if (this.#closed) return void connection.close();
    const idle = this.#idle.get(connection.url) ?? [];
    idle.push(connection);
    this.#idle.set(connection.url, idle);
  }
}
