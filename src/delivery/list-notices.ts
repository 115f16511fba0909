/**
 * What delivery writes to those who answer for a list (stored form). All that a letter's sender
 * wrote is one line each, without controls: it may not pretend to be an instruction of ours.
 */
import type { Random } from '../base/random.ts';
import { messageId, textPart } from '../message/body.ts';
import { dateTime } from '../message/date.ts';
import { addressField, structured, unstructured } from '../message/field.ts';
import { valueOf, type MessageHead } from '../message/head.ts';
import { plainText } from '../message/plain.ts';

interface Common {
  readonly to: string;
  readonly list: string;
  readonly at: number;
  readonly host: string;
  readonly random: Random;
}

/** A letter, as far as people are told of it. */
export interface ToldLetter {
  readonly id: string;
  readonly sender: string;
  readonly head: Pick<MessageHead, 'fields'>;
}

/** What a moderator is asked. */
export function moderationNotice(facts: Common & ToldLetter): Buffer {
  const { list, id } = facts;
  return notice(facts, `Waits for a moderator: ${list}`, [
    `A letter to ${list} waits for a moderator.`,
    '',
    ...linesOf(facts),
    '',
    'To read it, to send it to all members, or to throw it away:',
    '',
    `    mailfarm list held ${id} --message`,
    `    mailfarm list approve ${id}`,
    `    mailfarm list reject ${id}`,
    '',
    'Its sender is told nothing. Without a decision it is removed after some days.',
    '',
  ]);
}

/** Letters described in one notice; of the others the number is told. */
export const EXPIRED_TOLD_MAX = 20;

/** What nobody decided over, and is gone. */
export function expiryNotice(
  facts: Common & { readonly letters: readonly ToldLetter[]; readonly count: number },
): Buffer {
  const { list, letters, count } = facts;
  const told = letters.slice(0, EXPIRED_TOLD_MAX);
  const more = count - told.length;
  return notice(facts, `Removed, nobody decided: ${list}`, [
    `Letters to ${list} waited for a moderator until their time was over: ${count}.`,
    'They were removed. No member has them, and their senders were told nothing.',
    '',
    ...told.flatMap((letter) => [...linesOf(letter), '']),
    ...(more > 0 ? [`    … and ${more} more`, ''] : []),
  ]);
}

/** A letter that came back to its list. */
export function loopNotice(facts: Common & ToldLetter): Buffer {
  const { list } = facts;
  return notice(facts, `Came back to its list: ${list}`, [
    `A letter came to ${list} that this list has sent to its members before.`,
    'It was not sent to them again. Other letters to the list are not concerned.',
    '',
    ...linesOf(facts),
    '',
    'A member forwards to the list, or two lists are members of each other. The Received lines',
    'of the letter name the way back, and who is on it has to take it out. This is told once',
    'a day.',
    '',
  ]);
}

function linesOf({ sender, head }: Pick<ToldLetter, 'sender' | 'head'>): readonly string[] {
  const said = (name: string): string => plainText(valueOf(head, name) ?? '', 200);
  return [
    `    Sender:  ${sender === '' ? '(none: a notice of a mail server)' : plainText(sender, 200)}`,
    `    From:    ${said('from')}`,
    `    Subject: ${said('subject')}`,
    `    Date:    ${said('date')}`,
  ];
}

function notice(
  { to, at, host, random }: Common,
  subject: string,
  lines: readonly string[],
): Buffer {
  const { fields, body } = textPart(lines.join('\n'));
  return Buffer.from(
    `Date: ${dateTime(at)}\n` +
      addressField('From', { name: 'Mailing lists', address: `MAILER-DAEMON@${host}` }) +
      addressField('To', { address: to }) +
      unstructured('Subject', subject) +
      structured('Message-ID', [`<${messageId(random, at, host)}>`]) +
      `Auto-Submitted: auto-generated\nMIME-Version: 1.0\n${fields}\n${body}`,
  );
}
