import { hash } from 'node:crypto';

/**
 * What stands in the name of an envelope, so that a listing alone says what waits, whose it is, how
 * much it is and who is at work on it:
 *
 *     <id>,S=<octets>,W=<octets with CRLF>,A=<owner>[,N=<tries>][,R=<reason>]
 *     <id>,…,C=<count>,T=<seconds>,H=<holder>         while it is claimed
 *
 * T is the spool server's time at which the claim was made or renewed; the lease runs from there.
 * C counts the claims of one process, so that no claim ever has the name of another. Fields that
 * are not known stay in the name: a newer release may have put them there.
 */
export interface Letter {
  /** A unique name of the storage engine: the order of ids is the order of arrival. */
  readonly id: string;
  /** Immutable id of whom it is for. */
  readonly owner: string;
  readonly octets: number;
  readonly wireOctets: number;
  /** Attempts that failed. */
  readonly tries: number;
  /** Why it cannot go on by itself; only in the state `failed`. */
  readonly reason: string | undefined;
}

export interface Lease {
  readonly count: number;
  /** Seconds since 1970 by the spool server's clock. */
  readonly at: number;
  /** Who: node, process and chance. */
  readonly holder: string;
}

/** States in which a letter waits for something; each is a directory. */
export const STATES = ['waiting', 'taken', 'failed'] as const;
export type State = (typeof STATES)[number];

const ID = /^\d{1,12}\.[A-Za-z0-9_-]{1,60}\.[A-Za-z0-9_-]{1,12}$/;
const OWNER = /^[A-Za-z0-9-]{1,64}$/;
const REASON = /^[a-z-]{1,24}$/;
const HOLDER = /^[A-Za-z0-9_-]{1,48}$/;
const COUNT = /^\d{1,15}$/;

/** Whether a text can be an id: it becomes a path, and may come from a command line. */
export const isId = (text: string): boolean => ID.test(text);

export const isOwner = (text: string): boolean => OWNER.test(text);

export function formatName(letter: Letter, lease?: Lease): string {
  const { id, owner, octets, wireOctets, tries, reason } = letter;
  const state = `${tries > 0 ? `,N=${tries}` : ''}${reason === undefined ? '' : `,R=${reason}`}`;
  return `${id},S=${octets},W=${wireOctets},A=${owner}${state}${formatLease(lease)}`;
}

export interface ParsedName {
  readonly letter: Letter;
  readonly lease: Lease | undefined;
}

/** Undefined for what is no envelope: foreign files are left alone. */
export function parseName(name: string): ParsedName | undefined {
  const parsed = parseFields(name);
  if (parsed === undefined || !isOwner(parsed.owner)) return undefined;
  const { reason } = parsed;
  if (reason !== undefined && !REASON.test(reason)) return undefined;
  const { id, owner, octets, wireOctets, tries } = parsed;
  return {
    letter: { id, owner, octets, wireOctets, tries, reason },
    lease: leaseOf(parsed.fields),
  };
}

/** What stands in the names of all trees, `owner` and `reason` as they are. */
export interface ParsedFields extends Letter {
  readonly fields: ReadonlyMap<string, string>;
}

export function parseFields(name: string): ParsedFields | undefined {
  const [id = '', ...parts] = name.split(',');
  const fields = new Map(parts.map((part) => [part.slice(0, 2), part.slice(2)]));
  const [octets, wireOctets] = [count(fields.get('S=')), count(fields.get('W='))];
  const tries = fields.has('N=') ? count(fields.get('N=')) : 0;
  if (!isId(id)) return undefined;
  if (octets === undefined || wireOctets === undefined || tries === undefined) return undefined;
  const [owner, reason] = [fields.get('A=') ?? '', fields.get('R=')];
  return { id, owner, octets, wireOctets, tries, reason, fields };
}

export const formatLease = (lease: Lease | undefined): string =>
  lease === undefined ? '' : `,C=${lease.count},T=${lease.at},H=${lease.holder}`;

export function leaseOf(fields: ReadonlyMap<string, string>): Lease | undefined {
  const [own, at] = [count(fields.get('C=')), count(fields.get('T='))];
  const holder = fields.get('H=') ?? '';
  if (own === undefined || at === undefined || !HOLDER.test(holder)) return undefined;
  return { count: own, at, holder };
}

/** A field that is a number. */
export const count = (text: string | undefined): number | undefined =>
  text !== undefined && COUNT.test(text) ? Number(text) : undefined;

/** When it arrived, in ms since 1970, by the clock of the node that took it: for people. */
export const arrivedAt = (id: string): number => Number(id.slice(0, id.indexOf('.'))) * 1000;

/** One of 256 directories, by the owner: all that one user has is in one, and none gets large. */
export const bucketOf = (owner: string): string => hash('sha256', owner, 'hex').slice(0, 2);

export const isBucket = (name: string): boolean => /^[0-9a-f]{2}$/.test(name);

/** Names of volumes, as the directory has them: what else stands there is not ours. */
export const isLane = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name);

/** By arrival: seconds, then microseconds, which are not filled up with zeros. */
export function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  const seconds = arrivedAt(a.id) - arrivedAt(b.id);
  const order = seconds === 0 ? microsecondsOf(a.id) - microsecondsOf(b.id) : seconds;
  return order === 0 ? (a.id < b.id ? -1 : Number(a.id > b.id)) : order;
}

const microsecondsOf = (id: string): number => Number(/\.M(\d{1,6})/.exec(id)?.[1] ?? 0);
