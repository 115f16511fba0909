/**
 * An answer in a user's absence (RFC 3834 §3), in stored form (LF line ends). It goes to the
 * envelope sender, with the null sender; whether there is one: `vacationAnswer`.
 */
import type { Random } from '../base/random.ts';
import { messageId, textPart } from './body.ts';
import { dateTime } from './date.ts';
import {
  addressField,
  headerAddress,
  structured,
  subjectText,
  threadFields,
  unstructured,
  type Person,
} from './field.ts';
import { valueOf, type MessageHead } from './head.ts';
import { isAscii, plainText } from './plain.ts';

export interface VacationFacts {
  /** The absent user. */
  readonly user: Person;
  /** Envelope sender of the letter, as `vacationAnswer` gave it. */
  readonly to: string;
  /** Header of the letter. */
  readonly head: Pick<MessageHead, 'fields'>;
  /** What the user wrote; any characters, lines end with LF. */
  readonly text: string;
  /** Undefined: made from that of the letter. */
  readonly subject?: string | undefined;
  readonly at: number;
  /** Domain of the message id. */
  readonly host: string;
  readonly random: Random;
}

export interface WrittenAnswer {
  /** Its header needs SMTPUTF8. */
  readonly smtpUtf8: boolean;
  readonly messageId: string;
  readonly bytes: Buffer;
}

/** Longer texts are cut: an answer is a note. */
const TEXT_CHARACTERS_MAX = 20_000;

/** Writes an answer. */
export function writeVacation(facts: VacationFacts): WrittenAnswer {
  const { head } = facts;
  const id = messageId(facts.random, facts.at, facts.host);
  const { fields, body } = textPart(cleanText(facts.text));
  const text =
    `Date: ${dateTime(facts.at)}\n` +
    addressField('From', facts.user) +
    addressField('To', { address: facts.to }) +
    unstructured('Subject', subjectOf(facts)) +
    structured('Message-ID', [`<${id}>`]) +
    threadFields({
      messageId: valueOf(head, 'message-id'),
      references: valueOf(head, 'references'),
      inReplyTo: valueOf(head, 'in-reply-to'),
    }) +
    'Auto-Submitted: auto-replied\n' +
    'X-Auto-Response-Suppress: All\n' +
    'MIME-Version: 1.0\n' +
    `${fields}\n${body}`;
  const addresses = [facts.to, facts.user.address];
  return {
    smtpUtf8: addresses.some((address) => !isAscii(headerAddress(address) ?? '')),
    messageId: id,
    bytes: Buffer.from(text),
  };
}

function subjectOf({ subject, head }: VacationFacts): string {
  const own = plainText(subject ?? '', 200);
  if (own !== '') return own;
  const theirs = subjectText(valueOf(head, 'subject'));
  return theirs === '' ? 'Auto: your letter' : `Auto: ${theirs}`;
}

/** The user's own text: only what would act on a terminal is left out. */
function cleanText(text: string): string {
  const lines = text.slice(0, TEXT_CHARACTERS_MAX).toWellFormed().replace(/\r\n?/g, '\n');
  return lines.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, '').replace(/\s*$/, '\n');
}
