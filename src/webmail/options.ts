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
  'webmail.set-up.imap': { kind: 'text', default: '', doc: `IMAP: ${HOW}` },
  'webmail.set-up.pop3': { kind: 'text', default: '', doc: `POP3: ${HOW}` },
  'webmail.set-up.submission': { kind: 'text', default: '', doc: `Submission: ${HOW}` },
} as const satisfies OptionTable;
