/**
 * Replies out of a peer's bytes (RFC 5321 §4.2). The peer may be anybody: a line, a reply and what
 * waits to be read are bounded, and what is no reply ends the conversation. Looser than the grammar
 * in two things: LF ends a line without CR, and a line may be longer than 512 octets; such peers
 * exist, and neither makes one reply look like two.
 *
 * What was whole before a bad line counts, also where both came at once: a `250` to a message that
 * is dropped for the noise behind it would have the letter sent again and again.
 */
import { PEER_LINE_BYTES_MAX, PEER_REPLY_BYTES_MAX } from './options.ts';
import type { ClientReply } from './types.ts';

export interface PeerReply extends ClientReply {
  /** Text of each line, enhanced codes included. */
  readonly lines: readonly string[];
}

/** Why bytes of a peer are no SMTP. */
export class ReplySyntaxError extends Error {}

const LF = 0x0a;
const CR = 0x0d;
/** What stands in notices and logs of one reply. */
const TEXT_CHARACTERS_MAX = 1000;

/** Bytes in, replies out. */
export class ReplyReader {
  #rest: Buffer | undefined;
  #lines: string[] = [];
  #code = 0;
  #bytes = 0;
  #broken: ReplySyntaxError | undefined;

  /** Why what came last is no reply; from then on nothing is read. */
  get broken(): ReplySyntaxError | undefined {
    return this.#broken;
  }

  /** Whether part of a reply was read. */
  get partial(): boolean {
    return this.#rest !== undefined || this.#lines.length > 0;
  }

  /** @returns replies that are whole now; `broken` says whether something else followed them */
  push(chunk: Buffer): PeerReply[] {
    const replies: PeerReply[] = [];
    if (this.#broken) return replies;
    try {
      this.#read(chunk, replies);
    } catch (error) {
      if (!(error instanceof ReplySyntaxError)) throw error;
      this.#broken = error;
    }
    return replies;
  }

  /** @throws ReplySyntaxError */
  #read(chunk: Buffer, replies: PeerReply[]): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let start = 0;
    while (start < bytes.length) {
      const end = bytes.indexOf(LF, start);
      const length = (end < 0 ? bytes.length : end + 1) - start;
      if (length > PEER_LINE_BYTES_MAX) {
        throw new ReplySyntaxError(`a line of more than ${PEER_LINE_BYTES_MAX} octets`);
      }
      if (end < 0) {
        this.#rest = start === 0 ? bytes : bytes.subarray(start);
        return;
      }
      const reply = this.#line(bytes, start, end);
      if (reply !== undefined) replies.push(reply);
      start = end + 1;
    }
  }

  /** @throws ReplySyntaxError */
  #line(bytes: Buffer, start: number, lf: number): PeerReply | undefined {
    const end = lf > start && bytes[lf - 1] === CR ? lf - 1 : lf;
    const text = bytes.toString('utf8', start, end);
    const mark = end - start > 3 ? text[3] : ' ';
    const code = codeOf(text);
    if (code === 0 || (mark !== ' ' && mark !== '-')) {
      throw new ReplySyntaxError(`a line that is no reply: ${quoted(text)}`);
    }
    if (text.includes('\0')) throw new ReplySyntaxError('a reply with NUL in it');
    if (this.#lines.length > 0 && code !== this.#code) {
      throw new ReplySyntaxError(`a reply with two codes, ${this.#code} and ${code}`);
    }
    this.#code = code;
    this.#bytes += lf + 1 - start;
    if (this.#bytes > PEER_REPLY_BYTES_MAX) {
      throw new ReplySyntaxError(`a reply of more than ${PEER_REPLY_BYTES_MAX} octets`);
    }
    this.#lines.push(cleaned(text.slice(4)));
    if (mark === '-') return undefined;
    const reply = compose(code, this.#lines);
    this.#lines = [];
    this.#bytes = 0;
    return reply;
  }
}

/** 200 to 599; 0 for anything else. */
function codeOf(text: string): number {
  const [a, b, c] = [text.charCodeAt(0) - 48, text.charCodeAt(1) - 48, text.charCodeAt(2) - 48];
  if (!(a >= 2 && a <= 5 && b >= 0 && b <= 9 && c >= 0 && c <= 9)) return 0;
  return a * 100 + b * 10 + c;
}

// A reply stands in logs, on terminals and in notices.
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\0-\x1f\x7f-\x9f\u2028\u2029]+/g;
const cleaned = (text: string): string => text.replace(CONTROLS, ' ');
const quoted = (text: string): string => JSON.stringify(cleaned(text.slice(0, 80)));

const ENHANCED = /^([245])\.(\d{1,3})\.(\d{1,3})(?:\s+|$)/;

function compose(code: number, lines: readonly string[]): PeerReply {
  const [first = ''] = lines;
  const found = ENHANCED.exec(first);
  // One of another class than the reply (RFC 2034 §4) says nothing.
  const fits = found !== null && found[1] === String(Math.floor(code / 100));
  const texts = fits ? lines.map((line) => line.replace(ENHANCED, '')) : lines;
  const text = texts.join(' ').trim();
  return {
    code,
    enhanced: fits ? found[0].trim() : undefined,
    text: text.length > TEXT_CHARACTERS_MAX ? `${text.slice(0, TEXT_CHARACTERS_MAX)}…` : text,
    lines,
  };
}
