import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';

export interface Reply {
  readonly ok: boolean;
  /** Response code without brackets, such as SYS/TEMP; '' is none (RFC 2449 §8). */
  readonly code: string;
  readonly text: string;
  /** Content of a multi-line response after dot-unstuffing, with its CRLFs. */
  readonly body: Buffer;
}

/** Thrown by the client when the server breaks the grammar of RFC 1939 §3 or RFC 2449 §4. */
export class GrammarError extends Error {}

const STATUS = /^(\+OK|-ERR)(?: (?:\[([A-Z][A-Z/-]*)\](?: |$))?([\x20-\x7e]*))?$/;

/** A POP3 client that believes nothing: the grammar of every reply is checked. */
export class StrictClient {
  socket: Socket | TLSSocket;
  #received: Buffer = Buffer.alloc(0);
  #ended = false;
  #late = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#listen();
  }

  /** Connects and reads the greeting. */
  static async open(port: number, host = '127.0.0.1'): Promise<StrictClient> {
    const socket = connect({ port, host, noDelay: true });
    await once(socket, 'connect');
    const client = new StrictClient(socket);
    const hello = await client.reply();
    if (!hello.ok) throw new GrammarError(`no greeting: ${hello.text}`);
    return client;
  }

  #listen(): void {
    this.socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake?.();
    };
    this.socket.on('end', end).on('close', end).on('error', end);
  }

  write(data: string | Buffer): void {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  }

  /** One command and its reply. */
  async command(line: string): Promise<Reply> {
    this.write(`${line}\r\n`);
    return this.reply(isMultiLine(line) ? 'multi-line' : 'single');
  }

  /** The next reply. */
  async reply(shape: 'single' | 'multi-line' = 'single'): Promise<Reply> {
    const line = (await this.#take('\r\n')).toString('latin1');
    const match = STATUS.exec(line);
    if (match === null) throw new GrammarError(`not a status line: ${JSON.stringify(line)}`);
    if (line.length + 2 > 512) throw new GrammarError(`status line of ${line.length} octets`);
    const reply = { ok: match[1] === '+OK', code: match[2] ?? '', text: match[3] ?? '' };
    const body = reply.ok && shape === 'multi-line' ? await this.#body() : Buffer.alloc(0);
    return { ...reply, body };
  }

  /** A line of SASL challenge (RFC 5034 §4). */
  async continuation(): Promise<string> {
    const line = (await this.#take('\r\n')).toString('latin1');
    if (!line.startsWith('+ ')) throw new GrammarError(`not a challenge: ${JSON.stringify(line)}`);
    return line.slice(2);
  }

  /** What came before the connection ended; rejects nothing. */
  async rest(): Promise<Buffer> {
    while (!this.#ended) await this.#more();
    return this.#received;
  }

  /** Drops what comes until it ends in `mark`, at most `ms` milliseconds. */
  async until(mark: string, ms: number): Promise<'alive' | 'closed'> {
    const timer = setTimeout(() => {
      this.socket.destroy(new Error('no answer'));
      this.#late = true;
      this.#wake?.();
    }, ms);
    try {
      for (;;) {
        if (this.#late) throw new Error(`no answer in ${ms} ms after ${this.#tail()}`);
        const tail = this.#received.subarray(-mark.length);
        if (tail.toString('latin1') === mark) break;
        if (this.#ended) return 'closed';
        await this.#more();
      }
    } finally {
      clearTimeout(timer);
    }
    this.#received = Buffer.alloc(0);
    return 'alive';
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Sends STLS, checks its reply and makes the connection a TLS one. */
  async startTls(): Promise<void> {
    const reply = await this.command('STLS');
    if (!reply.ok) throw new GrammarError(`STLS refused: ${reply.text}`);
    await this.secure();
  }

  async secure(): Promise<void> {
    this.socket.removeAllListeners('data');
    const secured = connectTls({ socket: this.socket, rejectUnauthorized: false });
    this.socket = secured;
    this.#received = Buffer.alloc(0);
    this.#listen();
    await once(secured, 'secureConnect');
  }

  /** Ends with RST: the server cannot take it for a pipeline whose sender is done. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  close(): void {
    this.socket.destroy();
  }

  async #body(): Promise<Buffer> {
    const end = Buffer.from('\r\n.\r\n');
    // An empty body ends at once.
    while (this.#received.length < 3) await this.#more();
    if (this.#received.subarray(0, 3).equals(end.subarray(2))) {
      this.#received = this.#received.subarray(3);
      return Buffer.alloc(0);
    }
    const raw = Buffer.concat([await this.#take('\r\n.\r\n'), Buffer.from('\r\n')]);
    return unstuff(raw);
  }

  /** Octets up to a mark, which is taken off too. */
  async #take(mark: string): Promise<Buffer> {
    for (let from = 0; ;) {
      const at = this.#received.indexOf(mark, from, 'latin1');
      if (at >= 0) {
        const taken = this.#received.subarray(0, at);
        this.#received = this.#received.subarray(at + mark.length);
        return taken;
      }
      from = Math.max(0, this.#received.length - mark.length);
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    if (this.#ended) throw new Error(`connection ended after ${JSON.stringify(this.#tail())}`);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  #tail(): string {
    return this.#received.subarray(-200).toString('latin1');
  }
}

/** Commands whose +OK is followed by lines (RFC 1939 §3). */
const isMultiLine = (line: string): boolean =>
  /^(?:CAPA|LIST|UIDL|AUTH)$|^(?:RETR|TOP) /i.test(line);

/** Takes dot-stuffing off; a lone CR or LF line end breaks the grammar of a response. */
function unstuff(raw: Buffer): Buffer {
  const text = raw.toString('latin1');
  if (/(?<!\r)\n/.test(text)) throw new GrammarError('bare LF in a response');
  for (const line of text.split('\r\n')) {
    if (line.startsWith('.') && !line.startsWith('..')) throw new GrammarError('dot not stuffed');
  }
  return Buffer.from(text.replace(/^\.\./, '.').replaceAll('\r\n..', '\r\n.'), 'latin1');
}
