/**
 * The header lines that final delivery puts before a message, with LF line ends: Return-Path,
 * Delivered-To, Received (RFC 5321 §4.4).
 *
 * A file that several mailboxes share has no line that is true for one of them only: `for` and
 * Delivered-To stand there only when the share has a single recipient, or a Bcc would be told.
 */
import { dateTime } from '../message/date.ts';
import type { SessionView } from './types.ts';

export interface TraceFacts {
  readonly session: SessionView;
  /** Trace id of the message. */
  readonly id: string;
  /** Our own name. */
  readonly hostName: string;
  /** Reverse path without brackets; '' for the null sender. */
  readonly sender: string;
  /** The transaction used SMTPUTF8. */
  readonly smtpUtf8: boolean;
  /** Time of arrival, milliseconds since 1970. */
  readonly at: number;
  /** Who logged in, where Received may tell it. */
  readonly login?: string | undefined;
  /** Neither name nor address of the client is told. */
  readonly anonymous?: boolean | undefined;
  /** Recipients of this share, as the client gave them. */
  readonly recipients: readonly string[];
}

/** All trace lines of one share. Every line is shorter than 998 octets (RFC 5322 §2.1.1). */
export function traceHeader(facts: TraceFacts): string {
  const only = onlyOf(facts);
  return (
    `Return-Path: <${inHeader(facts.sender)}>\n` +
    (only === undefined ? '' : `Delivered-To: ${inHeader(only)}\n`) +
    receivedHeader(facts)
  );
}

/** Received alone: what goes on to another host has no other trace line (RFC 5321 §4.4). */
export function receivedHeader(facts: Omit<TraceFacts, 'sender'>): string {
  const only = onlyOf(facts);
  const { session } = facts;
  const tls = session.tls
    ? `\n\t(${atoms(session.tls.protocol)} ${atoms(session.tls.cipher)})`
    : '';
  const login = facts.login === undefined ? '' : `\n\t(login ${commented(facts.login)})`;
  return (
    `Received: from ${from(facts)}\n` +
    `\tby ${atoms(facts.hostName)} with ${protocol(session, facts.smtpUtf8)} id ${facts.id}` +
    tls +
    login +
    (only === undefined ? '' : `\n\tfor <${inHeader(only)}>`) +
    `;\n\t${dateTime(facts.at)}\n`
  );
}

/** Whom it is for, where that tells nobody of another recipient. */
const onlyOf = (facts: Pick<TraceFacts, 'recipients'>): string | undefined =>
  facts.recipients.length === 1 ? facts.recipients[0] : undefined;

const from = ({ session, anonymous }: Pick<TraceFacts, 'session' | 'anonymous'>): string =>
  anonymous === true
    ? 'unknown (address withheld)'
    : `${heloName(session.helo)} (${addressLiteral(session.peer.remoteAddress)})`;

/** Inside a comment: what could end it is left out. */
const commented = (text: string): string => inHeader(text).replace(/[()\\]/g, '?');

/** RFC 3848, and RFC 6531 §4.3 for SMTPUTF8; what webmail everywhere calls itself. */
export function protocol(session: SessionView, smtpUtf8: boolean): string {
  if (session.over === 'http') return session.tls ? 'HTTPS' : 'HTTP';
  const how = `${session.tls ? 'S' : ''}${session.account ? 'A' : ''}`;
  if (session.mode === 'lmtp') return `${smtpUtf8 ? 'UTF8' : ''}LMTP${how}`;
  if (smtpUtf8) return `UTF8SMTP${how}`;
  return session.extended ? `ESMTP${how}` : 'SMTP';
}

/** `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3). A zone id is dropped. */
export function addressLiteral(address: string): string {
  const plain = address.replace(/%.*$/, '').replace(/[^0-9A-Fa-f:.]/g, '');
  return plain.includes(':') ? `[IPv6:${plain}]` : `[${plain}]`;
}

/** What the client calls itself, if that is a name or a literal; else `unknown`. */
function heloName(helo: string): string {
  return /^[A-Za-z0-9._-]{1,255}$|^\[[A-Za-z0-9.:]{1,64}\]$/.test(helo) ? helo : 'unknown';
}

/** Peer text inside a header: what could end the line or the header cannot pass. */
const inHeader = (text: string): string => text.replace(/[\0-\x1f\x7f]/g, '?').slice(0, 512);

const atoms = (text: string): string => text.replace(/[^A-Za-z0-9._-]/g, '?').slice(0, 255);
