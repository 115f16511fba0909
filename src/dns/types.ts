/** Names to addresses and mail hosts, with deadlines; what an answer means for a letter. */

/**
 * `none`: the name exists, not with such records. `no-name`: it does not exist (NXDOMAIN).
 * `trouble`: nobody knows now (SERVFAIL, time-out, refused): ask again later.
 */
export type DnsAnswer<T> =
  | { readonly kind: 'records'; readonly records: readonly T[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'no-name' }
  | { readonly kind: 'trouble'; readonly text: string };

export interface MxRecord {
  readonly preference: number;
  /** Lower case, no dot at the end; '' is the null MX (RFC 7505). */
  readonly host: string;
}

export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matching: number;
  readonly data: Buffer;
}

/** An answer, and whether the resolver vouches for it (AD bit, RFC 4035 §3.2.3). */
export interface SecureAnswer<T> {
  readonly answer: DnsAnswer<T>;
  readonly secure: boolean;
  /** Name at the end of CNAMEs; the name asked for where there are none. */
  readonly name: string;
}

/** Never rejects: a failure is an answer of kind `trouble`. Names are A-labels. */
export interface Resolver {
  mx(domain: string): Promise<DnsAnswer<MxRecord>>;
  a(host: string): Promise<DnsAnswer<string>>;
  aaaa(host: string): Promise<DnsAnswer<string>>;
  /** Each record's strings joined. */
  txt(name: string): Promise<DnsAnswer<string>>;
  /** Whether the records of a name are signed and valid, as a trusted resolver says. */
  secureMx(domain: string): Promise<SecureAnswer<MxRecord>>;
  secureAddress(host: string): Promise<SecureAnswer<string>>;
  tlsa(name: string): Promise<SecureAnswer<TlsaRecord>>;
  close(): void;
}
