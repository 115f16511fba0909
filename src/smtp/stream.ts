/**
 * The input side of one connection: lines while commands are read, content while a message is.
 *
 * It stands in for the library's parser (which it extends, so that the library's connection can
 * hold it): a line that is too long or ends in a bare LF is reported and skipped, it does not end
 * the connection; a last line without an end is dropped, not run; content is decoded on the way.
 *
 * One chunk is worked off before the next is taken, and a handler or a write that is not finished
 * holds the chunk: that is the backpressure, all the way to the client's TCP window.
 */
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import { ContentDecoder } from './content.ts';
import { COMMAND_LINE_BYTES_MAX } from './options.ts';

const CR = 0x0d;
const LF = 0x0a;
const HELD_CR = Buffer.from('\r');
/** Commands run in one turn of the event loop, so that one client cannot hold up the others. */
const COMMANDS_PER_TURN_MAX = 100;

export type LineProblem = 'none' | 'too-long' | 'bare-lf';

/** What the connection does with the input. */
export interface InputHandler {
  /** One line without its end. `next` must be called once, when the reply is on its way. */
  line(line: Buffer, problem: LineProblem, next: () => void): void;
  /** Decoded content. Input stops until the promise is settled. Must not reject. */
  content(bytes: Buffer): Promise<void> | undefined;
  /** The end of data. Input stops until `next` is called. */
  contentEnd(next: () => void): void;
}

type Done = (error?: Error | null) => void;

export class SmtpInput extends SMTPStream {
  /** Longest line with CRLF. */
  lineBytesMax = COMMAND_LINE_BYTES_MAX;
  readonly #handler: InputHandler;
  #decoder: ContentDecoder | undefined;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  #done: Done = () => {};
  /** The start of a line whose end has not come. */
  #partial: Buffer | undefined;
  /** The rest of a line that is too long is being skipped. */
  #skipping = false;
  #running = false;
  #again = false;

  constructor(handler: InputHandler) {
    super();
    this.#handler = handler;
  }

  /** More input waits behind the line that is being handled: the client pipelines. */
  get pipelined(): boolean {
    return this.#at < this.#chunk.length;
  }

  /** The bytes after the current line are a message, until its end. */
  startContent(): ContentDecoder {
    this._dataMode = true; // The library's idle timeout asks for it.
    this.#decoder = new ContentDecoder();
    return this.#decoder;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', done: Done): void {
    this.#chunk = chunk;
    this.#at = 0;
    this.#done = done;
    this.#run();
  }

  /** RFC 5321 §2.3.7: what does not end in CR LF is not a line. */
  override _flushData(): void {}

  /** Works until the chunk is used up or something has to be waited for; never recurses. */
  #run(): void {
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    let commands = 0;
    try {
      while (this.#again) {
        this.#again = false;
        if (this.isClosed || this.#at >= this.#chunk.length) {
          this.#finish(); // May bring the next chunk at once: then #again is set.
          continue;
        }
        if (this.#decoder) this.#content(this.#decoder);
        else if (++commands > COMMANDS_PER_TURN_MAX) setImmediate(() => this.#run());
        else this.#line();
      }
    } finally {
      this.#running = false;
    }
  }

  #finish(): void {
    const done = this.#done;
    this.#done = () => {};
    this.#chunk = Buffer.alloc(0);
    this.#at = 0;
    done();
  }

  #line(): void {
    const chunk = this.#chunk;
    const end = chunk.indexOf(LF, this.#at);
    if (end < 0) {
      this.#keep(chunk.subarray(this.#at));
      this.#at = chunk.length;
      this.#again = true;
      return;
    }
    let line = chunk.subarray(this.#at, end);
    this.#at = end + 1;
    if (this.#partial) {
      line = Buffer.concat([this.#partial, line]);
      this.#partial = undefined;
    }
    const tooLong = this.#skipping || line.length + 1 > this.lineBytesMax;
    this.#skipping = false;
    const hasCr = line.length > 0 && line[line.length - 1] === CR;
    const problem: LineProblem = tooLong ? 'too-long' : hasCr ? 'none' : 'bare-lf';
    this.#handler.line(hasCr ? line.subarray(0, -1) : line, problem, this.#once());
  }

  /** Keeps the start of a line, as a copy: a view would keep the whole chunk alive. */
  #keep(piece: Buffer): void {
    if (this.#skipping) return;
    const length = (this.#partial?.length ?? 0) + piece.length;
    if (length > this.lineBytesMax) {
      this.#partial = undefined;
      this.#skipping = true;
    } else this.#partial = Buffer.concat(this.#partial ? [this.#partial, piece] : [piece]);
  }

  #content(decoder: ContentDecoder): void {
    const { bytes, next, heldCr, ended } = decoder.push(this.#chunk, this.#at);
    this.#at = next;
    const whole = heldCr ? Buffer.concat([HELD_CR, bytes]) : bytes;
    const resume = this.#once();
    const proceed = (): void => {
      if (!ended) return resume();
      this.#decoder = undefined;
      this._dataMode = false;
      this.#handler.contentEnd(resume);
    };
    const wait = whole.length > 0 && !decoder.discard ? this.#handler.content(whole) : undefined;
    if (wait) void wait.then(proceed);
    else proceed();
  }

  /** A continuation that runs once, whoever calls it how often. */
  #once(): () => void {
    let called = false;
    return () => {
      if (called) return;
      called = true;
      this.#run();
    };
  }
}
