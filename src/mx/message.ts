/**
 * DATA: one message into all its mailboxes. 250 only when every copy is durable.
 *
 * SMTP has one reply for all: when some copies are stored and one is not, the answer is 451 and the
 * sender's next try doubles the ones that are (counted as `partial`). LMTP answers for each.
 * Two addresses of one account in one transaction are one copy.
 */
import type { Clock } from '../base/clock.ts';
import type { Delivered, Delivery, Incoming, Recipient } from '../delivery/types.ts';
import type { Logger } from '../log/types.ts';
import { REPLIES, ReplyError, type ReplyName } from '../smtp/replies.ts';
import { traceHeader } from '../smtp/trace.ts';
import type { Envelope, MessageSink, ReceivedContent, SessionView } from '../smtp/types.ts';
import { StoreError } from '../volumes/error.ts';
import { commitSeconds, copies, messages } from './metrics.ts';
import type { MxOptions } from './options.ts';
import { storeErrorReply } from './store-error.ts';

export interface MessagePolicy {
  readonly delivery: Pick<Delivery, 'begin'>;
  readonly options: MxOptions;
  readonly hostName: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Starts a message. Nothing touches a volume before its first bytes. */
export function beginMessage(
  policy: MessagePolicy,
  session: SessionView,
  envelope: Envelope<Recipient>,
): MessageSink {
  return new MxMessage(policy, session, envelope);
}

class MxMessage implements MessageSink {
  readonly #policy: MessagePolicy;
  readonly #session: SessionView;
  readonly #envelope: Envelope<Recipient>;
  readonly #incoming: Incoming;

  constructor(policy: MessagePolicy, session: SessionView, envelope: Envelope<Recipient>) {
    this.#policy = policy;
    this.#session = session;
    this.#envelope = envelope;
    const { sender, id } = envelope;
    const facts = {
      session,
      id,
      hostName: policy.hostName,
      sender: sender.address?.address ?? '',
      smtpUtf8: sender.smtpUtf8,
      at: policy.clock.now(),
    };
    this.#incoming = policy.delivery.begin({
      id,
      recipients: oneForEachAccount(envelope.recipients),
      // Before anything is visible, one failure fails all where one reply stands for all.
      failure: session.mode === 'lmtp' ? 'each' : 'all',
      header: (share) =>
        Buffer.from(traceHeader({ ...facts, recipients: share.map((r) => r.address) })),
    });
  }

  async write(chunk: Uint8Array): Promise<void> {
    try {
      await this.#incoming.write(chunk);
    } catch (error) {
      throw this.#replyError(error);
    }
  }

  async end(content: ReceivedContent): Promise<readonly ReplyName[]> {
    const startedAt = this.#policy.clock.now();
    const results = await this.#incoming.commit();
    commitSeconds.observe((this.#policy.clock.now() - startedAt) / 1000);
    for (const one of results) this.#log(one, content);
    const byAccount = new Map(results.map((one) => [one.recipient.account.id, one.error]));
    const errors = this.#envelope.recipients.map((r) => byAccount.get(r.account.id));
    const replies = errors.map((error) =>
      error ? storeErrorReply(error.kind, this.#policy.options) : 'delivered',
    );
    const result = messageResult(replies);
    messages.inc(result);
    if (result === 'partial' && this.#session.mode === 'smtp') {
      const fields = { code: 'MF-MX-001', trace: this.#envelope.id };
      this.#policy.logger.warn(fields, 'stored for some recipients only');
    }
    return this.#session.mode === 'lmtp' ? replies : [oneReply(replies)];
  }

  abort(reason: 'refused' | 'gone'): void {
    if (reason === 'refused') messages.inc('refused');
    void this.#incoming.abort();
  }

  #replyError(error: unknown): unknown {
    if (!(error instanceof StoreError)) return error;
    this.#policy.logger.warn(
      { trace: this.#envelope.id, kind: error.kind, err: error },
      'message not stored',
    );
    return new ReplyError(storeErrorReply(error.kind, this.#policy.options), { cause: error });
  }

  /** One line for each mailbox: what came, from whom, where it lies. */
  #log(result: Delivered, content: ReceivedContent): void {
    const { account, address } = result.recipient;
    copies.inc(result.error ? 'failed' : 'stored');
    const fields = {
      trace: this.#envelope.id,
      peer: this.#session.peer.remoteAddress,
      from: this.#envelope.sender.address?.address ?? '',
      to: account.login,
      ...(address !== account.login && { address }),
      octets: content.octets,
      ...(result.volume !== undefined && { volume: result.volume }),
      ...(result.name !== undefined && { name: result.name }),
      result: result.error?.kind ?? 'delivered',
    };
    if (result.error) this.#policy.logger.warn({ ...fields, err: result.error }, 'not delivered');
    else this.#policy.logger.info(fields, 'delivered');
  }
}

/** The first address of each account, in order. */
function oneForEachAccount(recipients: readonly Recipient[]): readonly Recipient[] {
  if (recipients.length === 1) return recipients;
  const first = new Map<string, Recipient>();
  for (const recipient of recipients) {
    if (!first.has(recipient.account.id)) first.set(recipient.account.id, recipient);
  }
  return [...first.values()];
}

/** The one reply of SMTP. Permanent only when it is so for all. */
export function oneReply(replies: readonly ReplyName[]): ReplyName {
  const [first = 'internal', ...others] = replies;
  if (others.every((reply) => reply === first)) return first;
  if (replies.includes('delivered')) return 'partial';
  return replies.find((reply) => REPLIES[reply].code < 500) ?? first;
}

function messageResult(
  replies: readonly ReplyName[],
): 'delivered' | 'partial' | 'deferred' | 'refused' {
  const stored = replies.filter((reply) => reply === 'delivered').length;
  if (stored === replies.length) return 'delivered';
  if (stored > 0) return 'partial';
  return replies.some((reply) => REPLIES[reply].code < 500) ? 'deferred' : 'refused';
}
