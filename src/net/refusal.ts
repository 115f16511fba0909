/**
 * Why a connection is not served, in the words of its protocol, always temporary. Where TLS comes
 * first there is no way to say anything, so the connection is just closed.
 */
import type { Socket } from 'node:net';

/** How a service refuses: by its protocol's greeting line, or without a word. */
export type RefusalStyle = 'smtp' | 'pop3' | 'imap' | 'http' | 'silent';

export const REFUSAL_REASONS = ['total', 'address', 'rate', 'no-worker'] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

const PROSE: Readonly<Record<RefusalReason, string>> = {
  total: 'Too many connections, try again later',
  address: 'Too many connections from your address, try again later',
  rate: 'Connections from your address come too fast, try again later',
  'no-worker': 'Service not ready, try again later',
};

/** RFC 3463 §3.4 and §3.8: the system's own trouble, or policy about one client. */
const ENHANCED: Readonly<Record<RefusalReason, string>> = {
  total: '4.3.2',
  address: '4.7.0',
  rate: '4.7.0',
  'no-worker': '4.3.2',
};

/** RFC 9110 §15.6.4 and RFC 9457. Whoever asks through a balancer has sent its request already. */
function httpRefusal(reason: RefusalReason): string {
  const problem = { title: 'Service Unavailable', status: 503, detail: PROSE[reason] };
  const body = JSON.stringify(problem);
  const head = [
    'HTTP/1.1 503 Service Unavailable',
    'Retry-After: 5',
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

/** The line with its CRLF, or all of an answer; undefined where nothing is said. */
export function refusalLine(style: RefusalStyle, reason: RefusalReason): string | undefined {
  switch (style) {
    case 'smtp':
      return `421 ${ENHANCED[reason]} ${PROSE[reason]}\r\n`; // RFC 5321 §3.8.
    case 'pop3':
      return `-ERR [SYS/TEMP] ${PROSE[reason]}\r\n`; // RFC 3206 §3.
    case 'imap':
      return `* BYE [UNAVAILABLE] ${PROSE[reason]}\r\n`; // RFC 5530 §3.
    case 'http':
      return httpRefusal(reason);
    case 'silent':
      return undefined;
  }
}

/** Says the line and closes. The line fits any socket's buffer, so nothing waits for the peer. */
export function refuse(socket: Socket, style: RefusalStyle, reason: RefusalReason): void {
  const line = refusalLine(style, reason);
  if (line === undefined) {
    socket.destroy();
  } else {
    socket.end(line);
    socket.destroySoon();
  }
}
