import { plainText } from '../plain.ts';
import { decodeCharset } from './charset.ts';
import type { Draft } from './draft.ts';
import { htmlToText } from './html-text.ts';
import { decodeTransfer } from './transfer.ts';

/** Octets of a text that are looked at for a preview. */
const START_MAX = { plain: 2048, html: 32_768 };
const PREVIEW_MAX = 200;

/** Keeps the start of the first text of a message that says something. */
export class TextStart {
  #preview = '';
  #part: Draft | undefined;
  #pieces: Buffer[] = [];
  #room = 0;

  /** The body of a part begins. */
  begin(part: Draft): void {
    const { value } = part.content;
    const html = value === 'text/html';
    if (this.#preview !== '' || (!html && value !== 'text/plain') || part.isAttachment) return;
    this.#part = part;
    this.#pieces = [];
    this.#room = html ? START_MAX.html : START_MAX.plain;
  }

  add(bytes: Buffer, start: number, end: number): void {
    if (this.#part === undefined || this.#room === 0) return;
    const stop = Math.min(end, start + this.#room);
    this.#room -= stop - start;
    this.#pieces.push(Buffer.from(bytes.subarray(start, stop)));
  }

  /** The body of a part is over. */
  end(): void {
    const part = this.#part;
    if (part === undefined) return;
    this.#part = undefined;
    const charset = part.content.parameters.find(([name]) => name === 'charset')?.[1] ?? '';
    const text = decodeCharset(charset, decodeTransfer(part.encoding, Buffer.concat(this.#pieces)));
    const html = part.content.value === 'text/html';
    const shown = html ? htmlToText(text) : withoutQuotes(text);
    this.#preview = plainText(shown.replace(/\s+/g, ' ').slice(0, 2 * PREVIEW_MAX), PREVIEW_MAX);
  }

  preview(): string {
    return this.#preview;
  }
}

/** What was said before is no preview of what is said now. */
const withoutQuotes = (text: string): string => {
  const own = text.replace(/^>.*$/gm, '');
  return /\S/.test(own) ? own : text;
};
