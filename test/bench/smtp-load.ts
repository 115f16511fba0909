import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** What one run of the load does; the same for every server that is compared. */
export interface SmtpLoad {
  readonly port: number;
  readonly host: string;
  readonly connections: number;
  readonly messages: number;
  readonly perConnection: number;
  readonly recipients: readonly string[];
  /** Octets of the body. */
  readonly size: number;
}

/** Reads replies of an SMTP server: one promise for the last line of each. */
class Replies {
  #buffer = '';
  #waiting: ((line: string) => void) | undefined;
  readonly socket: Socket;
  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.#buffer += chunk.toString('latin1');
      this.#deliver();
    });
    socket.on('close', () => this.#waiting?.('000 closed'));
    socket.on('error', () => {});
  }
  #deliver(): void {
    const match = /^\d{3} .*\r\n/m.exec(this.#buffer);
    if (!match || !this.#waiting) return;
    this.#buffer = this.#buffer.slice(match.index + match[0].length);
    const resolve = this.#waiting;
    this.#waiting = undefined;
    resolve(match[0]);
  }
  next(): Promise<string> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#deliver();
    });
  }
  async say(text: string | Uint8Array, expected: string): Promise<void> {
    this.socket.write(text);
    const reply = await this.next();
    if (!reply.startsWith(expected)) throw new Error(`server said ${reply.trim()}`);
  }
}

const message = (size: number): Buffer =>
  Buffer.from(
    'From: bench@sender.example\r\nTo: someone@example.test\r\nSubject: bench\r\n\r\n' +
      `${'x'.repeat(70)}\r\n`.repeat(Math.ceil(size / 72)) +
      '.\r\n',
  );

async function session(load: SmtpLoad, take: () => number, body: Buffer): Promise<boolean> {
  const socket = connect(load.port, load.host);
  const replies = new Replies(socket);
  const greeting = await replies.next();
  if (!greeting.startsWith('220')) throw new Error(`greeting ${greeting.trim()}`);
  await replies.say('EHLO bench.example\r\n', '250');
  let more = true;
  for (let i = 0; i < load.perConnection; i++) {
    const n = take();
    more = n >= 0;
    if (!more) break;
    const rcpt = load.recipients[n % load.recipients.length] ?? '';
    await replies.say('MAIL FROM:<bench@sender.example>\r\n', '250');
    await replies.say(`RCPT TO:<${rcpt}>\r\n`, '250');
    await replies.say('DATA\r\n', '354');
    await replies.say(body, '250');
  }
  socket.write('QUIT\r\n');
  await once(socket, 'close');
  return more;
}

/** Sends `messages` letters. @returns wall seconds. */
export async function smtpLoad(load: SmtpLoad): Promise<number> {
  const body = message(load.size);
  let sent = 0;
  const take = (): number => (sent < load.messages ? sent++ : -1);
  const started = performance.now();
  const lanes = Array.from({ length: load.connections }, async () => {
    while (sent < load.messages && (await session(load, take, body)));
  });
  await Promise.all(lanes);
  return (performance.now() - started) / 1000;
}
