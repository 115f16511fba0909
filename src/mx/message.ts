/**
 * DATA: one message into all its mailboxes. 250 only when every copy is durable.
 *
 * SMTP has one reply for all: when some copies are stored and one is not, the answer is 451 and the
 * sender's next try doubles the ones that are (counted as `partial`). LMTP answers for each.
 * A mailbox that several recipients of one transaction lead to gets one copy.
 */
import type { Clock } from '../base/clock.ts';
import { together } from '../delivery/places.ts';
import type { Delivered, Delivery, Incoming, Left, Recipient } from '../delivery/types.ts';
import type { Logger } from '../log/types.ts';
import { REPLIES, ReplyError, type ReplyName } from '../smtp/replies.ts';
import { receivedHeader, traceHeader } from '../smtp/trace.ts';
import type { Envelope, MessageSink, ReceivedContent, SessionView } from '../smtp/types.ts';
import { StoreError } from '../volumes/error.ts';
import { commitSeconds, copies, expanded, messages } from './metrics.ts';
import type { MxOptions } from './options.ts';
import type { AcceptedRecipient } from './recipient.ts';
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
  envelope: Envelope<AcceptedRecipient>,
): MessageSink {
  return new MxMessage(policy, session, envelope);
}

/** Names in one line of the log. */
const NAMED_MAX = 20;

class MxMessage implements MessageSink {
  readonly #policy: MessagePolicy;
  readonly #session: SessionView;
  readonly #envelope: Envelope<AcceptedRecipient>;
  readonly #incoming: Incoming;

