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
} as const satisfies OptionTable;

export type MailboxOptions = OptionValues<typeof MAILBOX_OPTIONS>;
