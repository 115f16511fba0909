import type { Random } from '../base/random.ts';
import { messageId, textPart } from '../message/body.ts';
import { dateTime } from '../message/date.ts';
import { addressField, structured, unstructured } from '../message/field.ts';
import { valueOf, type MessageHead } from '../message/head.ts';
import { plainText } from '../message/plain.ts';

/**
 * What a moderator is asked (stored form). All that the letter's sender wrote is one line each,
 * without controls: a letter may not pretend to be an instruction of ours.
 */
export function moderationNotice(facts: {
  readonly to: string;
  readonly list: string;
  /** Of the held letter. */
  readonly id: string;
  readonly sender: string;
  readonly head: Pick<MessageHead, 'fields'>;
  readonly at: number;
  readonly host: string;
  readonly random: Random;
}): Buffer {
  const { to, list, id, sender, head, at, host, random } = facts;
  const said = (name: string): string => plainText(valueOf(head, name) ?? '', 200);
  const { fields, body } = textPart(
    [
      `A letter to ${list} waits for a moderator.`,
      '',
      `    Sender:  ${sender === '' ? '(none: a notice of a mail server)' : plainText(sender, 200)}`,
      `    From:    ${said('from')}`,
      `    Subject: ${said('subject')}`,
      `    Date:    ${said('date')}`,
      '',
      'To read it, to send it to all members, or to throw it away:',
      '',
      `    mailfarm list held ${id} --message`,
      `    mailfarm list approve ${id}`,
      `    mailfarm list reject ${id}`,
      '',
      'Its sender is told nothing. Without a decision it is removed after some days.',
      '',
    ].join('\n'),
  );
  return Buffer.from(
    `Date: ${dateTime(at)}\n` +
      addressField('From', { name: 'Mailing lists', address: `MAILER-DAEMON@${host}` }) +
      addressField('To', { address: to }) +
      unstructured('Subject', `Waits for a moderator: ${list}`) +
      structured('Message-ID', [`<${messageId(random, at, host)}>`]) +
      `Auto-Submitted: auto-generated\nMIME-Version: 1.0\n${fields}\n${body}`,
  );
}
