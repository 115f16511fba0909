import assert from 'node:assert/strict';
import type { OptionTable } from '../config/options.ts';

/** The services `http` and `https`: JMAP and webmail. Durations in milliseconds. */
export const WEB_OPTIONS = {
  'web.plaintext': {
    kind: 'choice',
    default: 'loopback-only',
    values: ['loopback-only', 'never', 'always'],
    doc:
      'Who may use webmail and JMAP without TLS. Others are sent to https, and what carries a ' +
      'password is refused. `always` is for a balancer of yours that ends TLS.',
  },
  'web.header.timeout': {
    kind: 'duration',
    default: 15_000,
    min: 1_000,
    max: 120_000,
    doc: 'From the first octet of a request to the end of its header.',
  },
  'web.request.timeout': {
    kind: 'duration',
    default: 900_000,
    min: 10_000,
    max: 7_200_000,
    doc: 'A whole request with its body: 15 minutes for an attachment on a slow line.',
  },
  'web.idle.timeout': {
    kind: 'duration',
    default: 120_000,
    min: 1_000,
    max: 3_600_000,
    doc:
      'A connection on which nothing moves while a request or its answer is on the way. What an ' +
      'answer may take to begin is bounded by it too.',
  },
  'web.keep-alive.timeout': {
    kind: 'duration',
    default: 75_000,
    min: 1_000,
    max: 3_600_000,
    doc: 'Between two requests on a connection. Longer than the balancer in front keeps them.',
  },
  'web.body.size': {
    kind: 'bytes',
    default: 65_536,
    min: 4_096,
    max: 1_048_576,
    doc: 'The body of a request, except those of JMAP, which has limits of its own.',
  },
  'web.hsts': {
    kind: 'duration',
    default: 31_536_000_000,
    min: 0,
    max: 63_072_000_000,
    doc: 'How long browsers are told to come by TLS only (RFC 6797); said over TLS; 0: not at all.',
  },
} as const satisfies OptionTable;

// Limits that no operator needs to turn. Each is tested at its edge.

/** A request line with all header fields; a sealed cookie has some 1,500 octets. */
export const HEADER_BYTES_MAX = 16_384;
/** One parameter in a path: an id, or the name of a file in UTF-8 of which each octet is three. */
export const PATH_PARAM_MAX = 1_000;
/** Of a refused body that is still read, so that the client sees the refusal. */
export const LINGER_BYTES_MAX = 1_048_576;
export const LINGER_MS = 2_000;

assert.ok(WEB_OPTIONS['web.header.timeout'].max <= WEB_OPTIONS['web.request.timeout'].max);
assert.ok(PATH_PARAM_MAX < HEADER_BYTES_MAX);
