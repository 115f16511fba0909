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

/** A function is asked at each bind: what was rotated is used without a restart. */
export type BindPassword = string | (() => string);

/** The password as it is now. @throws what the function throws */
export const passwordNow = (password: BindPassword): string =>
  typeof password === 'string' ? password : password();

/** How a directory server is reached. */
export interface ServerAccess {
  readonly url: string;
  readonly starttls: boolean;
  /** Authorities that vouch for the server, PEM; the system's when left out. */
  readonly ca?: string | undefined;
  /** Name in the server's certificate, where it is not that of the URL. */
  readonly servername?: string | undefined;
  /** Identity to search with; undefined for connections that only verify passwords. */
  readonly bind?: { readonly dn: string; readonly password: BindPassword } | undefined;
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

/** Entries of one page; some servers give no more at once. */
const PAGE_MAX = 1_000;

/** The server said no such entry (RFC 4511 §A.2). */
export const NO_SUCH_OBJECT = 32;

/** Results with which a server says that it is in trouble, rather than that we are. */
const SERVER_TROUBLE: ReadonlySet<number> = new Set([1, 3, 8, 11, 51, 52, 80]);

/** The result a server answered with, unless it means trouble of its own. */
export const resultCode = (error: unknown): number | undefined =>
  error instanceof ResultCodeError && !SERVER_TROUBLE.has(error.code) ? error.code : undefined;

/** The server did not take the identity we search with. */
export class CredentialsRefused extends Error {}

/** The server says that what is asked for is, in part, on another (RFC 4511 §4.5.3). */
export class Elsewhere extends Error {}

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
  /** The reading in pages that is under way: a server keeps the place of one (RFC 2696 §3). */
  #paging: Promise<void> = Promise.resolve();

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
      // StartTLS: whom the certificate has to name where the URL has an address.
      host: hostOf(access.url).replace(/^\[|\]$/g, ''),
    };
    const client = new Client({
      url: access.url,
      timeout: access.operationDeadlineMs,
      connectTimeout: access.connectDeadlineMs,
      ...(secure && { tlsOptions: tls }),
    });
    const ready = async (): Promise<void> => {
      if (access.starttls && !secure) await client.startTLS(tls);
      if (access.bind) await client.bind(access.bind.dn, passwordNow(access.bind.password));
      else await greet(client);
    };
    try {
      await withDeadline(ready(), { ms: access.connectDeadlineMs, what: access.url });
    } catch (error) {
      void client.unbind().catch(() => {});
      // A result here says that this server is of no use, not what the answer to a question is.
      if (error instanceof ResultCodeError && !(error instanceof InvalidCredentialsError)) {
        throw new Error(`${access.url} takes no connection of ours: ${error.message}`, {
          cause: error,
        });
      }
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

  /**
   * Entries below a base that match; none when the base does not exist. With a `sizeLimit` the
   * library takes what came up to the server's own limit for the whole: see `all`.
   * @throws Elsewhere when there is none, and the server says that another may have it
   */
  async search(base: string, options: SearchOptions): Promise<readonly Entry[]> {
    try {
      const { searchEntries, searchReferences } = await this.#carry(() =>
        this.#client.search(base, {
          ...options,
          attributes: [...options.attributes],
          explicitBufferAttributes: [],
        }),
      );
      if (searchEntries.length === 0) requireHere(base, searchReferences);
      return searchEntries;
    } catch (error) {
      if (resultCode(error) === NO_SUCH_OBJECT) return [];
      throw error;
    }
  }

  async bind(dn: string, password: string): Promise<void> {
    await this.#carry(() => this.#client.bind(dn, password));
  }

  /**
   * All entries that match, never a part of them: undefined when there are more than `max`.
   * @throws Elsewhere; sizeLimitExceeded when the server gives us fewer than there are
   */
  async all(
    base: string,
    options: Omit<SearchOptions, 'sizeLimit'> & { readonly max: number },
  ): Promise<readonly Entry[] | undefined> {
    const { max, ...rest } = options;
    const before = this.#paging;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#paging = promise;
    await before;
    try {
      const pageSize = Math.min(max + 1, PAGE_MAX);
      const found: Entry[] = [];
      for await (const page of this.pages(base, { ...rest, sizeLimit: 0, pageSize })) {
        found.push(...page);
        if (found.length > max) return undefined;
      }
      return found;
    } finally {
      resolve();
    }
  }

  /**
   * As `search`, page by page (RFC 2696); one page where the server knows no pages.
   * @throws Elsewhere when a part of it is on another server
   */
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
        requireHere(base, page.value.searchReferences);
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

function requireHere(base: string, references: readonly string[]): void {
  if (references.length === 0) return;
  throw new Elsewhere(`A part of ${base} is elsewhere: ${references.slice(0, 3).join(', ')}`);
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).hostname : '');

/** An address is no server name (RFC 6066 §3). */
function tlsName(url: string): string {
  const host = hostOf(url);
  return /^[[\d.]/.test(host) ? '' : host;
}
