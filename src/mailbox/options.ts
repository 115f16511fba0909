import type { OptionTable, OptionValues } from '../config/options.ts';

export const MAILBOX_OPTIONS = {
  'mailbox.usage.cache': {
    kind: 'duration',
    default: 15_000,
    min: 0,
    max: 3_600_000,
    doc:
      'How long a mailbox size counts for quota before it is listed again. Front ends times ' +
      'this bounds the overshoot.',
  },
  'mailbox.usage.accounts.max': {
    kind: 'count',
    default: 50_000,
    min: 1,
    max: 10_000_000,
    doc: 'Mailbox sizes that a process remembers.',
  },
  'mailbox.usage.sizing.max': {
    kind: 'count',
    default: 200,
    min: 0,
    max: 1_000_000,
    doc:
      'Files without their size in the name that are read for one quota question; the others ' +
      'wait for the next, or for POP3.',
  },
  'mailbox.sizing.parallel': {
    kind: 'count',
    default: 4,
    min: 1,
    max: 64,
    doc: 'Files without their size in the name that one session reads at once.',
  },
  'mailbox.message.max': {
    kind: 'bytes',
    default: 52_428_800,
    min: 65_536,
    max: 2_147_483_648,
    doc: 'Largest message that a client may put into a folder (IMAP APPEND), in octets.',
  },
  'mailbox.folders.max': {
    kind: 'count',
    default: 1000,
    min: 1,
    max: 100_000,
    doc: 'Folders that a user may have, INBOX among them.',
  },
  'mailbox.folders.new': {
    kind: 'list',
    of: 'text',
    default: [],
    doc:
      'Folders that a user gets, subscribed, when somebody first looks at the folders of a ' +
      'mailbox that has INBOX only: Drafts, Sent, Junk and Trash, for example.',
  },
  'mailbox.watch.min': {
    kind: 'duration',
    default: 1_000,
    min: 250,
    max: 3_600_000,
    doc:
      'Pause between two looks at a folder that a client waits for (IMAP IDLE) and that changed ' +
      'just now. It grows while nothing changes. A look is three GETATTR over NFS.',
  },
  'mailbox.watch.max': {
    kind: 'duration',
    default: 30_000,
    min: 250,
    max: 3_600_000,
    doc:
      'The longest such pause: so late may a change of another host be told without hints. Nodes ' +
      'with a listener `hints ADDRESS:PORT` (UDP) tell each other at once what they changed.',
  },
  'mailbox.watch.gap': {
    kind: 'duration',
    default: 50,
    min: 0,
    max: 60_000,
    doc: 'Pause between two looks at a folder, however many hints come.',
  },
  'mailbox.watch.parallel': {
    kind: 'count',
    default: 8,
    min: 1,
    max: 1000,
    doc: 'Watched folders that a process looks at at once.',
  },
  'mailbox.summaries.cache': {
    kind: 'bytes',
    default: 67_108_864,
    min: 65_536,
    max: 68_719_476_736,
    doc:
      'Memory of a process for what it knows of messages (senders, subjects, parts), about 1 KB ' +
      'each. What is not in memory is read from batches beside the folder.',
  },
  'mailbox.search.octets.max': {
    kind: 'bytes',
    default: 1_073_741_824,
    min: 65_536,
    max: 1_099_511_627_776,
    doc: 'Octets of messages that one search may read; one that needs more is refused.',
  },
  'mailbox.search.time.max': {
    kind: 'duration',
    default: 60_000,
    min: 100,
    max: 3_600_000,
    doc: 'How long one search may take; one that needs longer is refused.',
  },
} as const satisfies OptionTable;

export type MailboxOptions = OptionValues<typeof MAILBOX_OPTIONS>;
