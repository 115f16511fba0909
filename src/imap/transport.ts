/**
 * Lines and literals to commands (RFC 9051 §2.2, §4.3). A command is one text for its handler: its
 * lines and literals in order, as they came (see wire/args.ts). What it may
 * hold in memory is bounded before the client is told to go on; `{n}` that is too much is refused
 * before its octets come, `{n+}` (RFC 7888) is skipped, or, when it is very much, the connection
 * ends. A command that streams (APPEND) runs as soon as its literal is announced and takes the
 * octets itself, at the pace of the storage.
 */
import { type Done, LineTransport } from '../net/line-transport.ts';
import { LITERALS_MAX, SKIPPED_LITERAL_MAX } from './options.ts';
import { type LiteralHead, literalFault } from './wire/args.ts';

const HEAD = /(~?)\{(\d{1,19})(\+?)\}$/;

/** The literal that a line announces with its end. */
export function literalHead(line: string): LiteralHead | undefined {
  if (!line.endsWith('}')) return undefined;
  const found = HEAD.exec(line);
  if (found === null) return undefined;
  return {
    octets: Number(found[2]),
    sends: found[3] === '+' ? 'at-once' : 'when-told',
    binary: found[1] === '~',
  };
}

interface Receiving {
  readonly sink: (piece: Buffer) => Done;
  readonly done: (error: Error | undefined) => void;
  left: number;
  failure: Error | undefined;
}

export abstract class ImapTransport extends LineTransport {
  #command = ''; // What has come of a command that goes on after a literal.
  #literals = 0;
  #skipping = false; // The rest of a command that was answered.
  #announced: LiteralHead | undefined; // Of the running command, not yet taken.
  #tail = false; // The running command has not taken the rest of its line.
  #receiving: Receiving | undefined;

  /** A whole command; or, where `streams` says so, what stands before a literal. */
  protected abstract command(text: string): Done;
  /** Does the command that begins so take its next literal itself? */
  protected abstract streams(text: string): boolean;
  /** What a command may have, literals too, octets. */
  protected abstract get commandBytesMax(): number;
  /** A command that begins so is refused for its size. */
  protected abstract tooBig(text: string, why: string): void;
  /** Says BYE and closes: the client sends what cannot be skipped. */
  protected abstract outOfStep(why: string): void;

  protected override line(line: string): Done {
    const head = literalHead(line);
    if (this.#skipping) return this.#skipLine(head);
    const text = this.#command === '' ? line : this.#command + line;
    if (head !== undefined && this.streams(text)) return this.#stream(text, head);
    const why = this.#excess(text, head);
    if (why !== undefined) {
      this.#forget();
      this.tooBig(text, why);
      if (head !== undefined) this.#skip(head);
      return;
    }
    if (head === undefined) {
      this.#forget();
      return this.command(text);
    }
    this.#command = `${text}\r\n`;
    this.#literals += 1;
    if (head.sends === 'when-told') this.say('+ Go ahead\r\n');
    this.expectOctets(head.octets);
  }

  #excess(text: string, head: LiteralHead | undefined): string | undefined {
    const octets = text.length + (head?.octets ?? 0);
    if (octets > this.commandBytesMax) return 'The command is too long';
    if (head === undefined) return undefined;
    if (this.#literals >= LITERALS_MAX) return 'The command has too many literals';
    return literalFault(head);
  }

  #forget(): void {
    this.#command = '';
    this.#literals = 0;
  }

  protected override oversized(start: string): void {
    if (this.busy) return this.outOfStep('The line is too long');
    if (this.#skipping) this.#skipping = false;
    else this.tooBig(this.#command === '' ? start : this.#command, 'The line is too long');
    this.#forget();
  }

  /** The rest of a command that was refused: what was announced to come anyway, and its line. */
  #skip(head: LiteralHead): void {
    if (head.sends === 'when-told') return; // The client was told no and sends nothing.
    if (head.octets > SKIPPED_LITERAL_MAX) return this.outOfStep('The literal is too long');
    this.#skipping = true;
    this.expectOctets(head.octets);
  }

  #skipLine(head: LiteralHead | undefined): void {
    this.#skipping = false;
    if (head !== undefined) this.#skip(head);
  }

  #stream(text: string, head: LiteralHead): Done {
    this.#forget();
    this.#announced = head;
    const done = this.command(text);
    if (done === undefined) return this.#leave();
    return done.finally(() => this.#leave());
  }

  /** The command is answered; what it did not take of its own line is skipped. */
  #leave(): void {
    const head = this.#announced;
    this.#announced = undefined;
    if (this.closed || this.ending) return;
    if (head !== undefined) this.#skip(head);
    else if (this.#tail) this.#skipping = true;
    this.#tail = false;
  }

  /**
   * Takes the literal that was announced to the running command: pieces go to `sink`, the next
   * when that is done; a piece may be used until then. What a failing sink leaves is skipped.
   * @throws what `sink` throws, after the last octet; ConnectionLost
   */
  async receive(sink: (piece: Buffer) => Done): Promise<void> {
    const head = this.#announced;
    if (head === undefined) throw new Error('no literal was announced');
    this.#announced = undefined;
    this.#tail = true;
    if (head.sends === 'when-told') {
      this.say('+ Go ahead\r\n');
      this.flush();
    }
    if (head.octets === 0) return;
    await new Promise<void>((resolve, reject) => {
      const done = (error: Error | undefined): void => (error ? reject(error) : resolve());
      this.#receiving = { sink, done, left: head.octets, failure: undefined };
      this.expectOctets(head.octets);
    });
  }

  /** What follows the literal on the running command's line. @throws ConnectionLost */
  async restOfCommand(): Promise<string> {
    const line = await this.takeLine();
    this.#tail = false;
    this.#announced = literalHead(line);
    return line;
  }

  /** Is a literal on its way now? */
  protected get receiving(): boolean {
    return this.#receiving !== undefined || this.#command !== '';
  }

  protected override octets(piece: Buffer): Done {
    const { receiving } = { receiving: this.#receiving };
    if (receiving !== undefined) return this.#pass(receiving, piece);
    if (!this.#skipping) this.#command += piece.toString('latin1');
  }

  #pass(receiving: Receiving, piece: Buffer): Done {
    receiving.left -= piece.length;
    if (receiving.failure === undefined) {
      try {
        const done = receiving.sink(piece);
        if (done !== undefined) return this.#passed(receiving, done);
      } catch (error) {
        receiving.failure = asError(error);
      }
    }
    this.#settle(receiving);
  }

  async #passed(receiving: Receiving, done: Promise<void>): Promise<void> {
    try {
      await done;
    } catch (error) {
      receiving.failure = asError(error);
    }
    this.#settle(receiving);
  }

  #settle(receiving: Receiving): void {
    if (receiving.left > 0) return;
    this.#receiving = undefined;
    receiving.done(receiving.failure);
  }

  /** The connection is gone: whoever waits for octets is told. */
  protected lose(error: Error): void {
    const receiving = this.#receiving;
    this.#receiving = undefined;
    receiving?.done(error);
  }
}

const asError = (error: unknown): Error =>
  error instanceof Error ? error : new Error(String(error));
