import type { OptionTable } from '../config/options.ts';

/** Connections: how many, how fast, from where, how long their beginning may take. */
export const NET_OPTIONS = {
  'net.connections.max': {
    kind: 'count',
    default: 20_000,
    min: 10,
    max: 1_000_000,
    doc: 'Connections that a node has open at once, all services together. More are refused.',
  },
  'net.connections.per-address': {
    kind: 'count',
    default: 50,
    min: 1,
    max: 100_000,
    doc:
      'Connections that one address (a /64 of IPv6) may have open on a node. Clients behind a ' +
      'balancer are counted in each worker process by itself.',
  },
  'net.rate.per-address': {
    kind: 'count',
    default: 600,
    min: 1,
    max: 1_000_000,
    doc: 'New connections a minute from one address (a /64 of IPv6). As many may come at once.',
  },
  'net.limits.exempt': {
    kind: 'list',
    of: 'address-range',
    default: ['127.0.0.0/8', '::1'],
    doc: 'Addresses that have no limit of their own: our own webmail, monitoring, a large gateway.',
  },
  'net.proxy.from': {
    kind: 'list',
    of: 'address-range',
    default: [],
    doc:
      'Balancers. They must begin each connection with a PROXY protocol header, version 1 or 2, ' +
      'and are believed; from any other address a header is refused as a wrong command.',
  },
  'net.proxy.timeout': {
    kind: 'duration',
    default: 5000,
    min: 100,
    max: 60_000,
    doc: 'How long a balancer may take to send its header.',
  },
  'net.tls.handshake-timeout': {
    kind: 'duration',
    default: 20_000,
    min: 1000,
    max: 300_000,
    doc: 'How long a client may take for the handshake of implicit TLS.',
  },
  'net.tls.reload': {
    kind: 'duration',
    default: 5000,
    min: 100,
    max: 3_600_000,
    doc: 'How often TLS files are looked at for a change.',
  },
  'net.hold.time': {
    kind: 'duration',
    default: 3000,
    min: 100,
    max: 60_000,
    doc: 'How long a new connection waits for a worker process before it is refused.',
  },
  'net.drain.time': {
    kind: 'duration',
    default: 20_000,
    min: 0,
    max: 3_600_000,
    doc: 'How long sessions may go on after SIGTERM or a change of settings.',
  },
} as const satisfies OptionTable;

// Limits of line-transport.ts that no operator needs to turn. Each is tested at its edge.

/** Octets of an oversized line that are skipped before the connection is ended. */
export const SKIPPED_BYTES_MAX = 256 * 1024;
/** Commands served in one turn of the event loop before other connections get theirs. */
export const TURN_COMMANDS_MAX = 100;
/** Replies are gathered up to here before they are written. Node writes 16 KiB without malloc. */
export const TEXT_BYTES_MAX = 16_384;
/** A piece of a message up to here joins the text, so that a small message is one write. */
export const SMALL_CHUNK_BYTES_MAX = 12_288;
