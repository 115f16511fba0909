/**
 * Delivery status notifications: RFC 3461, 3464, 6522, and 6533 for addresses in UTF-8. In stored
 * form (LF line ends). The envelope sender is always null; who is told what: `isToldOf`.
 *
 * Three parts: words for people, the report for programs, the letter or its header. Everything of
 * a stranger (replies, subjects, addresses, ENVID, ORCPT) goes through `plainText` and the writers
 * of field.ts, so that it fills the place it is given and no other. What separates the parts has
 * 120 bits of chance, so the letter itself, copied as it is, cannot contain it.
 *
 * The letter is returned whole when its sender asked for that (RET=FULL, or did not say and it was
 * lost), and it is small, and fits a transport of lines; else only its header, which is made
 * quoted-printable where it must be. It is read in pieces and never held.
 */
import type { Random } from '../base/random.ts';
import { boundary, messageId, quotedPrintable, textPart } from './body.ts';
import { dateTime } from './date.ts';
import {
  addressField,
  headerAddress,
  structured,
  subjectText,
  threadFields,
  unstructured,
} from './field.ts';
import type { NoticeEvent } from './notice-rules.ts';
import { deliveryStatus } from './notice-status.ts';
import { noticeText } from './notice-text.ts';
import { ENGLISH, type NoticeWords } from './notice-words.ts';
import { valueOf, type MessageHead } from './head.ts';
import { examine, octetsOf, pieces, type Examined, type Original } from './original.ts';
import { isAscii } from './plain.ts';

/** What happened to one recipient. */
export interface Reported {
  readonly event: NoticeEvent;
  /** As it stood in the envelope. */
  readonly address: string;
  /** ORCPT, decoded: `rfc822;bob@example.net`. */
  readonly original?: string | undefined;
  /** RFC 3463: 5.1.1. */
  readonly status: string;
  /** What the other host said, code first; undefined when it said nothing. */
  readonly reply?: string | undefined;
  /** What happened, as we saw it. */
  readonly text?: string | undefined;
  readonly remote?: { readonly host: string; readonly address?: string | undefined } | undefined;
  /** Last attempt, ms since 1970. */
  readonly triedAt?: number | undefined;
}

export interface NoticeFacts {
  /** Whose notice it is: the sender of the letter (MAIL FROM), never ''. */
  readonly to: string;
  /** Name of this host: Reporting-MTA, and the domain of the notice's author. */
  readonly host: string;
  readonly at: number;
  /** When the letter was accepted, ms since 1970. */
  readonly acceptedAt: number;
  /** When it is given up, ms since 1970; for notices of delay. */
  readonly expiresAt?: number | undefined;
  readonly recipients: readonly Reported[];
  readonly ret?: 'full' | 'hdrs' | undefined;
  /** ENVID, decoded. */
  readonly envid?: string | undefined;
  /** The letter came with SMTPUTF8. */
  readonly smtpUtf8: boolean;
  /** Undefined when the letter is gone. */
  readonly letter: Original | undefined;
  /** A longer letter is not returned; its header is. */
  readonly fullOctetsMax: number;
  /** The notice may go to a host without 8BITMIME: only 7-bit octets. */
  readonly sevenBit?: boolean | undefined;
  /** One text after the other in one part; the first has the subject. */
  readonly words?: readonly [NoticeWords, ...NoticeWords[]] | undefined;
  readonly random: Random;
}

export interface WrittenNotice {
  /** Its own header needs SMTPUTF8. */
  readonly smtpUtf8: boolean;
  readonly messageId: string;
  /** The notice in pieces. @throws Error when the letter cannot be read to its end any more */
  readonly bytes: AsyncGenerator<Uint8Array>;
}

type Head = Pick<MessageHead, 'fields'>;

type Returned =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'headers'; readonly head: Buffer }
  | { readonly kind: 'full'; readonly letter: Original; readonly ascii: boolean };

/** Writes a notice. Rejects with what reading the letter rejects with. */
export async function writeNotice(facts: NoticeFacts): Promise<WrittenNotice> {
  const examined = facts.letter && (await examine(facts.letter, mayReturnAll(facts, facts.letter)));
  const returned = whatIsReturned(facts, examined);
  const id = messageId(facts.random, facts.at, facts.host);
  const separator = boundary(facts.random);
  const head: Head = examined?.head ?? { fields: [] };
  const utf8 =
    facts.smtpUtf8 ||
    [facts.to, ...facts.recipients.map((r) => r.address)].some((a) => !isAscii(a));
  const before =
    header(facts, head, id) +
    mimeFields(facts, separator, returned) +
    textOf(facts, head, separator, returned) +
    statusOf(facts, separator, utf8);
  return {
    smtpUtf8: !isAscii(headerAddress(facts.to) ?? ''),
    messageId: id,
    bytes: bytesOf(Buffer.from(before), returned, separator, utf8),
  };
}

