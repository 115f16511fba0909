/**
 * Finds the Message-ID of a letter while it passes, for the log: by it one letter is followed over
 * hops that give it traces of their own. What is beyond the first octets is not looked for.
 */

const HEAD_OCTETS_MAX = 16_384;
const FIELD = /^message-id:[ \t]*(?:\n[ \t]+)?(<[^\s<>]{1,250}>)/im;

export class MessageIdFinder {
  #head = '';
  #over = false;
  found: string | undefined;

  /** @param bytes stored form (LF line ends), in order */
  push(bytes: Buffer): void {
    if (this.#over) return;
    const room = HEAD_OCTETS_MAX - this.#head.length;
    this.#head += bytes.toString('latin1', 0, room);
    const end = this.#head.indexOf('\n\n');
    if (end < 0 && this.#head.length < HEAD_OCTETS_MAX) return;
    this.finish(end < 0 ? this.#head.length : end);
  }

  /** Nothing more comes. */
  finish(end = this.#head.length): void {
    if (this.#over) return;
    this.#over = true;
    // The line end belongs to the field: what was cut off is no id.
    this.found = FIELD.exec(this.#head.slice(0, end + 1))?.[1];
    this.#head = '';
  }
}
