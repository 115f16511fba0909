import assert from 'node:assert/strict';
import type { OptionTable, OptionValues } from '../config/options.ts';

/** JMAP (RFC 8620, RFC 8621). Durations in milliseconds. */
export const JMAP_OPTIONS = {
  'jmap.request.size': {
    kind: 'bytes',
    default: 10_485_760,
    min: 1_048_576,
    max: 104_857_600,
    doc: 'One request to /jmap/api (maxSizeRequest).',
  },
  'jmap.request.concurrent': {
    kind: 'count',
    default: 8,
    min: 4,
    max: 1_000,
    doc: 'Requests of one user at once in a worker (maxConcurrentRequests).',
  },
  'jmap.request.calls': {
    kind: 'count',
    default: 64,
    min: 16,
    max: 1_000,
    doc: 'Method calls in one request (maxCallsInRequest).',
  },
  'jmap.get.objects': {
    kind: 'count',
    default: 1_000,
    min: 500,
    max: 100_000,
    doc: 'Objects that one call may ask for (maxObjectsInGet).',
  },
  'jmap.set.objects': {
    kind: 'count',
    default: 1_000,
    min: 500,
    max: 100_000,
    doc: 'Objects that one call may make, change or destroy (maxObjectsInSet).',
  },
  'jmap.search.time': {
    kind: 'duration',
    default: 4_000,
    min: 100,
    max: 60_000,
    doc:
      'After this time a search (Email/query) answers what it has found among the newest mail, and ' +
      'says that there may be more. What is left is read meanwhile for whoever asks again.',
  },
  'jmap.upload.size': {
    kind: 'bytes',
    default: 52_428_800,
    min: 1_048_576,
    max: 1_073_741_824,
    doc: 'One uploaded file (maxSizeUpload).',
  },
  'jmap.upload.concurrent': {
    kind: 'count',
    default: 4,
    min: 1,
    max: 100,
    doc: 'Uploads of one user at once in a worker (maxConcurrentUpload).',
  },
  'jmap.upload.total': {
    kind: 'bytes',
    default: 524_288_000,
    min: 1_048_576,
    max: 1_099_511_627_776,
    doc: 'What one user may have uploaded within the time that uploads are kept.',
  },
  'jmap.upload.keep': {
    kind: 'duration',
    default: 86_400_000,
    min: 3_600_000,
    max: 604_800_000,
    doc: 'How long an uploaded file can be put into a message. Then it is removed.',
  },
  'jmap.events.streams': {
    kind: 'count',
    default: 20,
    min: 1,
    max: 1_000,
    doc: 'Streams of events (/jmap/events) of one user at once in a worker.',
  },
  'jmap.events.recheck': {
    kind: 'duration',
    default: 60_000,
    min: 1_000,
    max: 3_600_000,
    doc: 'How often it is asked again whether the sign-in of a stream of events still holds.',
  },
} as const satisfies OptionTable;

export type JmapOptionValues = OptionValues<typeof JMAP_OPTIONS>;

// Limits that no operator needs to turn. Each is tested at its edge.

/** Arrays and objects within each other in a request. */
export const JSON_DEPTH_MAX = 64;
/** An uploaded file is kept in pieces of so many octets: what an upload has in memory. */
export const UPLOAD_PIECE_BYTES = 1_048_576;
/** Properties of emails in one call; those of header fields (RFC 8621 §4.1.3) have no end. */
export const PROPERTIES_MAX = 200;
/** Parts of messages that one Email/parse keeps, so that each has a blob id. */
export const PARSED_PARTS_MAX = 200;
/** Between two pings of a stream of events, in seconds (RFC 8620 §7.3 lets a server decide). */
export const PING_SECONDS_MIN = 15;
export const PING_SECONDS_MAX = 300;
/** Changes within this time are told by one event, in milliseconds. */
export const EVENT_GATHER_MS = 100;
/** Answers wait so long for threads that are not all known, in milliseconds. */
export const THREADS_WAIT_MS = 200;
/** Downloads of one user at once in a worker: each holds an open file, at its reader's pace. */
export const DOWNLOADS_MAX = 50;
/** The name of a file in a download, in characters. */
export const FILE_NAME_MAX = 150;

assert.ok(JMAP_OPTIONS['jmap.upload.size'].default <= JMAP_OPTIONS['jmap.upload.total'].default);
