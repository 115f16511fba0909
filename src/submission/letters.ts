/**
 * Letters of users that come whole and by another way than SMTP: JMAP's submissions. They pass the
 * policy of MAIL, RCPT and DATA as if a mail program had sent them, in that order, and with the one
 * reply for all recipients that SMTP has.
 *
 * Invariant: nothing is accepted for some recipients and refused for others. All are judged before
 * the first octet is taken; one that is refused refuses the letter.
 */
import type { Places } from '../delivery/places.ts';
import type { Logger } from '../log/types.ts';
import { StoredForm } from '../mailbox/stored-form.ts';
import { parseMailbox, type Mailbox } from '../smtp/address.ts';
import {
  checkBody,
  dsnParameters,
  envidParameter,
  parseParameters,
  retParameter,
  sizeParameter,
} from '../smtp/parameters.ts';
import { nameOf, ReplyError, type Reply } from '../smtp/replies.ts';
import type { RecipientDsn, Sender, SessionView, SmtpPolicy } from '../smtp/types.ts';

/** An address of the envelope, and the parameters that MAIL or RCPT would have. */
export interface LetterAddress {
  readonly address: string;
  /** By name; null: without a value. */
  readonly parameters: Readonly<Record<string, string | null>>;
}

export interface Letter {
  readonly session: SessionView;
  /** '' is the null sender. */
  readonly from: LetterAddress;
  readonly recipients: readonly LetterAddress[];
  /** Wire form; asked for once. */
  readonly message: () => AsyncIterable<Uint8Array>;
  readonly octetsMax: number;
}

/** `reply` of a refusal is a 4xx where the same may be tried again. */
export type LetterVerdict =
  | { readonly kind: 'accepted'; readonly reply: Reply }
  | { readonly kind: 'sender' | 'message'; readonly reply: Reply }
  | { readonly kind: 'recipients'; readonly replies: ReadonlyMap<string, Reply> };

/** The policy of submission (service.ts). All throw ReplyError. */
export interface LetterPolicy extends Pick<SmtpPolicy<Places>, 'sender' | 'message'> {
  recipient(
    session: SessionView,
    sender: Sender,
    given: { readonly mailbox: Mailbox; readonly dsn: RecipientDsn },
  ): Promise<Places>;
}

const MAIL_PARAMETERS = ['SIZE', 'BODY', 'SMTPUTF8', 'RET', 'ENVID'];
const RCPT_PARAMETERS = ['NOTIFY', 'ORCPT'];

export class Letters {
  readonly #policy: LetterPolicy;
  readonly #logger: Logger;

  constructor({ policy, logger }: { readonly policy: LetterPolicy; readonly logger: Logger }) {
    this.#policy = policy;
    this.#logger = logger;
  }

  /** @throws StoreError where the message cannot be read */
  async submit(letter: Letter): Promise<LetterVerdict> {
    const sender = await this.#reply(letter, () => this.#sender(letter));
    if ('reply' in sender) return { kind: 'sender', reply: sender.reply };
    const places: Places[] = [];
    const replies = new Map<string, Reply>();
    for (const recipient of letter.recipients) {
      const place = await this.#reply(letter, () =>
        this.#recipient(letter, sender.value, recipient),
      );
      if ('reply' in place) replies.set(recipient.address, place.reply);
      else places.push(place.value);
    }
    if (replies.size > 0 || places.length === 0) return { kind: 'recipients', replies };
    const end = await this.#reply(letter, () => this.#message(letter, sender.value, places));
    const reply = 'reply' in end ? end.reply : end.value;
    return { kind: nameOf(reply) === 'delivered' ? 'accepted' : 'message', reply };
  }

  async #sender({ session, from, recipients, octetsMax }: Letter): Promise<Sender> {
    const found = parametersOf(from, MAIL_PARAMETERS);
    checkBody(found.get('BODY'));
    const address = from.address === '' ? undefined : mailboxOf(from.address, 'badSender');
    const size = sizeParameter(found.get('SIZE'));
    if (size > octetsMax) throw new ReplyError('messageTooBig');
    const isForeign = [from, ...recipients].some((one) => parseMailbox(one.address)?.international);
    const sender: Sender = {
      address,
      size,
      smtpUtf8: isForeign || found.has('SMTPUTF8'),
      ret: retParameter(found.get('RET')),
      envid: envidParameter(found.get('ENVID')),
    };
    await this.#policy.sender(session, sender);
    return sender;
  }

  async #recipient({ session }: Letter, sender: Sender, given: LetterAddress): Promise<Places> {
    const found = parametersOf(given, RCPT_PARAMETERS);
    const dsn: RecipientDsn = dsnParameters(found, sender.smtpUtf8);
    const mailbox = mailboxOf(given.address, 'badRecipient');
    return await this.#policy.recipient(session, sender, { mailbox, dsn });
  }

  async #message(
    { session, message, octetsMax }: Letter,
    sender: Sender,
    recipients: readonly Places[],
  ): Promise<Reply> {
    const sink = this.#policy.message(session, { id: session.id, sender, recipients });
    const form = new StoredForm();
    try {
      for await (const piece of message()) {
        await sink.write(form.convert(piece));
        if (form.wireOctets > octetsMax) throw new ReplyError('messageTooBig');
      }
      const last = form.end();
      if (last.length > 0) await sink.write(last);
    } catch (error) {
      sink.abort('refused');
      throw error;
    }
    const [reply] = await sink.end({ octets: form.wireOctets });
    return reply ?? 'internal';
  }

  async #reply<T>(
    { session }: Letter,
    work: () => Promise<T>,
  ): Promise<{ readonly value: T } | { readonly reply: Reply }> {
    try {
      return { value: await work() };
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error;
      this.#logger.debug({ trace: session.id, reply: error.reply }, 'a letter was refused');
      return { reply: error.full };
    }
  }
}

function parametersOf(
  { parameters }: LetterAddress,
  known: readonly string[],
): ReadonlyMap<string, string> {
  const parts = Object.entries(parameters).map(([name, value]) =>
    value === null ? name : `${name}=${value}`,
  );
  // A blank in one would make two of it.
  if (parts.some((part) => /\s/.test(part))) throw new ReplyError('badSyntax');
  return parseParameters(parts.join(' '), known);
}

function mailboxOf(address: string, otherwise: 'badSender' | 'badRecipient'): Mailbox {
  const mailbox = parseMailbox(address);
  if (mailbox === undefined) throw new ReplyError(otherwise);
  return mailbox;
}
