import {
  arrivedAt,
  count,
  formatLease,
  isOwner,
  leaseOf,
  parseFields,
  type Lease,
  type Letter,
} from './names.ts';

/**
 * What stands in the name of an outbound envelope:
 *
 *     <id>,S=<octets>,W=<octets with CRLF>[,A=<owner>][,N=<tries>][,V=<version>]
 *         [,D=<seconds when it is due>][,R=<why it is held>]
 *     <id>,S=…,W=…[,A=…][,N=…][,V=…],C=<count>,T=<seconds>,H=<holder>      while it is claimed
 *
 * Without V the file is the envelope as it was accepted; with it the envelope is the file
 * `version/<bucket>/<id>,V=<version>`.
 */
export interface OutboundLetter extends Letter {
  /** '' is the envelope as it was accepted. */
  readonly version: string;
  /** When it is to be tried again, in ms by the spool server's time; undefined at once. */
  readonly dueAt: number | undefined;
}

/** States of outbound mail; each is a directory. */
export const OUTBOUND_STATES = ['waiting', 'later', 'taken', 'hold'] as const;
export type OutboundState = (typeof OUTBOUND_STATES)[number];

/** Where an envelope is: the bucket, for `later` the slot, for `taken` nothing. */
export interface OutboundPlace {
  readonly state: OutboundState;
  readonly lane: string;
  readonly place: string;
}

export interface OutboundSpooled extends OutboundLetter, OutboundPlace {
  /** File name, with all that is in it. */
  readonly name: string;
  readonly lease: Lease | undefined;
}

const REASON = /^[a-z0-9-]{1,48}$/;
const VERSION = /^\d{1,6}-[0-9a-f]{8}$/;
const BUCKET = /^[0-9a-z]{2,24}$/;
const SLOT = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

export function formatOutboundName(letter: OutboundLetter, lease?: Lease): string {
  const { id, owner, octets, wireOctets, tries, version, dueAt, reason } = letter;
  const fields = [
    `${id},S=${octets},W=${wireOctets}`,
    isOwner(owner) ? `,A=${owner}` : '',
    tries > 0 ? `,N=${tries}` : '',
    version === '' ? '' : `,V=${version}`,
  ];
  if (lease !== undefined) return `${fields.join('')}${formatLease(lease)}`;
  const due = dueAt === undefined ? '' : `,D=${Math.ceil(dueAt / 1000)}`;
  return `${fields.join('')}${due}${reason === undefined ? '' : `,R=${reason}`}`;
}

/** Undefined for what is no envelope: foreign files are left alone. */
export function parseOutboundName(name: string, at: OutboundPlace): OutboundSpooled | undefined {
  const parsed = parseFields(name);
  if (parsed === undefined) return undefined;
  const { id, owner, octets, wireOctets, tries, reason, fields } = parsed;
  const version = fields.get('V=') ?? '';
  const due = fields.has('D=') ? count(fields.get('D=')) : undefined;
  if (owner !== '' && !isOwner(owner)) return undefined;
  if (version !== '' && !VERSION.test(version)) return undefined;
  if (fields.has('D=') && due === undefined) return undefined;
  if (reason !== undefined && !REASON.test(reason)) return undefined;
  const letter = { id, owner, octets, wireOctets, tries, reason, version };
  const dueAt = due === undefined ? undefined : due * 1000;
  return { ...letter, dueAt, ...at, name, lease: leaseOf(fields) };
}

/** Its path below the tree. */
export const pathOf = ({ state, lane, place }: OutboundPlace): string =>
  state === 'taken'
    ? `taken/${lane}`
    : state === 'later'
      ? `later/${place}/${lane}`
      : `${state}/${lane}/${place}`;

/** A reason as it can stand in a name. */
export const reasonIn = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 48) || 'held';

/** Buckets of `waiting` and `hold`: whoever files chooses one. */
export const isOutboundBucket = (name: string): boolean => BUCKET.test(name);

/** Seconds that share a directory of messages: those that come together are made durable so. */
const BUCKET_SECONDS = 16;
const BUCKETS = 256;

/** One of 256 directories for a message and its drafts, by the time of arrival. */
export const messageBucket = (id: string): string =>
  (Math.floor(arrivedAt(id) / 1000 / BUCKET_SECONDS) % BUCKETS).toString(16).padStart(2, '0');

/** A moment, in whole seconds, as the name of a slot: names sort as times do. */
export const slotName = (ms: number): string =>
  new Date(Math.ceil(ms / 1000) * 1000)
    .toISOString()
    .slice(0, 19)
    .replaceAll(/[-:]/g, '')
    .concat('Z');

/** Undefined for what is no slot. */
export function slotTime(name: string): number | undefined {
  const parts = SLOT.exec(name);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second] = parts;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}
