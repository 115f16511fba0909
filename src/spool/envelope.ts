import { isId, isLane, isOwner } from './names.ts';

/**
 * What is to become of a letter: a small file of JSON, readable by eye, written once. What changes
 * (who is at work, how often it was tried) is in its name; see names.ts.
 */
export interface Envelope {
  readonly id: string;
  /** Immutable id of the account. */
  readonly owner: string;
  /** Login at the time, for people: the id counts. */
  readonly login: string;
  /** Recipient as the client gave it. */
  readonly address: string;
  /** The volume that was down. */
  readonly lane: string;
  readonly octets: number;
  readonly wireOctets: number;
  /** Of the session that brought it; stands in the logs of parking and of landing. */
  readonly trace: string;
  /** Node that took it. */
  readonly node: string;
  /** When, by that node's clock (RFC 3339). */
  readonly parked: string;
}

const FORMAT = 'mailfarm-envelope-1';
export const ENVELOPE_OCTETS_MAX = 8192;
const TEXT_MAX = 1024;

export const formatEnvelope = (envelope: Envelope): string =>
  `${JSON.stringify({ format: FORMAT, ...envelope }, undefined, 2)}\n`;

/** Undefined for a text that is none: damaged, or of a release that we do not know. */
export function parseEnvelope(text: string): Envelope | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  if (fields['format'] !== FORMAT) return undefined;
  const read = (name: keyof Envelope): string => {
    const found = fields[name];
    return typeof found === 'string' && found.length <= TEXT_MAX ? found : '';
  };
  const whole = (name: keyof Envelope): number => {
    const found = fields[name];
    return Number.isSafeInteger(found) && Number(found) >= 0 ? Number(found) : -1;
  };
  const envelope: Envelope = {
    id: read('id'),
    owner: read('owner'),
    login: read('login'),
    address: read('address'),
    lane: read('lane'),
    octets: whole('octets'),
    wireOctets: whole('wireOctets'),
    trace: read('trace'),
    node: read('node'),
    parked: read('parked'),
  };
  const { id, owner, lane, octets, wireOctets } = envelope;
  const sound = isId(id) && isOwner(owner) && isLane(lane) && octets >= 0 && wireOctets >= 0;
  return sound ? envelope : undefined;
}
