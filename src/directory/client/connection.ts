import {
  Client,
  InvalidCredentialsError,
  ResultCodeError,
  type Change,
  type Control,
  type Entry,
  type Filter,
} from 'ldapts';
import { withDeadline } from '../../base/deadline.ts';

/** How a directory server is reached. */
export interface ServerAccess {
  readonly url: string;
  readonly starttls: boolean;
  /** Authorities that vouch for the server, PEM; the system's when left out. */
  readonly ca?: string | undefined;
  /** Name in the server's certificate, where it is not that of the URL. */
  readonly servername?: string | undefined;
  /** Identity to search with; undefined for connections that only verify passwords. */
  readonly bind?: { readonly dn: string; readonly password: string } | undefined;
  readonly connectDeadlineMs: number;
  readonly operationDeadlineMs: number;
}

export interface SearchOptions {
  readonly scope: 'base' | 'one' | 'sub';
  readonly filter?: Filter;
  readonly attributes: readonly string[];
  /** 0 is no limit. */
  readonly sizeLimit: number;
}

/** The server said no such entry (RFC 4511 §A.2). */
export const NO_SUCH_OBJECT = 32;

/** Results with which a server says that it is in trouble, rather than that we are. */
const SERVER_TROUBLE: ReadonlySet<number> = new Set([1, 3, 8, 11, 51, 52, 80]);

/** The result a server answered with, unless it means trouble of its own. */
export const resultCode = (error: unknown): number | undefined =>
  error instanceof ResultCodeError && !SERVER_TROUBLE.has(error.code) ? error.code : undefined;

/** The server did not take the identity we search with. */
export class CredentialsRefused extends Error {}

/**
 * One connection to one server, bound once. It is used until it breaks and then thrown away: the
 * library would connect again by itself, but as nobody.
 */
export class LdapConnection {
  readonly url: string;
  readonly #client: Client;
  #inFlight = 0;
  #closed = false;
  #timedOut = false;

  private constructor(url: string, client: Client) {
    this.url = url;
    this.#client = client;
  }

  /** @throws CredentialsRefused; any other error means that the server cannot be used. */
  static async open(access: ServerAccess): Promise<LdapConnection> {
    const secure = access.url.startsWith('ldaps:');
    const tls = {
      ...(access.ca !== undefined && { ca: access.ca }),
      servername: access.servername ?? tlsName(access.url),
    };
    const client = new Client({
      url: access.url,
      timeout: access.operationDeadlineMs,
      connectTimeout: access.connectDeadlineMs,
      ...(secure && { tlsOptions: tls }),
    });
    const ready = async (): Promise<void> => {
      if (access.starttls && !secure) await client.startTLS(tls);
      if (access.bind) await client.bind(access.bind.dn, access.bind.password);
      else await greet(client);
    };
    try {
      await withDeadline(ready(), { ms: access.connectDeadlineMs, what: access.url });
    } catch (error) {
      void client.unbind().catch(() => {});
      if (!(error instanceof InvalidCredentialsError)) throw error;
      throw new CredentialsRefused(`${access.url} refuses our credentials`, { cause: error });
    }
    return new LdapConnection(access.url, client);
  }

  /** Whether it can carry another operation. */
  get usable(): boolean {
    return !this.#closed && this.#client.isConnected;
  }

  /** Whether it broke because an answer was late: asking again would only wait again. */
  get timedOut(): boolean {
    return this.#timedOut;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Entries below a base that match; none when the base does not exist. */
  async search(base: string, options: SearchOptions): Promise<readonly Entry[]> {
    try {
      const { searchEntries } = await this.#carry(() =>
        this.#client.search(base, {
          ...options,
          attributes: [...options.attributes],
          explicitBufferAttributes: [],
        }),
      );
      return searchEntries;
    } catch (error) {
      if (resultCode(error) === NO_SUCH_OBJECT) return [];
      throw error;
    }
  }

  async bind(dn: string, password: string): Promise<void> {
    await this.#carry(() => this.#client.bind(dn, password));
  }

  /** As `search`, page by page (RFC 2696); one page where the server knows no pages. */
  async *pages(
    base: string,
    options: SearchOptions & { readonly pageSize: number },
  ): AsyncGenerator<readonly Entry[]> {
    const { pageSize, attributes, ...rest } = options;
    const found = this.#client.searchPaginated(base, {
      ...rest,
      attributes: [...attributes],
      explicitBufferAttributes: [],
      paged: { pageSize },
    });
    try {
      for (;;) {
        const page = await this.#carry(() => found.next());
        if (page.done) return;
        yield page.value.searchEntries;
      }
    } catch (error) {
      if (resultCode(error) !== NO_SUCH_OBJECT) throw error;
    }
  }

  async add(dn: string, attributes: Record<string, string[]>): Promise<void> {
    await this.#carry(() => this.#client.add(dn, attributes));
  }

  async modify(dn: string, changes: readonly Change[], controls?: Control[]): Promise<void> {
    await this.#carry(() => this.#client.modify(dn, [...changes], controls));
  }

  /** @param to the new RDN, or the new DN where the entry moves to another branch */
  async rename(dn: string, to: string, controls?: Control[]): Promise<void> {
    await this.#carry(() => this.#client.modifyDN(dn, to, controls));
  }

  async remove(dn: string, controls?: Control[]): Promise<void> {
    await this.#carry(() => this.#client.del(dn, controls));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#client.unbind().catch(() => {});
  }

  async #carry<T>(operation: () => Promise<T>): Promise<T> {
    if (!this.usable) throw new Error(`The connection to ${this.url} is closed`);
    this.#inFlight += 1;
    try {
      return await operation();
    } catch (error) {
      // A broken or late connection carries nothing any more: answers could be misread.
      if (!(error instanceof ResultCodeError)) {
        this.#timedOut ||= error instanceof Error && error.message.includes('timed out');
        void this.close();
      }
      throw error;
    } finally {
      this.#inFlight -= 1;
    }
  }
}

/** The library connects with the first operation: ask for nothing; any result will do. */
async function greet(client: Client): Promise<void> {
  try {
    await client.search('', { scope: 'base', attributes: ['1.1'] });
  } catch (error) {
    if (!(error instanceof ResultCodeError)) throw error;
  }
}

/** An address is no server name (RFC 6066 §3). */
function tlsName(url: string): string {
  const host = URL.canParse(url) ? new URL(url).hostname : '';
  return /^[[\d.]/.test(host) ? '' : host;
}
