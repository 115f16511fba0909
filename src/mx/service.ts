import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Delivery, Outbound } from '../delivery/types.ts';
import type { FarmSrs } from '../delivery/srs.ts';
import type { Directory } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { Service, TlsContexts } from '../net/types.ts';
import { createSmtpService } from '../smtp/engine.ts';
import type { SmtpOptions } from '../smtp/options.ts';
import { ReplyError } from '../smtp/replies.ts';
import type { Sender, SessionView, SmtpPolicy } from '../smtp/types.ts';
import { addressRanges, RateLimit } from './limits.ts';
import { beginMessage } from './message.ts';
import { limited } from './metrics.ts';
import type { MxOptions } from './options.ts';
import { acceptRecipient, type AcceptedRecipient } from './recipient.ts';

export interface MxServiceOptions {
  /** `lmtp` is for our own hosts: no rate limits, one reply for each recipient (RFC 2033). */
  readonly mode: 'mx' | 'lmtp';
  readonly directory: Directory;
  readonly delivery: Delivery;
  /** Without it, what leads elsewhere is deferred (recipient.ts). */
  readonly outbound?: Outbound | undefined;
  /** See delivery/srs.ts; undefined where no domain is set for it. */
  readonly srs?: FarmSrs | undefined;
  /**
   * Whether an address may send to anybody for now (POP-before-SMTP), from such a sender. Asked for
   * each recipient elsewhere, which counts. @throws ReplyError, DirectoryUnavailable
   */
  readonly mayRelay?: ((address: string, sender: string) => Promise<boolean>) | undefined;
  /** ETRN (RFC 1985); without it the command is unknown. */
  readonly etrn?: SmtpPolicy<AcceptedRecipient>['etrn'];
  /** What our servers announce so that the farm knows itself (N-12). */
  readonly farmMark?: string | undefined;
  /** Without contexts STARTTLS is not announced. */
  readonly tls: TlsContexts | undefined;
  readonly options: SmtpOptions & MxOptions;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** In the greeting and in Received. */
  readonly hostName: string;
}

/** Mail from the world (SMTP) or our own hosts (LMTP) into mailboxes, and on where they lead. */
export function createMxService(given: MxServiceOptions): Service {
  const { options, clock, mode } = given;
  const rate = (max: number): RateLimit =>
    new RateLimit({ max, windowMs: options['mx.rate.window'], clock });
  const connections = rate(mode === 'mx' ? options['mx.rate.connections'] : 0);
  const messages = rate(mode === 'mx' ? options['mx.rate.messages'] : 0);
  const exempt = addressRanges(options['mx.rate.exempt']);
  const allowed = (limit: RateLimit, session: SessionView): boolean =>
    exempt(session.peer.remoteAddress) || limit.take(session.peer.remoteAddress);

  /** Mailboxes of the recipients so far, by the sender, of which each transaction has its own. */
  const taken = new WeakMap<Sender, number>();

  const policy: SmtpPolicy<AcceptedRecipient> = {
    connect: (session) => {
      if (allowed(connections, session)) return undefined;
      limited.inc('connections');
      return `${given.hostName} Too many connections from your address, try again later`;
    },
    sender: (session) => {
      if (allowed(messages, session)) return;
      limited.inc('messages');
      throw new ReplyError('rateLimited');
    },
    dsn: true,
    etrn: given.etrn,
    recipient: async (session, sender, mailbox, dsn) => {
      try {
        const before = taken.get(sender) ?? 0;
        const mayRelay = async (): Promise<boolean> =>
          (await given.mayRelay?.(session.peer.remoteAddress, sender.address?.address ?? '')) ===
          true;
        const asked = { sender, mailbox, dsn, taken: before, mayRelay };
        const accepted = await acceptRecipient(given, session, asked);
        taken.set(sender, before + accepted.mailboxes.length);
        return accepted;
      } catch (error) {
        tellDeferred(given.logger, session, { address: mailbox.address, error });
        throw error;
      }
    },
    message: (session, envelope) => beginMessage(given, session, envelope),
  };
  const smtpMode = mode === 'lmtp' ? 'lmtp' : 'smtp';
  const { hostName, tls, logger, farmMark } = given;
  const engine = {
    mode: smtpMode,
    hostName,
    policy,
    tls,
    options,
    logger,
    clock,
    farmMark,
  } as const;
  return createSmtpService(engine);
}

/** Our own trouble with a recipient has no other line: nothing of it comes to delivery. */
function tellDeferred(
  logger: Logger,
  session: SessionView,
  what: { readonly address: string; readonly error: unknown },
): void {
  const { address, error } = what;
  if (!(error instanceof ReplyError) || !(error.cause instanceof Error)) return;
  const why = error.cause.message;
  const fields = { trace: session.id, address, reply: error.reply, why };
  logger.warn(fields, 'recipient not taken for now');
}