const languages = (facts: NoticeFacts): readonly [NoticeWords, ...NoticeWords[]] =>
  facts.words ?? [ENGLISH];

/** RFC 3461 §4.3: RET says something about failures only. */
function mayReturnAll(facts: NoticeFacts, letter: Original): boolean {
  const lost = facts.recipients.some((one) => one.event === 'failed');
  return lost && facts.ret !== 'hdrs' && letter.octets <= facts.fullOctetsMax;
}

function whatIsReturned(facts: NoticeFacts, examined: Examined | undefined): Returned {
  const { letter } = facts;
  if (letter === undefined || examined === undefined) return { kind: 'nothing' };
  const fits = !examined.strange && (examined.ascii || facts.sevenBit !== true);
  if (mayReturnAll(facts, letter) && fits) {
    return { kind: 'full', letter, ascii: examined.ascii };
  }
  const raw = Buffer.concat(examined.head.fields.map((field) => field.raw));
  return raw.length > 0 ? { kind: 'headers', head: raw } : { kind: 'nothing' };
}

const SERIOUS: readonly NoticeEvent[] = ['failed', 'delayed', 'relayed', 'expanded', 'delivered'];

function header(facts: NoticeFacts, head: Head, id: string): string {
  const [words] = languages(facts);
  const worst = SERIOUS.find((event) => facts.recipients.some((one) => one.event === event));
  const subject = words.subject(worst ?? 'failed', subjectText(valueOf(head, 'subject')));
  return (
    `Date: ${dateTime(facts.at)}\n` +
    addressField('From', {
      name: words.author,
      address: `MAILER-DAEMON@${facts.host}`,
    }) +
    addressField('To', { address: facts.to }) +
    unstructured('Subject', subject) +
    structured('Message-ID', [`<${id}>`]) +
    threadFields({
      messageId: valueOf(head, 'message-id'),
      references: valueOf(head, 'references'),
      inReplyTo: valueOf(head, 'in-reply-to'),
    }) +
    'Auto-Submitted: auto-replied\n'
  );
}

function mimeFields(facts: NoticeFacts, separator: string, returned: Returned): string {
  const eightBit = returned.kind === 'full' && !returned.ascii;
  const spoken = languages(facts).map((words) => words.language);
  return (
    'MIME-Version: 1.0\n' +
    'Content-Type: multipart/report; report-type=delivery-status;\n' +
    ` boundary="${separator}"\n` +
    `Content-Language: ${spoken.join(', ')}\n` +
    (eightBit ? 'Content-Transfer-Encoding: 8bit\n' : '')
  );
}

function textOf(facts: NoticeFacts, head: Head, separator: string, returned: Returned): string {
  const letter = {
    subject: subjectText(valueOf(head, 'subject')),
    sent: dateTime(facts.acceptedAt),
    returned: returned.kind,
  };
  const { fields: partFields, body } = textPart(noticeText(facts, letter, languages(facts)));
  return `\n--${separator}\n${partFields}\n${body}`;
}

function statusOf(facts: NoticeFacts, separator: string, utf8: boolean): string {
  const status = deliveryStatus(facts, utf8);
  const type = `message/${utf8 ? 'global-' : ''}delivery-status`;
  // RFC 6533 §6.3 lets the UTF-8 form be encoded; the other one is ASCII and must not be.
  const encode = !isAscii(status);
  return (
    `\n--${separator}\nContent-Type: ${type}\n` +
    (encode ? 'Content-Transfer-Encoding: quoted-printable\n' : '') +
    `\n${encode ? quotedPrintable(Buffer.from(status)) : status}`
  );
}

async function* bytesOf(
  before: Buffer,
  returned: Returned,
  separator: string,
  utf8: boolean,
): AsyncGenerator<Uint8Array> {
  yield before;
  const start = `\n--${separator}\nContent-Type: `;
  if (returned.kind === 'headers') {
    const { ascii, strange } = octetsOf(returned.head);
    const encode = !ascii || strange;
    yield Buffer.from(
      `${start}${utf8 ? 'message/global-headers' : 'text/rfc822-headers'}\n` +
        (encode ? 'Content-Transfer-Encoding: quoted-printable\n\n' : '\n'),
    );
    yield encode ? Buffer.from(quotedPrintable(returned.head)) : returned.head;
  }
  if (returned.kind === 'full') {
    yield Buffer.from(
      `${start}message/${utf8 ? 'global' : 'rfc822'}\n` +
        (returned.ascii ? '\n' : 'Content-Transfer-Encoding: 8bit\n\n'),
    );
    for await (const piece of pieces(returned.letter)) {
      if (piece === undefined) throw new Error('the letter that the notice returns ended too soon');
      yield piece;
    }
  }
  yield Buffer.from(`\n--${separator}--\n`);
}
