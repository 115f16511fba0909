import type { OptionTable } from '../config/options.ts';

const HOW =
  'HOST:PORT as clients reach it. Ports 143, 110 and 587 begin without TLS and must use STARTTLS; ' +
  'others are TLS from the start. Empty: as this node listens.';

/** What clients are told; how requests are answered is in http/web-options.ts. */
export const WEBMAIL_OPTIONS = {
  'webmail.name': {
    kind: 'text',
    default: 'Mail',
    doc: 'What people call this farm: in programs that are set up by it, and beside their codes.',
  },
  'webmail.mta-sts': {
    kind: 'choice',
    default: 'testing',
    values: ['none', 'testing', 'enforce'],
    doc:
      'The MTA-STS policy of all domains here (RFC 8461), for MX in the zone of farm.host-name: ' +
      'enforce it once reports (TLS-RPT) are good; none takes an earlier one back. `mailfarm dns` ' +
      'prints its record.',
  },
  'webmail.set-up.imap': { kind: 'text', default: '', doc: `IMAP: ${HOW}` },
  'webmail.set-up.pop3': { kind: 'text', default: '', doc: `POP3: ${HOW}` },
  'webmail.set-up.submission': { kind: 'text', default: '', doc: `Submission: ${HOW}` },
} as const satisfies OptionTable;
