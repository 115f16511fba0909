/**
 * Messages one after the other in one file (RFC 4155), quoted so that it can be undone (`mboxrd`):
 * every line that begins with `From ` after any number of `>` gets one `>` more. Lines end with LF.
 * What a message alone does not say stands in lines of its head that other programs write too.
 */
export interface MboxMessage {
  readonly folder: string;
  /** INTERNALDATE in ms since 1970. */
  readonly at: number;
  /** Flags as letters of Maildir: S seen, R answered, F flagged, T deleted, D draft. */
  readonly letters: string;
  /** Wire form, in pieces of any size. */
  readonly content: AsyncIterable<Uint8Array>;
}

const LF = 10;
const CR = 13;
const GREATER = 62;
const FROM = Buffer.from('From ');
const NEWLINE = Buffer.from('\n');
const QUOTE = Buffer.from('>');
/** Octets of a line that are kept for its end. */
const LINE_HELD_MAX = 64 * 1024;

export async function* mbox(messages: AsyncIterable<MboxMessage>): AsyncGenerator<Buffer> {
  for await (const message of messages) {
    yield Buffer.from(separator(message));
    const quoting = new Quoting();
    for await (const piece of message.content) yield quoting.push(piece);
    yield quoting.end();
  }
}

function separator({ folder, at, letters }: MboxMessage): string {
  const date = new Date(at).toUTCString(); // Sun, 22 Nov 2026 09:00:00 GMT
  const [, day, month, year, time] = /^\w+, (\d+) (\w+) (\d+) ([\d:]+)/.exec(date) ?? [];
  const asctime = `${date.slice(0, 3)} ${month} ${day?.replace(/^0/, ' ')} ${time} ${year}`;
  const status = `Status: ${letters.includes('S') ? 'RO' : 'O'}`;
  const more = Array.from(letters, (letter) => STATUS[letter] ?? '').join('');
  const name = encodeURIComponent(folder).replaceAll('%2F', '/').replaceAll('%20', ' ');
  return `From MAILER-DAEMON ${asctime}\n${status}\nX-Status: ${more}\nX-Folder: ${name}\n`;
}

/** X-Status, as mutt, Dovecot and others write it. */
const STATUS: Readonly<Record<string, string>> = { R: 'A', F: 'F', T: 'D', D: 'T' };

/** CRLF becomes LF, and lines are quoted; over the edges of pieces. */
class Quoting {
  /** What came of a line that has no end yet. */
  #rest = Buffer.alloc(0);
  /** The rest goes on a line whose beginning is out already. */
  #within = false;
  #out: Buffer[] = [];

  /** @returns the octets of all lines that are whole; may be used when `piece` is another one */
  push(piece: Uint8Array): Buffer {
    const data = Buffer.concat([this.#rest, piece]);
    let from = 0;
    for (let at = data.indexOf(LF); at >= 0; at = data.indexOf(LF, from)) {
      this.#line(data.subarray(from, at > from && data[at - 1] === CR ? at - 1 : at));
      this.#out.push(NEWLINE);
      this.#within = false;
      from = at + 1;
    }
    this.#rest = data.subarray(from);
    // A line without end is passed on, but for an octet that may be of its end.
    if (this.#rest.length > LINE_HELD_MAX) {
      this.#line(this.#rest.subarray(0, -1));
      this.#within = true;
      this.#rest = this.#rest.subarray(-1);
    }
    return this.#take();
  }

  /** An empty line ends a message. */
  end(): Buffer {
    if (this.#rest.length > 0 || this.#within) {
      this.#line(this.#rest);
      this.#out.push(NEWLINE);
    }
    this.#out.push(NEWLINE);
    return this.#take();
  }

  #line(line: Buffer): void {
    if (!this.#within && isFrom(line)) this.#out.push(QUOTE);
    this.#out.push(line);
  }

  #take(): Buffer {
    const whole = Buffer.concat(this.#out);
    this.#out = [];
    return whole;
  }
}

/** Whether a line is `>*From …`. */
function isFrom(line: Buffer): boolean {
  let at = 0;
  while (line[at] === GREATER) at += 1;
  return line[at] === FROM[0] && line.subarray(at, at + FROM.length).equals(FROM);
}
