/**
 * Rows of FETCH with octets of small messages, gathered to few writes: what each row says and the
 * message in wire form lie one after the other in one piece of memory, which is sent when it is
 * well filled. A row of 20 KB costs a copy so, and no write of its own.
 */
import { lineEndsOf, wireForm } from '../../mailbox/wire.ts';
import type { Numbered } from '../../mailbox/mail.ts';
import { UPDATE_BYTES_MAX } from '../options.ts';
import type { ImapSession } from '../session.ts';

/** Room for what is gathered and one message more, whose wire form may have twice its octets. */
const GATHERED_OCTETS = 256 * 1024;

export class Gathered {
  readonly #session: ImapSession;
  #bytes: Buffer | undefined;
  #at = 0;

  constructor(session: ImapSession) {
    this.#session = session;
  }

  /** Enough for a write. */
  get isFull(): boolean {
    return this.#at >= UPDATE_BYTES_MAX;
  }

  /**
   * Adds a row: what stands before the octets of a message, these, and what follows.
   * @returns whether it was added: not when the message has other than so many octets in wire form
   */
  add(row: {
    readonly before: string;
    readonly message: Numbered;
    readonly stored: Uint8Array;
    readonly octets: number;
    readonly after: string;
  }): boolean {
    const { before, message, stored, octets, after } = row;
    const bytes = (this.#bytes ??= spare.pop() ?? Buffer.allocUnsafe(GATHERED_OCTETS));
    const needed = before.length + 2 * stored.length + 8 + after.length;
    if (this.#at + needed > bytes.length) return false;
    const start = this.#at + bytes.write(before, this.#at, 'latin1');
    const form = wireForm(lineEndsOf(message.entry.name));
    const wire = form.convert(stored, bytes.subarray(start, start + 2 * stored.length + 8));
    if (wire.length !== octets) return false;
    // Of a file with CRLF of its own it lies elsewhere.
    if (wire.buffer !== bytes.buffer) bytes.set(wire, start);
    this.#at = start + wire.length + bytes.write(after, start + wire.length, 'latin1');
    return true;
  }

  /** Sends what was gathered, before anything else is said. @throws ConnectionLost */
  async flush(): Promise<void> {
    const bytes = this.#bytes;
    if (this.#at === 0 || bytes === undefined) return;
    const piece = bytes.subarray(0, this.#at);
    this.#at = 0;
    await this.#session.send(piece);
    await this.#session.turnOfOthers();
  }

  /** Nothing more is gathered. Not called after a failure: the socket may still send of it. */
  end(): void {
    if (this.#bytes !== undefined && spare.length < SPARE_MAX) spare.push(this.#bytes);
    this.#bytes = undefined;
  }
}

const spare: Buffer[] = [];
const SPARE_MAX = 8;
