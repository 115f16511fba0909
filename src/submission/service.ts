import type { Authenticator } from '../auth/types.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Places } from '../delivery/places.ts';
import type { Delivery, Outbound } from '../delivery/types.ts';
import type { Directory } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { Service, TlsContexts } from '../net/types.ts';
import { createSmtpService } from '../smtp/engine.ts';
import type { SmtpOptions } from '../smtp/options.ts';
import { ReplyError } from '../smtp/replies.ts';
import type { Sender, SessionView, SmtpPolicy } from '../smtp/types.ts';
import type { Marks } from '../spool/marks.ts';
import { authentication, type VerifyToken } from './login.ts';
import { SubmittedMessage } from './message.ts';
import type { SubmissionOptions } from './options.ts';
import { acceptRecipient } from './recipient.ts';
import { acceptSender, type Author } from './sender.ts';
import { SendingLimits } from './sending-limits.ts';

export interface SubmissionParts {
  readonly directory: Directory;
  readonly delivery: Delivery;
  /** Without it only mail for our own users is taken. */
  readonly outbound?: Outbound | undefined;
  /** Envelope sender of what a user's forward sends on (SRS); by default as it came. */
  readonly forwarder?: ((sender: string) => string) | undefined;
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

/** Mail of our own users, from their mail programs (RFC 6409). */
export function createSubmissionService(parts: SubmissionParts): Service {
  const { options, logger, clock, marks, hostName, tls, farmMark } = parts;
  const limits = marks && new SendingLimits({ marks, options, clock, logger });
  const common = { ...parts, limits };
  /** By the sender, of which each transaction has its own. */
  const transactions = new WeakMap<Sender, { readonly author: Author; taken: number }>();
  const transactionOf = (sender: Sender): { readonly author: Author; taken: number } => {
    const known = transactions.get(sender);
    if (known) return known;
    throw new Error('a transaction that MAIL did not begin');
  };

  const policy: SmtpPolicy<Places> = {
    authenticate: authentication(parts),
    dsn: true,
    etrn: parts.etrn,
    connect: () => undefined,
    sender: async (session, sender) => {
      try {
        const author = await acceptSender(common, session, sender);
        transactions.set(sender, { author, taken: 0 });
      } catch (error) {
        tellRefused(logger, session, { from: sender.address?.address ?? '', error });
        throw error;
      }
    },
    recipient: async (session, sender, mailbox, dsn) => {
      const transaction = transactionOf(sender);
      const { author, taken } = transaction;
      try {
        const given = { author, sender, mailbox, dsn, taken };
        const places = await acceptRecipient(common, session, given);
        transaction.taken += 1;
        return places;
      } catch (error) {
        tellRefused(logger, session, { to: mailbox.address, error });
        throw error;
      }
    },
    message: (session, envelope) => {
      const { author } = transactionOf(envelope.sender);
      return new SubmittedMessage(common, session, { envelope, author });
    },
  };
  const engine = { mode: 'smtp', hostName, policy, tls, options, logger, clock, farmMark } as const;
  return createSmtpService(engine);
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
