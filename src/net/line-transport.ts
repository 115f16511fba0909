import type { Socket } from 'node:net';
import {
  SKIPPED_BYTES_MAX,
  SMALL_CHUNK_BYTES_MAX,
  TEXT_BYTES_MAX,
  TURN_COMMANDS_MAX,
} from './options.ts';

/** What a session waits for: whoever sets its deadline asks. */
export type WaitsFor =
  | 'command'
  | 'input' // More of the command that runs: a line, octets.
  | 'drain'
  | 'work'
  | 'close';

/** A handler is done, or will be; the next command waits for it. */
export type Done = void | Promise<void>;

/** The connection went away under a running command. Not an error of anybody. */
export class ConnectionLost extends Error {}

/** An answer broke off after its +OK: the client must not see a clean end. See `cause`. */
export class BrokenAnswer extends Error {}

/**
 * The line half of a session: octets to lines, replies to few writes, in bounded memory.
 *
 * One command runs at a time. While one runs, or while the socket does not take what was
 * written, at most one read (64 KiB) is kept and the socket is paused; so neither a pipeline
 * nor a slow reader can make us keep more than that and one piece of output.
 *
 * Thousands of connections sit idle, so an idle one costs this object and its socket: listeners
 * are module functions that find their session on the socket (no closure each), no buffer is
 * kept between commands (an unfinished line is a string), and there is no timer per connection
 * but one deadline, which the service's sweep compares.
 */
