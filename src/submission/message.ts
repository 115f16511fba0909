/**
 * DATA: a message of a user. The header is held back until it is whole and judged (From has to be
 * the user's), mended (RFC 6409 §8) and written; the body behind it passes as it came, not looked
 * at and not copied.
 *
 * SMTP has one reply for all recipients, local and elsewhere: 250 when the letter is durable for
 * every one of them (delivery's two phases).
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { together, type Places } from '../delivery/places.ts';
import type { Delivered, Delivery, Incoming, Left, ListCopy } from '../delivery/types.ts';
import { DirectoryUnavailable } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { dateTime } from '../message/date.ts';
import { HeadCollector, type MessageHead } from '../message/head.ts';
import { claimsOf, repairedHeader, type Additions, type Claims } from '../message/repair.ts';
import { nameOf, REPLIES, ReplyError, type Reply } from '../smtp/replies.ts';
import { receivedHeader, traceHeader } from '../smtp/trace.ts';
import type { Envelope, MessageSink, ReceivedContent, SessionView } from '../smtp/types.ts';
import { StoreError } from '../volumes/error.ts';
import { commitSeconds, messages, repaired } from './metrics.ts';
import type { SubmissionOptions } from './options.ts';
import type { Author } from './sender.ts';
import type { SendingLimits } from './sending-limits.ts';
import { STORE_REPLIES } from '../delivery/replies.ts';

export interface MessagePolicy {
  readonly delivery: Pick<Delivery, 'begin'>;
  readonly limits: SendingLimits | undefined;
  readonly options: SubmissionOptions;
  readonly hostName: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Names in one line of the log. */
const NAMED_MAX = 20;
const MESSAGE_ID_BYTES = 8;

export class SubmittedMessage implements MessageSink {
  readonly #policy: MessagePolicy;
  readonly #session: SessionView;
  readonly #envelope: Envelope<Places>;
  readonly #author: Author;
  readonly #incoming: Incoming;
  readonly #collector: HeadCollector;
  #inBody = false;
  /** The Message-ID that we gave a letter that had none. */
  #ownId: string | undefined;

  constructor(
    policy: MessagePolicy,
    session: SessionView,
    given: { readonly envelope: Envelope<Places>; readonly author: Author },
  ) {
    const { envelope, author } = given;
    this.#policy = policy;
    this.#session = session;
    this.#envelope = envelope;
    this.#author = author;
    this.#collector = new HeadCollector({ octetsMax: policy.options['submission.header.max'] });
    this.#incoming = this.#begin();
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#inBody) return await this.#pass(chunk);
    const step = this.#collector.push(chunk);
    switch (step.kind) {
      case 'more':
        return;
      case 'too-long':
        throw new ReplyError('headerTooLong', {
          detail: `more than ${this.#policy.options['submission.header.max']} octets`,
        });
      case 'head':
        await this.#head(step.head);
        for (const piece of step.body) await this.#pass(piece);
    }
  }

