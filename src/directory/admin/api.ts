/**
 * What an administrator's program sees of the directory (S0-39 to S0-53): sessions, collections of
 * entries, changes that are checked against what was read, claims, events. The command line, the
 * web and scripts use nothing else. Every failure is an AdminError with a text for people (S0-52).
 */
import type { Level } from '../rights.ts';
import type { AllPolicy, ListEntry, NodeEntry, PostingPolicy, RuleEntry } from '../types.ts';
import type { DomainEntry, VolumeEntry } from '../types.ts';

/** What every record has beside its own fields. */
export interface Recorded {
  readonly dn: string;
  /** entryCSN as it was read: a change given a record refuses when it differs now. */
  readonly revision: string;
  /** All attributes, also those we do not know; sorted by name (S0-51). Never userPassword. */
  readonly fields: readonly Field[];
}

export interface Field {
  readonly name: string;
  readonly values: readonly string[];
}

/** Which entries: all of these. A field is a name of ours or an attribute of LDAP. */
export interface Query {
  /** Field to match, by default the name (S0-47, S0-48). */
  readonly field?: string;
  /** RE2 expression without anchors of its own, compared without case; matched in this process. */
  readonly regex?: string;
  /** RFC 4515, matched by the directory. */
  readonly filter?: string;
  readonly limit?: number;
}

/** What a query found, with what made it (S0-51). Walked from head to the last (S0-43). */
export interface Listing<R> extends Iterable<R> {
  readonly query: Query;
  readonly count: number;
  readonly items: readonly R[];
  /** What is wrong with entries that cannot be read: each is named, none hides others. */
  readonly damaged: readonly string[];
  /** Cursor at the first; `undefined` in an empty listing. */
  head(): R | undefined;
  next(): R | undefined;
  previous(): R | undefined;
}

/** A change that was begun and not waited for (S0-46). */
export interface Put<R> {
  readonly state: 'pending' | 'done' | 'failed';
  /** Set when it failed. */
  readonly error: Error | undefined;
  /** Resolves with the record as it is then. @throws AdminError */
  done(): Promise<R>;
}

/** Somebody's advisory claim on an entry: shown to others, in nobody's way (S0-44). */
export interface Claim {
  readonly dn: string;
  readonly by: string;
  readonly level: Level;
  /** ms since 1970; renewed while the holder lives. */
  readonly until: number;
  /** Whether it is still ours; false once a higher level took it over. */
  readonly held: boolean;
  release(): Promise<void>;
}

export type AdminEvent =
  /** Somebody changed an entry; also oneself, from another session. */
  | { readonly kind: 'changed'; readonly dn: string; readonly revision: string }
  | { readonly kind: 'removed'; readonly dn: string }
  /** A higher level took over an entry that we had claimed: fetch it again before changing it. */
  | { readonly kind: 'claim-lost'; readonly dn: string; readonly by: string }
  | { readonly kind: 'put-failed'; readonly dn: string; readonly error: Error };

/** Entries of one kind. `R` is what one is, `V` what may be given for it. */
export interface Collection<R extends Recorded, V> {
  /** @throws AdminError not-found */
  get(name: string): Promise<R>;
  /** @throws AdminError invalid (of a query) */
  find(query?: Query): Promise<Listing<R>>;
  /** As `find`, one by one, whatever their number. @throws AdminError invalid */
  each(query?: Query): AsyncIterable<R>;
  /** @throws AdminError exists, invalid */
  add(name: string, values: V): Promise<R>;
  /**
   * Changes what is given; `null` takes a value away, undefined leaves it.
   * @param of the record that the change is based on: changed meanwhile, it is a conflict
   * @throws AdminError not-found, invalid, conflict (its text names what changed)
   */
  set(of: R | string, values: Partial<V>): Promise<R>;
  /** As `add` or, where the entry exists, `set`; returns at once (S0-46); no claim stops it. */
  put(of: R | string, values: V): Put<R>;
  /** @throws AdminError not-found, conflict, invalid (in use) */
  remove(of: R | string): Promise<unknown>;
  /** Claims an entry; one of a lower level is taken over. @throws AdminError claimed */
  claim(name: string): Promise<Claim>;
}

/** `null` takes a value away. */
export type Given<T> = T | null | undefined;

export interface DomainRecord extends DomainEntry, Recorded {}
export interface DomainValues {
  readonly aliasOf?: Given<string>;
  readonly catchAll?: Given<string>;
  readonly all?: Given<AllPolicy>;
  /** `mx`, `HOST:PORT` or `lmtp:HOST:PORT`: a customer's domain whose mail is passed on. */
  readonly transport?: Given<string>;
  /** Addresses, networks, logins. */
  readonly etrnFrom?: Given<readonly string[]>;
  /** Selectors whose keys are among the secrets. */
  readonly dkim?: Given<readonly string[]>;
  readonly description?: Given<string>;
}

export interface ListRecord extends ListEntry, Recorded {
  readonly description: string | undefined;
}
export interface ListValues {
  readonly members?: Given<readonly string[]>;
  readonly filter?: Given<string>;
  readonly posting?: Given<PostingPolicy>;
  readonly moderators?: Given<readonly string[]>;
  readonly owner?: Given<string>;
  readonly description?: Given<string>;
}
/** Beside the collection: one member at a time, safe beside others who do the same. */
export interface Lists extends Collection<ListRecord, ListValues> {
  addMember(list: string, address: string): Promise<ListRecord>;
  removeMember(list: string, address: string): Promise<ListRecord>;
}

export interface SiteRecord extends Recorded {
  readonly name: string;
  readonly domains: readonly string[];
  readonly siteLevel: 0 | 1 | 2 | undefined;
  readonly description: string | undefined;
}
export interface SiteValues {
  readonly domains?: Given<readonly string[]>;
  readonly siteLevel?: Given<number>;
  readonly description?: Given<string>;
}

export interface RuleRecord extends RuleEntry, Recorded {}
/** `order`, `pattern` and `target` (`volume:NAME`, `host:NAME[:PORT]`) are required in `add`. */
export interface RuleValues {
  readonly order?: number | undefined;
  readonly pattern?: string | undefined;
  readonly target?: string | undefined;
  readonly description?: Given<string>;
}

export interface VolumeRecord extends VolumeEntry, Recorded {}
export interface NodeRecord extends NodeEntry, Recorded {}

export interface Administrator extends Recorded {
  readonly login: string;
  readonly level: Level;
}
/** Who has which level (ou=rights). Only administrators change it. */
export interface Administrators {
  list(): Promise<readonly Administrator[]>;
  /** Gives a user a level, replacing an earlier one. */
  grant(login: string, level: Level): Promise<Administrator>;
  /** @throws AdminError invalid for the last administrator */
  revoke(login: string): Promise<void>;
}
