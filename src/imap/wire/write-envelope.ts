import type { Envelope, MailAddress } from '../../message/mime/types.ts';
import { textOrNil } from './write-text.ts';

/**
 * ENVELOPE's value (RFC 9051 §7.5.2). Texts stay as they stand in the message. Sender and Reply-To
 * are From where they are missing.
 */
export function writeEnvelope(envelope: Envelope): string {
  const { sender, replyTo } = envelope;
  const from = addresses(envelope.from);
  return (
    `(${textOrNil(envelope.date)} ${textOrNil(envelope.subject)} ${from} ` +
    `${sender.length === 0 ? from : addresses(sender)} ` +
    `${replyTo.length === 0 ? from : addresses(replyTo)} ` +
    `${addresses(envelope.to)} ${addresses(envelope.cc)} ${addresses(envelope.bcc)} ` +
    `${textOrNil(envelope.inReplyTo)} ${textOrNil(envelope.messageId)})`
  );
}

/** Of a message that was not looked into. */
export const EMPTY_ENVELOPE = '(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)';

function addresses(list: readonly MailAddress[]): string {
  if (list.length === 0) return 'NIL';
  let text = '(';
  for (const address of list) text += writeAddress(address);
  return `${text})`;
}

/** Name, source route (nobody writes one), local part, domain. */
const writeAddress = ({ name, local, domain }: MailAddress): string =>
  `(${textOrNil(name)} NIL ${textOrNil(local)} ${textOrNil(domain)})`;
