import { mailAddresses } from './addresses.ts';
import { FIELD, type FieldReader } from './fields.ts';
import type { Envelope, MailAddress } from './types.ts';

const NOBODY: readonly MailAddress[] = [];
/** More are not kept: a thread is followed from its start and from its end. */
export const REFERENCES_MAX = 1000;

/** RFC 9051 §7.5.2. */
export function envelopeOf(fields: FieldReader): Envelope {
  const addresses = (slot: number): readonly MailAddress[] => {
    const value = fields.value(slot);
    return value === undefined || value === '' ? NOBODY : mailAddresses(value);
  };
  return {
    date: fields.value(FIELD.date),
    subject: fields.value(FIELD.subject),
    from: addresses(FIELD.from),
    sender: addresses(FIELD.sender),
    replyTo: addresses(FIELD['reply-to']),
    to: addresses(FIELD.to),
    cc: addresses(FIELD.cc),
    bcc: addresses(FIELD.bcc),
    inReplyTo: fields.value(FIELD['in-reply-to']),
    messageId: fields.value(FIELD['message-id']),
  };
}

const NONE: readonly string[] = [];
const ID = /<([^<>\s]{1,998})>/g;

/**
 * Message ids of a field, without angle brackets; what stands between is left out (RFC 5256 §3).
 */
export function idsOf(value: string | undefined): readonly string[] {
  if (value === undefined || value === '') return NONE;
  const ids: string[] = [];
  for (const match of value.matchAll(ID)) ids.push(match[1] as string);
  return ids.length > REFERENCES_MAX ? [...ids.slice(0, 1), ...ids.slice(1 - REFERENCES_MAX)] : ids;
}
