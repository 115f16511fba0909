/**
 * Commands out, replies in, over a stream. Replies belong to commands by their order alone, so a
 * reply that nobody waits for ends the conversation: it would be taken for the next command's. The
 * exception is 421, which a peer may say at any time (RFC 5321 §3.8).
 */
import type { Duplex } from 'node:stream';
import { ReplyReader, type PeerReply } from './replies.ts';
import { ClientFault, type Phase } from './types.ts';

interface Waiting {
  readonly phase: Phase;
  /** 0: no time runs yet. */
  ms: number;
  readonly resolve: (reply: PeerReply) => void;
  readonly reject: (fault: ClientFault) => void;
}

/** One connection, from one handshake to the next or to its end. */
export class Channel {
  readonly #stream: Duplex;
  readonly #reader = new ReplyReader();
  readonly #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;
  #timed: Waiting | undefined;
  #fault: ClientFault | undefined;
  #goodbye: PeerReply | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', this.#onData);
    stream.on('error', this.#onError);
    stream.on('end', this.#onClose);
    stream.on('close', this.#onClose);
  }

  /** Why nothing more can be said here; undefined while it can. */
  get fault(): ClientFault | undefined {
    return this.#fault;
  }

  /** The peer said 421: the next command would not be answered. */
  get leaving(): boolean {
    return this.#goodbye !== undefined || this.#fault !== undefined;
  }

  /** Called once when it ends or the peer takes its leave. */
  onEnd: (() => void) | undefined;

  /** Bytes were read that are no whole reply. */
  get partial(): boolean {
    return this.#reader.partial;
  }

  /** Takes its place in the order of replies. Waits `ms` once it is the first; 0: see `limit`. */
  reply(phase: Phase, ms: number): Promise<PeerReply> {
    if (this.#fault) return Promise.reject(faultAt(this.#fault, phase));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ phase, ms, resolve, reject });
      this.#watch();
    });
  }

  /** Sets the time for replies that were asked for with 0. */
  limit(ms: number): void {
    for (const waiting of this.#waiting) waiting.ms ||= ms;
    this.#watch();
  }

  write(data: string | Uint8Array): boolean {
    if (this.#fault) return true;
    return this.#stream.write(data);
  }

  /** Resolves when the peer took what was written, at most `ms` later. @throws ClientFault */
  drained(phase: Phase, ms: number): Promise<void> {
    if (this.#fault) return Promise.reject(faultAt(this.#fault, phase));
    if (!this.#stream.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const stream = this.#stream;
      const done = (): void => {
        clearTimeout(timer);
        stream.off('drain', done);
        stream.off('close', done);
        if (this.#fault) reject(faultAt(this.#fault, phase));
        else resolve();
      };
      const timer = setTimeout(() => {
        this.fail(new ClientFault('timeout', phase, `the peer took nothing for ${ms} ms`));
        done();
      }, ms);
      stream.on('drain', done);
      stream.on('close', done);
    });
  }

  /** Ends it: everybody who waits learns why. */
  fail(fault: ClientFault): void {
    this.#end(fault);
    this.#stream.destroy();
  }

  /** Says QUIT and waits for nothing. */
  quit(): void {
    if (this.#fault) return;
    const stream = this.#stream;
    stream.end('QUIT\r\n');
    this.#end(new ClientFault('closed', 'hello', 'the conversation is over'));
    // Its 221 is read and dropped; who does not close is closed.
    stream.resume();
    setTimeout(() => stream.destroy(), QUIT_MS).unref();
  }

  /** Lets go of the stream, for a TLS handshake over it. */
  detach(): Duplex {
    const stream = this.#stream;
    stream.off('data', this.#onData);
    stream.off('error', this.#onError);
    stream.off('end', this.#onClose);
    stream.off('close', this.#onClose);
    stream.on('error', () => {}); // Who takes it over hears of it by itself.
    this.#end(new ClientFault('closed', 'tls', 'the stream was handed on'));
    return stream;
  }

  #onData = (chunk: Buffer): void => {
    for (const reply of this.#reader.push(chunk)) {
      if (this.#fault) return;
      this.#deliver(reply);
    }
    const { broken } = this.#reader;
    if (broken === undefined) return;
    const phase = this.#waiting[0]?.phase ?? 'hello';
    this.fail(new ClientFault('protocol', phase, `the peer sent ${broken.message}`));
  };

  #deliver(reply: PeerReply): void {
    if (reply.code === 421) this.#goodbye = reply;
    const waiting = this.#waiting.shift();
    if (waiting) {
      this.#watch();
      waiting.resolve(reply);
    } else if (reply.code === 421) {
      this.onEnd?.();
    } else {
      const said = `${reply.code} ${reply.text}`.slice(0, 100);
      this.fail(new ClientFault('protocol', 'hello', `the peer spoke out of turn: ${said}`));
    }
  }

  #onError = (error: Error): void => {
    const phase = this.#waiting[0]?.phase ?? 'hello';
    this.fail(new ClientFault('closed', phase, `the connection failed: ${error.message}`));
  };

  #onClose = (): void => {
    const phase = this.#waiting[0]?.phase ?? 'hello';
    const reply = this.#goodbye;
    const after = reply ? `, after ${reply.code} ${reply.text}` : '';
    const text = `the peer closed the connection${after}`;
    this.fail(new ClientFault('closed', phase, text, reply));
  };

  #end(fault: ClientFault): void {
    if (this.#fault) return;
    this.#fault = fault;
    clearTimeout(this.#timer);
    for (const { reject, phase } of this.#waiting.splice(0)) reject(faultAt(fault, phase));
    this.onEnd?.();
  }

  /** Time runs for the first who waits. */
  #watch(): void {
    const first = this.#waiting[0];
    if (first === this.#timed && first?.ms !== 0) return;
    clearTimeout(this.#timer);
    this.#timed = undefined;
    if (!first || first.ms === 0) return;
    this.#timed = first;
    this.#timer = setTimeout(() => {
      const text = `the peer did not answer within ${first.ms} ms`;
      this.fail(new ClientFault('timeout', first.phase, text));
    }, first.ms);
  }
}

const QUIT_MS = 5000;

/** The same end, seen by who waited in another phase. */
const faultAt = (fault: ClientFault, phase: Phase): ClientFault =>
  fault.phase === phase ? fault : new ClientFault(fault.kind, phase, fault.message, fault.reply);