  constructor(policy: MessagePolicy, session: SessionView, envelope: Envelope<AcceptedRecipient>) {
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
    const named = addressesByAccount(envelope.recipients);
    const { smtpUtf8, ret, envid } = sender;
    const [only, ...more] = envelope.recipients;
    const told = only === undefined || more.length > 0 ? [] : [only.address];
    this.#incoming = policy.delivery.begin({
      id,
      ...together(envelope.recipients),
      envelope: { sender: facts.sender, smtpUtf8, ret, envid },
      // Before anything is visible, one failure fails all where one reply stands for all.
      failure: session.mode === 'lmtp' ? 'each' : 'all',
      header: (share) =>
        Buffer.from(traceHeader({ ...facts, recipients: addressesOf(share, named) })),
      leavingHeader: () => Buffer.from(receivedHeader({ ...facts, recipients: told })),
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
    this.#logLeft(content);
    const fates = fatesOf(results, this.#incoming.left);
    const replies = this.#envelope.recipients.map((one) => this.#replyFor(one, fates));
    const result = messageResult([...results, ...this.#incoming.left], replies);
    messages.inc(result);
    if (replies.includes('partial') || (result === 'partial' && this.#session.mode === 'smtp')) {
      const fields = { code: 'MF-MX-001', trace: this.#envelope.id };
      this.#policy.logger.warn(fields, 'stored for some recipients only');
    }
    return this.#session.mode === 'lmtp' ? replies : [oneReply(besidesLoops(replies))];
  }

  /** The worst that happened to the places of one recipient. */
  #replyFor({ mailboxes, leaving }: AcceptedRecipient, fates: Fates): ReplyName {
    const found = [
      ...mailboxes.map(({ account }) => fates.mailboxes.get(account.id)),
      ...leaving.map(({ recipient }) => fates.elsewhere.get(recipient.address)),
    ];
    const going = found.filter((fate) => fate !== 'loop');
    if (going.length === 0 && found.length > 0) return 'tooManyHops';
    // A member without room is left out, as at RCPT: to try again would double it for the others.
    const counted = going.includes(undefined)
      ? going.filter((fate) => fate?.kind !== 'over-quota')
      : going;
    expanded.inc('over-quota', going.length - counted.length);
    const { options } = this.#policy;
    return oneReply(
      counted.map((fate) => (fate ? storeErrorReply(fate.kind, options) : 'delivered')),
    );
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

  /** One line for all that leaves. */
  #logLeft(content: ReceivedContent): void {
    const { left } = this.#incoming;
    const [first] = left;
    if (first === undefined) return;
    const trace = this.#envelope.id;
    const failed = left.find(({ error }) => error !== undefined)?.error;
    const to = left.slice(0, NAMED_MAX).map(({ leaving }) => leaving.recipient.address);
    const loop = left.find(({ dropped }) => dropped !== undefined);
    copies.inc('spooled', left.filter(({ spool }) => spool !== undefined).length);
    const sent = left.find(({ spool }) => spool !== undefined);
    const fields = {
      trace,
      peer: this.#session.peer.remoteAddress,
      from: this.#envelope.sender.address?.address ?? '',
      to,
      count: left.length,
      octets: content.octets,
      messageId: content.messageId,
      spool: sent?.spool,
    };
    if (loop) this.#logLoop({ trace, list: loop.leaving.list?.address });
    if (failed) this.#policy.logger.warn({ ...fields, err: failed }, 'not sent on');
    else if (sent) this.#policy.logger.info(fields, sent.leaving.held ? 'held' : 'sent on');
  }

  #logLoop(fields: object): void {
    expanded.inc('loop');
    this.#policy.logger.warn({ code: 'MF-MX-005', ...fields }, 'not sent to its list again');
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
      messageId: content.messageId,
      ...(result.volume !== undefined && { volume: result.volume }),
      ...(result.name !== undefined && { name: result.name }),
      ...(result.parkedOn !== undefined && { parkedOn: result.parkedOn }),
      result: result.error?.kind ?? (result.parkedOn === undefined ? 'delivered' : 'parked'),
    };
    if (result.dropped) return this.#logLoop({ ...fields, list: result.recipient.list?.address });
    if (result.error) this.#policy.logger.warn({ ...fields, err: result.error }, 'not delivered');
    else this.#policy.logger.info(fields, fields.result);
  }
}

/** What became of each place: durable (undefined), not sent again to its list, or why not. */
type Fate = StoreError | 'loop' | undefined;
interface Fates {
  /** By account. */
  readonly mailboxes: ReadonlyMap<string, Fate>;
  /** By address. */
  readonly elsewhere: ReadonlyMap<string, Fate>;
}

const fatesOf = (results: readonly Delivered[], left: readonly Left[]): Fates => ({
  mailboxes: new Map(results.map((one) => [one.recipient.account.id, one.dropped ?? one.error])),
  elsewhere: new Map(left.map((one) => [one.leaving.recipient.address, one.dropped ?? one.error])),
});

/** A list that has had the letter does not make it fail, or come again, for the others. */
function besidesLoops(replies: readonly ReplyName[]): readonly ReplyName[] {
  const others = replies.filter((reply) => reply !== 'tooManyHops');
  return others.length === 0 ? replies : others;
}

/** Every address of this letter that leads to an account; undefined where there is only one. */
function addressesByAccount(
  accepted: readonly AcceptedRecipient[],
): ReadonlyMap<string, readonly string[]> | undefined {
  if (accepted.length === 1) return undefined;
  const named = new Map<string, string[]>();
  for (const { address, account } of accepted.flatMap(({ mailboxes }) => mailboxes)) {
    const known = named.get(account.id);
    if (known === undefined) named.set(account.id, [address]);
    else known.push(address);
  }
  return named;
}

/**
 * Addresses that a share was sent to. Of a list it is the list's: its members stay unnamed. Where
 * several lead to one mailbox (a list, a forward of somebody else) all count, so that none is told:
 * one of them may be a Bcc, and which one stands in the letter is not known here.
 */
const addressesOf = (
  share: readonly Recipient[],
  named: ReadonlyMap<string, readonly string[]> | undefined,
): readonly string[] => [
  ...new Set(share.flatMap(({ address, account }) => named?.get(account.id) ?? [address])),
];

/** The one reply of SMTP. Permanent only when it is so for all. */
export function oneReply(replies: readonly ReplyName[]): ReplyName {
  const [first = 'internal', ...others] = replies;
  if (others.every((reply) => reply === first)) return first;
  if (replies.includes('delivered')) return 'partial';
  return replies.find((reply) => REPLIES[reply].code < 500) ?? first;
}

function messageResult(
  results: readonly (Delivered | Left)[],
  replies: readonly ReplyName[],
): 'delivered' | 'partial' | 'deferred' | 'refused' {
  if (replies.every((reply) => reply === 'delivered')) return 'delivered';
  if (results.some(({ error }) => error === undefined)) return 'partial';
  return replies.some((reply) => REPLIES[reply].code < 500) ? 'deferred' : 'refused';
}
