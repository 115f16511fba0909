import type { OptionTable, OptionValues } from '../config/options.ts';

/** What users may send. Limits of the protocol are in smtp/options.ts. */
export const SUBMISSION_OPTIONS = {
  'submission.from': {
    kind: 'choice',
    default: 'enforce',
    values: ['enforce', 'sender', 'off'],
    doc:
      'Addresses in From that are not of who is logged in: refused (enforce), or a Sender line ' +
      'names who it was (sender), or nothing (off).',
  },
  'submission.from.missing': {
    kind: 'choice',
    default: 'add',
    values: ['add', 'refuse'],
    doc: 'A message without From: it is added from the envelope sender, or refused.',
  },
  'submission.sender.null': {
    kind: 'choice',
    default: 'allowed',
    values: ['allowed', 'refused'],
    doc: 'Whether users may send with the null sender, as read receipts do (RFC 8098 §2.1).',
  },
  'submission.received.login': {
    kind: 'choice',
    default: 'hidden',
    values: ['hidden', 'told'],
    doc: 'Whether Received tells the login of who sent it.',
  },
  'submission.received.address': {
    kind: 'choice',
    default: 'told',
    values: ['hidden', 'told'],
    doc: 'Whether Received tells the address and the host name of the client.',
  },
  'submission.header.max': {
    kind: 'bytes',
    default: 262_144,
    min: 16_384,
    max: 4_194_304,
    doc: 'Longest header in octets; more gets 552 5.3.4.',
  },
  'submission.messages.hour': {
    kind: 'count',
    default: 300,
    min: 0,
    max: 10_000_000,
    doc: 'Messages of one user in an hour, over the whole farm; 0 is no limit.',
  },
  'submission.messages.day': {
    kind: 'count',
    default: 2000,
    min: 0,
    max: 10_000_000,
    doc: 'Messages of one user in a day, over the whole farm; 0 is no limit.',
  },
  'submission.recipients.hour': {
    kind: 'count',
    default: 1000,
    min: 0,
    max: 10_000_000,
    doc: 'Recipients of one user in an hour, over the whole farm; 0 is no limit.',
  },
  'submission.recipients.day': {
    kind: 'count',
    default: 5000,
    min: 0,
    max: 10_000_000,
    doc: 'Recipients of one user in a day, over the whole farm; 0 is no limit.',
  },
  'submission.recipients.max': {
    kind: 'count',
    default: 500,
    min: 1,
    max: 50_000,
    doc: 'Recipients of one message; more get 452 4.5.3.',
  },
} as const satisfies OptionTable;

export type SubmissionOptions = OptionValues<typeof SUBMISSION_OPTIONS>;
