import type { Authenticator } from '../auth/types.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Places } from '../delivery/places.ts';
import type { Delivery, Outbound } from '../delivery/types.ts';
import type { Directory } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { Service, TlsContexts } from '../net/types.ts';
import type { Mailbox } from '../smtp/address.ts';
import { createSmtpService } from '../smtp/engine.ts';
import type { SmtpOptions } from '../smtp/options.ts';
import { ReplyError } from '../smtp/replies.ts';
import type {
  Envelope,
  MessageSink,
  RecipientDsn,
  Sender,
  SessionView,
  SmtpPolicy,
} from '../smtp/types.ts';
import type { Marks } from '../spool/marks.ts';
import { Letters } from './letters.ts';
import { authentication, type VerifyToken } from './login.ts';
import { SubmittedMessage } from './message.ts';
import type { SubmissionOptions } from './options.ts';
import { acceptRecipient, takeRecipient } from './recipient.ts';
import { acceptSender, type Author } from './sender.ts';
import { SendingLimits } from './sending-limits.ts';

export interface SubmissionParts {
  readonly directory: Directory;
  readonly delivery: Delivery;
  /** Without it only mail for our own users is taken. */
  readonly outbound?: Outbound | undefined;
  readonly auth: Authenticator;
  /** With it XOAUTH2 is announced. */
  readonly verifyToken?: VerifyToken | undefined;
  /** What users sent, over the whole farm. Without it nothing is limited. */
  readonly marks?: Pick<Marks, 'add' | 'sum'> | undefined;
  /** ETRN (RFC 1985) by login; without it the command is unknown. */
  readonly etrn?: SmtpPolicy<Places>['etrn'];
  /** Without contexts nobody can log in on 587; on 465 the handshake was before. */
  readonly tls: TlsContexts | undefined;
  readonly options: SmtpOptions & SubmissionOptions;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** In the greeting, in Received and in Message-ID. */
  readonly hostName: string;
  /** Of the farm's cookie (smtp/farm-mark.ts), for EHLO. */
  readonly farmMark?: string | undefined;
}

/** What a user may send, at whatever door the login was: the smarthost's too. */
export interface UserPolicy {
  /** @throws ReplyError when the address is not the user's, or nothing more may be sent now */
  sender(session: SessionView, sender: Sender): Promise<void>;
  /** For each recipient, before it is accepted. @throws ReplyError when it is one too many */
  take(sender: Sender, mailbox: Mailbox): Promise<void>;
  /** A message whose header is judged and mended, and counted at its end. */
  message(session: SessionView, envelope: Envelope<Places>): MessageSink;
}

/** Mail of our own users, from their mail programs (RFC 6409). */
export function createSubmissionService(parts: SubmissionParts): Service {
  const { options, logger, clock, hostName, tls, farmMark } = parts;
  const users = new Users(parts);
  const policy: SmtpPolicy<Places> = {
    authenticate: authentication(parts),
    dsn: true,
    etrn: parts.etrn,
    connect: () => undefined,
    sender: (session, sender) => users.sender(session, sender),
    recipient: (session, sender, mailbox, dsn) =>
      users.recipient(session, sender, { mailbox, dsn }),
    message: (session, envelope) => users.message(session, envelope),
  };
  const engine = { mode: 'smtp', hostName, policy, tls, options, logger, clock, farmMark } as const;
  return createSmtpService(engine);
}

/** The same rules for another service, which finds its own ways for recipients. */
export const createUserPolicy = (parts: SubmissionParts): UserPolicy => new Users(parts);

/** The same rules and ways for letters that come at once and whole (webmail). */
export const createLetters = (parts: SubmissionParts): Letters =>
  new Letters({ policy: new Users(parts), logger: parts.logger });

interface Transaction {
  readonly author: Author;
  taken: number;
}

class Users implements UserPolicy {
  readonly #parts: SubmissionParts & { readonly limits: SendingLimits | undefined };
  /** By the sender, of which each transaction has its own. */
  readonly #transactions = new WeakMap<Sender, Transaction>();

  constructor(parts: SubmissionParts) {
    const { marks, options, clock, logger } = parts;
    const limits = marks && new SendingLimits({ marks, options, clock, logger });
    this.#parts = { ...parts, limits };
  }

  async sender(session: SessionView, sender: Sender): Promise<void> {
    try {
      const author = await acceptSender(this.#parts, session, sender);
      this.#transactions.set(sender, { author, taken: 0 });
    } catch (error) {
      tellRefused(this.#parts.logger, session, { from: sender.address?.address ?? '', error });
      throw error;
    }
  }

  async recipient(
    session: SessionView,
    sender: Sender,
    { mailbox, dsn }: { readonly mailbox: Mailbox; readonly dsn: RecipientDsn },
  ): Promise<Places> {
    const transaction = this.#of(sender);
    try {
      const given = { ...transaction, sender, mailbox, dsn };
      const places = await acceptRecipient(this.#parts, session, given);
      transaction.taken += 1;
      return places;
    } catch (error) {
      tellRefused(this.#parts.logger, session, { to: mailbox.address, error });
      throw error;
    }
  }

  async take(sender: Sender, mailbox: Mailbox): Promise<void> {
    const transaction = this.#of(sender);
    await takeRecipient(this.#parts, { ...transaction, mailbox });
    transaction.taken += 1;
  }

  message(session: SessionView, envelope: Envelope<Places>): MessageSink {
    const { author } = this.#of(envelope.sender);
    return new SubmittedMessage(this.#parts, session, { envelope, author });
  }

  #of(sender: Sender): Transaction {
    const known = this.#transactions.get(sender);
    if (known) return known;
    throw new Error('a transaction that MAIL did not begin');
  }
}

/** What a user is refused has no other line: nothing of it comes to delivery. */
function tellRefused(
  logger: Logger,
  session: SessionView,
  what: { readonly from?: string; readonly to?: string; readonly error: unknown },
): void {
  const { error, ...names } = what;
  if (!(error instanceof ReplyError)) return;
  const why = error.cause instanceof Error ? error.cause.message : error.detail;
  const fields = {
    trace: session.id,
    ...(session.account && { login: session.account.login }),
    ...names,
    reply: error.reply,
    ...(why !== undefined && { why }),
  };
  logger.info(fields, 'not taken from a user');
}