  async end(content: ReceivedContent): Promise<readonly Reply[]> {
    if (!this.#inBody) {
      const { head, body } = this.#collector.end();
      await this.#orAbort(async () => {
        await this.#head(head);
        for (const piece of body) await this.#pass(piece);
      });
    }
    const { limits, clock } = this.#policy;
    const recipients = this.#envelope.recipients.length;
    await this.#orAbort(async () => limits?.spend(this.#author.account, recipients));
    const startedAt = clock.now();
    const results = await this.#incoming.commit();
    commitSeconds.observe((clock.now() - startedAt) / 1000);
    return [this.#conclude(results, this.#incoming.left, content)];
  }

  abort(reason: 'refused' | 'gone'): void {
    if (reason === 'refused') messages.inc('refused');
    void this.#incoming.abort();
  }

  /** The engine does not abort what came to its end. */
  async #orAbort(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      messages.inc('refused');
      await this.#incoming.abort();
      throw error;
    }
  }

  #begin(): Incoming {
    const { policy, session, envelope } = this.#given;
    const { sender, id } = envelope;
    const { options, hostName } = policy;
    const [only, ...others] = envelope.recipients;
    const facts = {
      session,
      id,
      hostName,
      sender: sender.address?.address ?? '',
      smtpUtf8: sender.smtpUtf8,
      at: policy.clock.now(),
      login: options['submission.received.login'] === 'told' ? session.account?.login : undefined,
      anonymous: options['submission.received.address'] === 'hidden',
      // A letter of several never tells whom it was for: one of them may be a Bcc.
      recipients: only && others.length === 0 ? [only.address] : [],
    };
    const { ret, envid, smtpUtf8 } = sender;
    // Of who is known by an address alone we vouch for nothing.
    const sign = session.account?.byAddress !== true;
    return policy.delivery.begin({
      id,
      ...together(envelope.recipients),
      envelope: { sender: facts.sender, ret, envid, smtpUtf8, sign },
      failure: 'all',
      header: () => Buffer.from(traceHeader(facts)),
      leavingHeader: () => Buffer.from(receivedHeader(facts)),
    });
  }

  get #given(): {
    readonly policy: MessagePolicy;
    readonly session: SessionView;
    readonly envelope: Envelope<Places>;
  } {
    return { policy: this.#policy, session: this.#session, envelope: this.#envelope };
  }

  async #head(head: MessageHead): Promise<void> {
    const claims = claimsOf(head);
    if ('problem' in claims) throw new ReplyError('badHeader', { detail: claims.problem });
    const additions = await this.#additions(claims);
    this.#inBody = true;
    count(head, additions);
    await this.#pass(repairedHeader(head, additions));
  }

  /** @throws ReplyError when the header claims what is not so */
  async #additions(claims: Claims): Promise<Additions> {
    const { options, clock } = this.#policy;
    const added = {
      date: claims.hasDate ? undefined : dateTime(clock.now()),
      messageId: claims.hasMessageId ? undefined : this.#messageId(),
    };
    this.#ownId = added.messageId;
    const { account, own } = this.#author;
    if (claims.from === undefined) {
      if (options['submission.from.missing'] === 'refuse') {
        throw new ReplyError('badHeader', { detail: 'From is missing' });
      }
      const { address } = this.#envelope.sender;
      return { ...added, from: address?.address ?? account.login };
    }
    const policy = options['submission.from'];
    if (policy === 'off') return added;
    try {
      const foreign = await own.foreign(claims.from);
      const sender = claims.sender === undefined || (await own.has(claims.sender));
      if (policy === 'sender') {
        const names = foreign === undefined ? sender : sender && claims.sender !== undefined;
        return names ? added : { ...added, sender: account.login };
      }
      const wrong = foreign ?? (sender ? undefined : claims.sender);
      if (wrong === undefined) return added;
      throw new ReplyError('fromNotYours', { detail: wrong });
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      throw new ReplyError('directoryDown', { cause: error });
    }
  }

  #messageId(): string {
    const { random, hostName } = this.#policy;
    const unique = Buffer.from(random.bytes(MESSAGE_ID_BYTES)).toString('hex');
    return `<${unique}.${this.#envelope.id}@${hostName.replace(/[^A-Za-z0-9.-]/g, '-')}>`;
  }

  async #pass(bytes: Uint8Array): Promise<void> {
    try {
      await this.#incoming.write(bytes);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const fields = { trace: this.#envelope.id, kind: error.kind, err: error };
      this.#policy.logger.warn(fields, 'message not stored');
      throw new ReplyError(STORE_REPLIES[error.kind], { cause: error });
    }
  }

  /** The one reply, and the line of the log that says what became of it. */
  #conclude(
    results: readonly Delivered[],
    left: readonly Left[],
    { octets, messageId = this.#ownId }: ReceivedContent,
  ): Reply {
    const all = [...results, ...left];
    const loops = listsOf([
      ...results.filter(({ dropped }) => dropped).map(({ recipient }) => recipient.list),
      ...left
        .filter(({ dropped }) => dropped)
        .map(({ leaving }) => leaving.held?.list ?? leaving.list),
    ]);
    const going = all.filter(({ dropped }) => dropped === undefined);
    const errors = going.flatMap(({ error }) => (error ? [error] : []));
    const reply = going.length === 0 ? 'tooManyHops' : replyOf(errors, going.length);
    const result = resultOf(reply);
    messages.inc(result);
    const { id, sender, recipients } = this.#envelope;
    const fields = {
      trace: id,
      peer: this.#session.peer.remoteAddress,
      login: this.#author.account.login,
      from: sender.address?.address ?? '',
      to: recipients.slice(0, NAMED_MAX).map(({ address }) => address),
      recipients: recipients.length,
      local: results.length,
      leaving: left.length,
      octets,
      messageId,
      result,
      ...(loops.length > 0 && { loops }),
    };
    const { logger } = this.#policy;
    const [first] = errors;
    if (going.length === 0) logger.warn(fields, 'not sent to its list again');
    else if (first === undefined) logger.info(fields, 'submitted');
    else if (result === 'partial') {
      logger.warn({ code: 'MF-SUB-001', ...fields, err: first }, 'stored for some recipients only');
    } else logger.warn({ ...fields, err: first }, 'not submitted');
    return reply;
  }
}

/** Lists that have sent the letter before. */
const listsOf = (lists: readonly (ListCopy | undefined)[]): readonly string[] => [
  ...new Set(lists.flatMap((list) => list?.address ?? [])),
];

function replyOf(errors: readonly StoreError[], of: number): Reply {
  if (errors.length === 0) return 'delivered';
  if (errors.length < of) return 'partial';
  const replies = errors.map(({ kind }) => STORE_REPLIES[kind]);
  return replies.find((reply) => REPLIES[reply].code < 500) ?? replies[0] ?? 'internal';
}

function resultOf(reply: Reply): 'accepted' | 'partial' | 'deferred' | 'refused' {
  const name = nameOf(reply);
  if (name === 'delivered') return 'accepted';
  if (name === 'partial') return 'partial';
  return REPLIES[name].code < 500 ? 'deferred' : 'refused';
}

function count({ fields }: MessageHead, { date, messageId, from, sender }: Additions): void {
  if (date !== undefined) repaired.inc('date');
  if (messageId !== undefined) repaired.inc('message-id');
  if (from !== undefined) repaired.inc('from');
  if (sender !== undefined) repaired.inc('sender');
  if (fields.some(({ name }) => name === 'bcc' || name === 'resent-bcc')) repaired.inc('removed');
}