export abstract class LineTransport {
  socket: Socket;
  /** When the sweep calls expire(), in milliseconds of the clock. */
  deadlineAt = Infinity;
  /** The socket is closed; nothing can be sent any more. */
  closed = false;
  /** A command runs. */
  busy = false;
  /** We ended the conversation; what still comes is thrown away. */
  protected ending = false;
  #blocked = false; // The socket wants 'drain' first.
  #inputEnded = false;
  #input: Buffer | undefined; // What was read and not yet looked at, from #at.
  #at = 0;
  #partial = ''; // A line that has no end yet, one character per octet.
  #skipped = 0; // Octets of an oversized line thrown away so far; 0 is no such line.
  #text = '';
  #raw = 0; // Octets to come that are no lines.
  #held = false; // Somebody works on the last of them.
  #reader: ((line: string | undefined) => void) | undefined; // The command that runs wants a line.
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#attach();
  }

  /** The client does not take what it was sent. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** One line, without its CRLF, one character per octet. */
  protected abstract line(line: string): Done;
  /** Octets that a line beginning like this may have, CRLF included. */
  protected abstract lineBytesMax(start: string): number;
  /** A line that begins so is longer than that. What follows until its end is skipped. */
  protected abstract oversized(start: string): void;
  /** Its end does not come: SKIPPED_BYTES_MAX are over. */
  protected abstract endless(): void;
  /** The one error boundary. */
  protected abstract failed(error: unknown): void;
  /** Sets deadlineAt for what the session waits for now. */
  protected abstract arm(waitsFor: WaitsFor): void;
  /** The socket is closed, once. */
  protected abstract closedBy(error: Error | undefined): void;

  /** Octets that `expectOctets` announced; the next come when this is done. Must not fail. */
  protected octets(_piece: Buffer): Done {}

  /** The next `count` octets are no lines; they go to `octets`, also while a command runs. */
  protected expectOctets(count: number): void {
    this.#raw = count;
    if (this.busy) this.#pull();
  }

  /** The next line goes to the command that runs. @throws ConnectionLost */
  takeLine(): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.closed || this.ending) return reject(new ConnectionLost());
      this.#reader = (line) => (line === undefined ? reject(new ConnectionLost()) : resolve(line));
      this.#pull();
    });
  }

  #pull(): void {
    queueMicrotask(() => {
      if (!this.closed && !this.ending && !this.#blocked) this.turn();
    });
  }

  /** Something other than the running command's end may be read now. */
  get #wanting(): boolean {
    return this.#reader !== undefined || (this.#raw > 0 && !this.#held);
  }

  /** Queues text, one character per octet; it goes at the end of the turn or when it is much. */
  say(text: string): void {
    this.#text += text;
    if (this.#text.length > TEXT_BYTES_MAX) this.flush();
  }

  /** Writes what is queued. */
  flush(): void {
    const text = this.#text;
    if (text === '') return;
    this.#text = '';
    if (this.closed || this.ending) return; // A reply that came after the end of the conversation.
    if (!this.socket.write(text, 'latin1')) this.#block();
  }

  /**
   * Sends a piece of a message. When this is done the piece is the caller's again: a small one is
   * copied, a large one fills the socket's buffer, and 'drain' comes when nothing of it is left.
   * @throws ConnectionLost.
   */
  send(chunk: Buffer): Done {
    if (this.closed) throw new ConnectionLost();
    if (chunk.length <= SMALL_CHUNK_BYTES_MAX) {
      this.say(chunk.toString('latin1'));
    } else {
      this.socket.setNoDelay(true); // The end of a long answer does not wait for an ACK.
      this.socket.cork();
      this.flush();
      const fills = chunk.length >= this.socket.writableHighWaterMark;
      if (!this.socket.write(fills ? chunk : Buffer.from(chunk))) this.#block();
      this.socket.uncork();
    }
    if (this.#blocked) return this.flowing();
  }

  /** Resolves after other connections had their turn. */
  turnOfOthers(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  /** Resolves when the socket takes more. @throws ConnectionLost. */
  async flowing(): Promise<void> {
    while (this.#blocked && !this.closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.closed) throw new ConnectionLost();
  }

  /** Ends the conversation after what is queued. The client closes, or the sweep does. */
  hangUp(): void {
    if (this.ending) return;
    this.flush();
    this.ending = true;
    this.#forgetInput();
    this.arm('close');
    if (this.closed) return;
    this.socket.end(() => this.closed || this.arm('close')); // Who is slow has it all now.
    this.socket.resume(); // To see its end, and whatever else comes: a reset would eat the reply.
  }

  /** Closes at once; what is queued is not sent. */
  cut(): void {
    this.#text = '';
    this.ending = true;
    this.#forgetInput();
    this.socket.destroy();
  }

  /** Puts the session on another socket (STLS). Not yet read plaintext is dropped. */
  protected replaceSocket(wrap: (plain: Socket) => Socket): void {
    this.flush();
    const plain = this.socket;
    plain.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    plain.on('error', ignore); // The TLS socket reports it.
    this.#forgetInput(); // RFC 2595 §4: nothing sent before TLS may count after it.
    this.#blocked = false;
    (plain as OwnedSocket)[OWNER] = undefined;
    this.socket = wrap(plain);
    this.#attach();
  }

  received(chunk: Buffer): void {
    if (this.ending) return;
    if (this.#input !== undefined) {
      this.#input = Buffer.concat([this.#input.subarray(this.#at), chunk]);
      this.#at = 0;
      this.socket.pause();
      return;
    }
    this.#input = chunk;
    this.#at = 0;
    if ((this.busy && !this.#wanting) || this.#held || this.#blocked) this.socket.pause();
    else this.turn();
  }

  inputEnded(): void {
    this.#inputEnded = true;
    if ((!this.busy || this.#wanting) && !this.#blocked) this.turn();
  }

  drained(): void {
    this.#blocked = false;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
    if (this.busy && !this.#wanting) this.arm('work');
    else if (!this.ending) this.turn();
  }

  socketClosed(error: Error | undefined): void {
    if (this.closed) return;
    this.closed = true;
    this.#forgetInput();
    this.#text = '';
    this.#wake?.();
    this.#reader?.(undefined);
    this.closedBy(error);
  }

  /** Goes on after other connections had their turn. */
  nextTurn(): void {
    this.busy = false;
    this.turn();
  }

  /** Serves the lines that are here, then writes their replies at once. */
  protected turn(): void {
    let served = 0;
    while (this.#input !== undefined && !this.#held && !this.#blocked && !this.ending) {
      if (this.#raw > 0) {
        this.#takeOctets(this.#input);
        continue;
      }
      const reader = this.#reader;
      if (this.busy && reader === undefined) break;
      served += 1;
      if (served > TURN_COMMANDS_MAX && reader === undefined) {
        this.busy = true;
        setImmediate(nextTurn, this);
        break;
      }
      const line = this.#nextLine();
      if (line === undefined) continue;
      this.#reader = undefined;
      if (reader === undefined) this.#dispatch(line);
      else reader(line);
    }
    this.flush();
    if (this.closed || this.ending) return;
    if ((this.busy && !this.#wanting) || this.#held || this.#blocked) {
      if (!this.#blocked) this.arm('work');
      return;
    }
    this.arm(this.busy ? 'input' : 'command');
    if (this.#inputEnded) this.hangUp();
    else if (this.socket.isPaused()) this.socket.resume();
  }

  #takeOctets(input: Buffer): void {
    const end = Math.min(input.length, this.#at + this.#raw);
    const piece = input.subarray(this.#at, end);
    this.#raw -= piece.length;
    this.#at = end;
    if (end === input.length) this.#input = undefined;
    const done = this.octets(piece);
    if (done === undefined) return;
    this.#held = true;
    void done.then(() => {
      this.#held = false;
      if (!this.closed && !this.ending && !this.#blocked) this.turn();
    });
  }

  #dispatch(line: string): void {
    try {
      const done = this.line(line);
      if (done === undefined) return;
      this.busy = true;
      void this.#settle(done);
    } catch (error) {
      this.failed(error);
    }
  }

  async #settle(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.failed(error);
    }
    this.busy = false;
    this.turn();
  }

  /** The next whole line of the input, or undefined when there is none and the input is used up. */
  #nextLine(): string | undefined {
    const input = this.#input;
    if (input === undefined) return undefined;
    const lf = input.indexOf(10, this.#at);
    if (lf < 0) {
      this.#keepPartial(input);
      return undefined;
    }
    const start = this.#partial;
    const bytes = start.length + lf + 1 - this.#at;
    const end = lf > this.#at && input[lf - 1] === 13 ? lf - 1 : lf;
    let line = input.toString('latin1', this.#at, end);
    if (start !== '') line = start + line;
    this.#partial = '';
    this.#at = lf + 1;
    if (this.#at === input.length) this.#input = undefined;
    if (this.#skipped > 0) {
      this.#skipped = 0; // Its reply was sent when it was found too long.
      return undefined;
    }
    if (bytes > this.lineBytesMax(line)) {
      this.oversized(line);
      return undefined;
    }
    // The CR came in the read before.
    return end === lf && line.endsWith('\r') ? line.slice(0, -1) : line;
  }

  #keepPartial(input: Buffer): void {
    const rest = input.length - this.#at;
    if (this.#skipped > 0) this.#skipped += rest;
    else this.#partial += input.toString('latin1', this.#at);
    this.#input = undefined;
    if (this.#skipped > SKIPPED_BYTES_MAX) return this.endless();
    if (this.#partial.length <= this.lineBytesMax(this.#partial)) return;
    const start = this.#partial;
    this.#skipped = start.length;
    this.#partial = '';
    this.oversized(start);
  }

  #block(): void {
    if (this.#blocked) return;
    this.#blocked = true;
    this.arm('drain');
    this.socket.once('drain', onDrain);
  }

  #forgetInput(): void {
    this.#input = undefined;
    this.#partial = '';
    this.#skipped = 0;
    this.#raw = 0;
  }

  #attach(): void {
    (this.socket as OwnedSocket)[OWNER] = this;
    // After the client's FIN we still answer what it sent before: a script piped through netcat.
    this.socket.allowHalfOpen = true;
    this.socket.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  }
}

const OWNER = Symbol('owner');
type OwnedSocket = Socket & { [OWNER]?: LineTransport | undefined; lastError?: Error };

const nextTurn = (transport: LineTransport): void => transport.nextTurn();

function onData(this: OwnedSocket, chunk: Buffer): void {
  this[OWNER]?.received(chunk);
}
function onEnd(this: OwnedSocket): void {
  this[OWNER]?.inputEnded();
}
function onDrain(this: OwnedSocket): void {
  this[OWNER]?.drained();
}
function onError(this: OwnedSocket, error: Error): void {
  this.lastError = error; // 'close' follows.
}
function onClose(this: OwnedSocket): void {
  this[OWNER]?.socketClosed(this.lastError);
}
const ignore = (): void => {};
