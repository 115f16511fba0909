import type { OptionTable } from '../config/options.ts';

/** Where the directory is stands in the node's file; how it is asked stands here. */
export const DIRECTORY_OPTIONS = {
  postmaster: {
    kind: 'text',
    default: '',
    doc: 'Login that takes the mail for postmaster where nobody has it; empty: an administrator.',
  },
  'directory.connect.deadline': {
    kind: 'duration',
    default: 3_000,
    min: 100,
    max: 60_000,
    doc: 'Connecting, StartTLS and the bind that follows must be done in this time.',
  },
  'directory.operation.deadline': {
    kind: 'duration',
    default: 3_000,
    min: 100,
    max: 60_000,
    doc: 'An answer later than this counts as none; the next server is asked.',
  },
  'directory.retry': {
    kind: 'duration',
    default: 1_000,
    min: 10,
    max: 60_000,
    doc: 'A server that failed is left alone this long before it is tried again.',
  },
  'directory.search.connections': {
    kind: 'count',
    default: 2,
    min: 1,
    max: 64,
    doc: 'Connections of one process for look-ups; many look-ups share one.',
  },
  'directory.bind.connections': {
    kind: 'count',
    default: 4,
    min: 1,
    max: 64,
    doc: 'Connections of one process that verify passwords, one at a time each.',
  },
  'directory.cache.fresh': {
    kind: 'duration',
    default: 5_000,
    min: 0,
    max: 3_600_000,
    doc: 'A positive answer is used this long without asking again. Negative ones are not kept.',
  },
  'directory.cache.stale': {
    kind: 'duration',
    default: 1_800_000,
    min: 0,
    max: 604_800_000,
    doc: 'While no server answers, the last known good answer is used up to this age.',
  },
  'directory.cache.entries': {
    kind: 'count',
    default: 100_000,
    min: 100,
    max: 10_000_000,
    doc: 'Answers kept by one process; the least recently used go first.',
  },
  'directory.expansion.max': {
    kind: 'count',
    default: 1_000,
    min: 1,
    max: 1_000_000,
    doc: 'Mailboxes and addresses elsewhere that one address may stand for; more is deferred.',
  },
  'directory.snapshot.negative': {
    kind: 'duration',
    default: 7_200_000,
    min: 0,
    max: 604_800_000,
    doc: 'With a snapshot for a directory: younger than this, who is not in it does not exist.',
  },
  'directory.snapshot.stale': {
    kind: 'duration',
    default: 86_400_000,
    min: 60_000,
    max: 2_592_000_000,
    doc: 'A snapshot older than this answers nothing.',
  },
  'directory.password.fresh': {
    kind: 'duration',
    default: 5_000,
    min: 0,
    max: 600_000,
    doc: 'A verified password is accepted this long without a new bind.',
  },
  'directory.password.outage': {
    kind: 'duration',
    default: 600_000,
    min: 0,
    max: 86_400_000,
    doc: 'While no server answers, a password this process verified is accepted up to this age.',
  },
} as const satisfies OptionTable;

export const EMBEDDED_OPTIONS = {
  'directory.embedded.connections': {
    kind: 'count',
    default: 1_000,
    min: 10,
    max: 100_000,
    doc: 'Connections the embedded directory takes at once.',
  },
  'directory.embedded.message.max': {
    kind: 'bytes',
    default: 4_194_304,
    min: 65_536,
    max: 268_435_456,
    doc: 'Largest request after a bind; before it, 64 KiB.',
  },
  'directory.embedded.idle': {
    kind: 'duration',
    default: 900_000,
    min: 1_000,
    max: 86_400_000,
    doc: 'A connection that sends nothing this long is closed.',
  },
  'directory.embedded.journal.max': {
    kind: 'bytes',
    default: 4_194_304,
    min: 4_096,
    max: 1_073_741_824,
    doc: 'When the journal of changes is larger than this and than half the tree, it is folded in.',
  },
  'directory.embedded.password.scheme': {
    kind: 'choice',
    default: 'ARGON2',
    values: ['ARGON2', 'SSHA512'],
    doc: 'How a password given in the clear is stored. OpenLDAP reads both (argon2, pw-sha2).',
  },
  'directory.embedded.bind.delay': {
    kind: 'duration',
    default: 2_000,
    min: 0,
    max: 60_000,
    doc:
      'The answer to a wrong password is held back, longer each time, up to this. Not where a ' +
      'front end is connected from the same address.',
  },
} as const satisfies OptionTable;

/** Of administration: `openAdmin` and what stands on it. */
export const ADMIN_OPTIONS = {
  'users.removed.keep': {
    kind: 'duration',
    default: 2_592_000_000,
    min: 0,
    max: 315_360_000_000,
    doc: 'A removed user is not purged before this time is over, unless somebody insists.',
  },
  'admin.claim.duration': {
    kind: 'duration',
    default: 60_000,
    min: 3_000,
    max: 3_600_000,
    doc: 'A claim on an entry ends after this when its holder does not renew it.',
  },
  'admin.watch.interval': {
    kind: 'duration',
    default: 2_000,
    min: 100,
    max: 600_000,
    doc: 'How often an administration session looks for changes and at its claims.',
  },
} as const satisfies OptionTable;
