import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** A POP3 session as a mail reader polls: log in, look, fetch `retrieve` messages, leave. */
export interface Pop3Load {
  readonly port: number;
  readonly host: string;
  readonly tls: boolean;
  readonly connections: number;
  readonly sessions: number;
  readonly users: readonly { readonly name: string; readonly password: string }[];
  /** Messages fetched in each session, from the first on. */
  readonly retrieve: number;
}

const END = Buffer.from('\r\n.\r\n');

/** Minimal client: counts octets of multi-line replies without keeping them. */
class Pop3Client {
  octets = 0;
  #tail: Buffer = Buffer.alloc(0);
  #multi = false;
  #done: (() => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  readonly #socket: Socket;
  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#fail?.(error));
    socket.on('close', () => this.#fail?.(new Error('connection closed')));
  }
  #take(chunk: Buffer): void {
    this.octets += chunk.length;
    const bytes = this.#tail.length > 0 ? Buffer.concat([this.#tail, chunk]) : chunk;
    if (bytes[0] === 0x2d) return this.#fail?.(new Error(bytes.toString('latin1', 0, 100)));
    const complete = this.#multi
      ? bytes.length >= 5 && bytes.subarray(-5).equals(END)
      : bytes.at(-1) === 0x0a;
    // Only the last octets decide; a session asks for one reply at a time.
    this.#tail = complete ? Buffer.alloc(0) : Buffer.from(bytes.subarray(-5));
    if (complete) this.#done?.();
  }
  async reply(multi: boolean, command?: string): Promise<void> {
    this.#multi = multi;
    await new Promise<void>((resolve, reject) => {
      this.#done = resolve;
      this.#fail = reject;
      if (command !== undefined) this.#socket.write(`${command}\r\n`);
    });
  }
  end(): void {
    this.#fail = undefined;
    this.#socket.destroy();
  }
}

async function poll(load: Pop3Load, n: number): Promise<number> {
  const user = load.users[n % load.users.length];
  if (!user) throw new Error('no users');
  const socket = load.tls
    ? connectTls({ port: load.port, host: load.host, rejectUnauthorized: false })
    : connectPlain(load.port, load.host);
  const client = new Pop3Client(socket);
  await client.reply(false);
  await client.reply(false, `USER ${user.name}`);
  await client.reply(false, `PASS ${user.password}`);
  await client.reply(false, 'STAT');
  await client.reply(true, 'UIDL');
  await client.reply(true, 'LIST');
  for (let i = 1; i <= load.retrieve; i++) await client.reply(true, `RETR ${i}`);
  await client.reply(false, 'QUIT');
  client.end();
  return client.octets;
}

/** Runs the sessions. @returns wall seconds and octets received. */
export async function pop3Load(load: Pop3Load): Promise<{ seconds: number; octets: number }> {
  let begun = 0;
  let octets = 0;
  const started = performance.now();
  const lanes = Array.from({ length: load.connections }, async () => {
    while (begun < load.sessions) octets += await poll(load, begun++);
  });
  await Promise.all(lanes);
  return { seconds: (performance.now() - started) / 1000, octets };
}
