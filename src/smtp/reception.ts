/**
 * One message from 354 to its reply. Refused mid-way it is still read to the end of data, since a
 * client reads no reply before that; what was written is dropped at once.
 */
import type { Clock } from '../base/clock.ts';
import { DeadlineError, withDeadline } from '../base/deadline.ts';
import type { Logger } from '../log/types.ts';
import type { ContentDecoder } from './content.ts';
import { bugs, refused as refusedMessages } from './metrics.ts';
import { MessageIdFinder } from './message-id.ts';
import type { SmtpOptions } from './options.ts';
import { nameOf, ReplyError, type Reply, type ReplyName } from './replies.ts';
import type { MessageSink } from './types.ts';

export interface ReceptionParts {
  readonly id: string;
  readonly sink: MessageSink;
  readonly decoder: ContentDecoder;
  readonly options: SmtpOptions;
  readonly clock: Clock;
  readonly logger: Logger;
}

const REFUSAL_REASONS = {
  bareLf: 'bare-lf',
  messageTooBig: 'too-big',
  tooManyHops: 'loop',
} as const satisfies Partial<Record<ReplyName, string>>;

export class Reception {
  readonly id: string;
  readonly #parts: ReceptionParts;
  readonly #startedAt: number;
  readonly #messageId = new MessageIdFinder();
  #refusal: Reply | undefined;
  #state: 'receiving' | 'ended' | 'gone' = 'receiving';
  #writing: Promise<void> | undefined;
  #writingSince = 0;
  /** Time in which we kept the client waiting; not held against it. */
  #blockedMs = 0;
  /** What `stalled` saw when it last saw progress. */
  #seenOctets = -1;
  #seenAt: number;

  constructor(parts: ReceptionParts) {
    this.id = parts.id;
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
    this.#seenAt = this.#startedAt;
  }

  /** Octets received so far (RFC 1870 §4). */
  get octets(): number {
    return this.#parts.decoder.octets;
  }

  /** What a message whose end never comes is answered with. */
  get verdict(): Reply {
    this.#judge();
    return this.#refusal ?? (this.#writing ? 'stuck' : 'dataTooSlow');
  }

  /** Takes decoded bytes. The promise never rejects. */
  content(bytes: Buffer): Promise<void> | undefined {
    this.#judge();
    if (this.#refusal || this.#state === 'gone') return undefined;
    const { sink, clock } = this.#parts;
    this.#messageId.push(bytes);
    const startedAt = clock.now();
    this.#writingSince = startedAt;
    this.#writing = sink
      .write(bytes)
      .catch((error: unknown) => this.#refuse(this.#replyTo(error)))
      .then(() => {
        this.#writing = undefined;
        this.#blockedMs += clock.now() - startedAt;
      });
    return this.#writing;
  }

  /** The end of data came. @returns one reply, or those that the sink gave. Never rejects. */
  async end(): Promise<readonly Reply[]> {
    this.#judge();
    const { decoder, options, sink } = this.#parts;
    if (!this.#refusal && decoder.hops > options['smtp.hops.max']) this.#refuse('tooManyHops');
    this.#state = 'ended';
    if (this.#refusal) return [this.#refusal];
    try {
      this.#messageId.finish();
      const { found: messageId } = this.#messageId;
      const work = sink.end({ octets: decoder.octets, messageId });
      return await withDeadline(work, { ms: options['smtp.commit.timeout'], what: 'commit' });
    } catch (error) {
      return [this.#replyTo(error)];
    }
  }

  /** The client is gone. What it sent in full is kept, what it did not is dropped. */
  gone(): void {
    if (this.#state !== 'receiving') return;
    this.#state = 'gone';
    this.#parts.decoder.discard = true;
    refusedMessages.inc('gone');
    if (this.#refusal) return;
    const abort = (): void => this.#abort('gone');
    if (this.#writing) void this.#writing.then(abort);
    else abort();
  }

  /** Too long silent, or too slow on the whole? Asked about once a second. */
  stalled(now: number): boolean {
    const { options, decoder } = this.#parts;
    if (this.#state !== 'receiving') return false;
    if (this.#writing) return now - this.#writingSince > options['smtp.commit.timeout'];
    if (decoder.octets !== this.#seenOctets) {
      this.#seenOctets = decoder.octets;
      this.#seenAt = now;
    }
    if (now - this.#seenAt > options['smtp.data.timeout']) return true;
    const needed = (decoder.octets / options['smtp.data.rate-min']) * 1000;
    const taken = now - this.#startedAt - this.#blockedMs;
    return taken > options['smtp.data.timeout'] + needed;
  }

  #judge(): void {
    const { decoder, options } = this.#parts;
    if (this.#refusal || this.#state !== 'receiving') return;
    if (decoder.bareLf) this.#refuse('bareLf');
    else if (decoder.octets > options['smtp.message.max']) this.#refuse('messageTooBig');
  }

  #refuse(reply: Reply): void {
    if (this.#refusal) return;
    this.#refusal = reply;
    this.#parts.decoder.discard = true;
    const name = nameOf(reply);
    if (Object.hasOwn(REFUSAL_REASONS, name)) {
      refusedMessages.inc(REFUSAL_REASONS[name as keyof typeof REFUSAL_REASONS]);
    }
    if (this.#state === 'receiving') this.#abort('refused');
  }

  #abort(reason: 'refused' | 'gone'): void {
    try {
      this.#parts.sink.abort(reason);
    } catch (error) {
      bugs.inc('abort');
      const fields = { code: 'MF-SMTP-001', trace: this.id, err: error };
      this.#parts.logger.error(fields, 'Abort of a message failed');
    }
  }

  #replyTo(error: unknown): Reply {
    if (error instanceof ReplyError) return error.full;
    const { logger } = this.#parts;
    if (error instanceof DeadlineError) {
      logger.error(
        { code: 'MF-SMTP-002', trace: this.id, err: error },
        'Message not stored in time',
      );
      return 'commitTimeout';
    }
    bugs.inc('data');
    logger.error(
      { code: 'MF-SMTP-001', trace: this.id, err: error },
      'Unexpected error in a message',
    );
    return 'internal';
  }
}
