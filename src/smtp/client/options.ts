import type { OptionTable, OptionValues } from '../../config/options.ts';

const row = (seconds: number, doc: string) =>
  ({ kind: 'duration', default: seconds * 1000, min: 50, max: 3_600_000, doc }) as const;

/** How long a peer may take (RFC 5321 §4.5.3.2). */
export const SMTP_CLIENT_OPTIONS = {
  'smtp.client.greeting.timeout': row(300, 'Wait for a peer’s greeting (RFC 5321 §4.5.3.2.1).'),
  'smtp.client.command.timeout': row(
    300,
    'Wait for a reply to MAIL, RCPT and others (§4.5.3.2.2).',
  ),
  'smtp.client.tls.timeout': row(60, 'Time for a TLS handshake after STARTTLS.'),
  'smtp.client.data.timeout': row(120, 'Wait for the reply to DATA (RFC 5321 §4.5.3.2.4).'),
  'smtp.client.block.timeout': row(
    180,
    'How long a peer may take nothing of a message (§4.5.3.2.5).',
  ),
  'smtp.client.end.timeout': row(
    600,
    'Wait for the reply to a whole message (RFC 5321 §4.5.3.2.6).',
  ),
} as const satisfies OptionTable;

export type SmtpClientOptions = OptionValues<typeof SMTP_CLIENT_OPTIONS>;

/** Longest reply line taken; RFC 5321 §4.5.3.1.5 allows 512, some peers write longer ones. */
export const PEER_LINE_BYTES_MAX = 4096;
/** Longest reply with all its lines. */
export const PEER_REPLY_BYTES_MAX = 65_536;
