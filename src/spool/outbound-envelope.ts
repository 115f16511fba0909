import { isId } from './names.ts';
import type {
  NotifyOn,
  Origin,
  OutboundEnvelope,
  OutboundRecipient,
  Route,
  Trouble,
} from './outbound.ts';

/** The envelope as a file: JSON, readable by eye, never changed. */
const FORMAT = 'mailfarm-outbound-1';
/** A list of 20,000 in one domain. */
export const OUTBOUND_ENVELOPE_OCTETS_MAX = 8_388_608;

export const formatOutboundEnvelope = (envelope: OutboundEnvelope): string =>
  `${JSON.stringify({ format: FORMAT, ...envelope }, undefined, 2)}\n`;

/** Whether these are all octets of an envelope: only its last line begins with a brace. */
export const isWholeEnvelope = (bytes: Buffer): boolean => bytes.subarray(-3).equals(END);
const END = Buffer.from('\n}\n');

/** Undefined for a text that is none: damaged, or of a release that we do not know. */
export function parseOutboundEnvelope(json: string): OutboundEnvelope | undefined {
  try {
    const fields = record(JSON.parse(json));
    return fields['format'] === FORMAT ? envelopeOf(fields) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof Damaged) return undefined;
    throw error;
  }
}

/** A field is not what it has to be. */
class Damaged extends Error {}

type Fields = Readonly<Record<string, unknown>>;

const ORIGINS: readonly Origin[] = ['submission', 'forward', 'list', 'notice', 'relay', 'vacation'];
const NOTIFY: readonly NotifyOn[] = ['success', 'failure', 'delay'];

function envelopeOf(fields: Fields): OutboundEnvelope {
  const id = text(fields, 'id');
  if (!isId(id)) throw new Damaged('id');
  return {
    id,
    route: routeOf(record(fields['route'])),
    origin: oneOf(fields['origin'], ORIGINS),
    owner: text(fields, 'owner'),
    login: text(fields, 'login'),
    sender: text(fields, 'sender'),
    recipients: list(fields, 'recipients').map((one) => recipientOf(record(one))),
    ret: fields['ret'] === undefined ? undefined : oneOf(fields['ret'], ['full', 'hdrs']),
    envid: optional(fields, 'envid'),
    smtpUtf8: flag(fields, 'smtpUtf8'),
    sign: flag(fields, 'sign'),
    octets: whole(fields, 'octets'),
    wireOctets: whole(fields, 'wireOctets'),
    trace: text(fields, 'trace'),
    node: text(fields, 'node'),
    acceptedAt: whole(fields, 'acceptedAt'),
    tries: whole(fields, 'tries'),
    delayTold: flag(fields, 'delayTold'),
    troubles: list(fields, 'troubles').map((one) => troubleOf(record(one))),
  };
}

function routeOf(fields: Fields): Route {
  const kind = oneOf(fields['kind'], ['mx', 'host', 'farm'] as const);
  if (kind === 'farm') return { kind };
  if (kind === 'mx') return { kind, domain: text(fields, 'domain') };
  const port = whole(fields, 'port');
  if (port === 0 || port > 65_535) throw new Damaged('port');
  const protocol = oneOf(fields['protocol'], ['smtp', 'lmtp'] as const);
  return { kind, host: text(fields, 'host'), port, protocol };
}

function recipientOf(fields: Fields): OutboundRecipient {
  const notify = fields['notify'];
  const asked =
    notify === undefined || notify === 'never'
      ? notify
      : list(fields, 'notify').map((one) => oneOf(one, NOTIFY));
  return {
    address: text(fields, 'address'),
    original: optional(fields, 'original'),
    notify: asked,
  };
}

const troubleOf = (fields: Fields): Trouble => ({
  address: text(fields, 'address'),
  status: text(fields, 'status'),
  text: text(fields, 'text'),
  remote: optional(fields, 'remote'),
  ...(fields['at'] !== undefined && { at: whole(fields, 'at') }),
});

function record(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Damaged('');
  return value as Fields;
}

function list(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw new Damaged(name);
  return value;
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new Damaged(name);
  return value;
}

const optional = (fields: Fields, name: string): string | undefined =>
  fields[name] === undefined ? undefined : text(fields, name);

function whole(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !(value >= 0) || value > Number.MAX_SAFE_INTEGER) {
    throw new Damaged(name);
  }
  return value;
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value !== 'boolean') throw new Damaged(name);
  return value;
}

function oneOf<T>(value: unknown, all: readonly T[]): T {
  if (!all.includes(value as T)) throw new Damaged('');
  return value as T;
}
