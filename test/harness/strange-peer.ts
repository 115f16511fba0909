/**
 * An SMTP or LMTP server that behaves as the test tells: well, or as badly as peers do. It keeps
 * what it was told and given, and whether it acknowledged that: who sends to it must come to the
 * same conclusion. In the test's own process, on an address of its own; one session a connection.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type Socket, createServer } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ownAddress } from './addresses.ts';
import type { TestCertificate } from './certificate.ts';
import { PeerInput } from './strange-peer-input.ts';

/** What a client has just done. `content`: its first octets after 354; `end`: the final dot. */
export type Stage =
  | 'connect'
  | 'ehlo'
  | 'helo'
  | 'starttls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'content'
  | 'end'
  | 'rset'
  | 'quit';

/**
 * A reply (`451 4.3.0 later`; several lines parted by \n, all but the last with `250-`), or:
 * it hangs up, resets the connection, says nothing any more, says half a line and hangs up, says
 * lines of a reply for ever, says what is no reply.
 */
export type Answer =
  | `${number}${' ' | '-'}${string}`
  | 'drop'
  | 'reset'
  | 'silence'
  | 'half'
  | 'endless'
  | 'garbage';

/** Chosen by what the client said: argument of the command, or the recipient of LMTP's reply. */
export type Answers = Answer | ((what: string, session: PeerSession) => Answer | undefined);

export interface PeerBehaviour {
  readonly protocol?: 'smtp' | 'lmtp';
  /** Instead of its own answer at a stage. Undefined from a function: its own. */
  readonly answers?: Readonly<Partial<Record<Stage, Answers>>>;
  /** Keywords after EHLO; without: PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN, enhanced codes. */
  readonly announce?: readonly string[];
  /** STARTTLS is announced. `'fails'`: 220, then something that is not TLS. */
  readonly tls?: TestCertificate | 'fails';
  /** MAIL is refused (530) without it; PLAIN and LOGIN are announced. */
  readonly login?: { readonly user: string; readonly password: string };
  /** Each octet of a reply comes so late: a tarpit. */
  readonly octetMs?: number;
  /** So long after the final dot it says what became of the letter. */
  readonly endMs?: number;
  /** Nor does it say so before this. */
  readonly endAfter?: Promise<unknown>;
  readonly host?: string;
  readonly port?: number;
  /** Its name in the greeting and after EHLO. */
  readonly name?: string;
}

export interface PeerSession {
  readonly number: number;
  readonly from: string;
  /** Every command line. */
  readonly commands: string[];
  helo: string;
  tls: boolean;
  /** Name that the client asked for in TLS. */
  servername: string | undefined;
  user: string | undefined;
  closed: boolean;
}

export interface PeerLetter {
  readonly session: PeerSession;
  readonly sender: string;
  /** `SIZE=100 BODY=8BITMIME`. */
  readonly parameters: string;
  /** Those that were accepted at RCPT. */
  readonly recipients: readonly { readonly address: string; readonly parameters: string }[];
  /** Dots undone, CRLF. */
  readonly content: Buffer;
  /** To the final dot: one, by LMTP one for each recipient; `drop` and such too. */
  readonly answers: readonly Answer[];
}

export interface StrangePeer {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly sessions: readonly PeerSession[];
  /** Whatever came to its final dot, acknowledged or not. */
  readonly letters: readonly PeerLetter[];
  /** From now on; connections that are open follow. */
  behave(behaviour: PeerBehaviour): void;
  stop(): Promise<void>;
}

const ANNOUNCED = [
  'PIPELINING',
  'SIZE 50000000',
  '8BITMIME',
  'SMTPUTF8',
  'DSN',
  'ENHANCEDSTATUSCODES',
];
const ENDLESS_MS = 5;

export async function startStrangePeer(behaviour: PeerBehaviour = {}): Promise<StrangePeer> {
  const shared: Shared = { behaviour, letters: [], name: behaviour.name ?? 'strange.peers.test' };
  const sessions: PeerSession[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const session: PeerSession = {
      number: sessions.length,
      from: socket.remoteAddress ?? '',
      commands: [],
      helo: '',
      tls: false,
      servername: undefined,
      user: undefined,
      closed: false,
    };
    sessions.push(session);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      session.closed = true;
    });
    new Conversation(shared, session, socket).run().catch(() => socket.destroy());
  });
  const host = behaviour.host ?? ownAddress();
  server.listen(behaviour.port ?? 0, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    host,
    port: address.port,
    name: shared.name,
    sessions,
    letters: shared.letters,
    behave: (next) => {
      shared.behaviour = next;
    },
    stop: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

interface Shared {
  behaviour: PeerBehaviour;
  readonly letters: PeerLetter[];
  readonly name: string;
}

interface Transaction {
  sender: string;
  parameters: string;
  recipients: { address: string; parameters: string }[];
}

/** Thrown where the session ends: by the client, or as the test told. */
class Ended extends Error {}

class Conversation {
  readonly #shared: Shared;
  readonly #session: PeerSession;
  #socket: Socket;
  #input: PeerInput;
  #transaction: Transaction | undefined;

  constructor(shared: Shared, session: PeerSession, socket: Socket) {
    this.#shared = shared;
    this.#session = session;
    this.#socket = socket;
    this.#input = new PeerInput(socket);
  }

  async run(): Promise<void> {
    try {
      await this.#answer('connect', '', `220 ${this.#shared.name} ready`);
      for (;;) await this.#command();
    } catch (error) {
      if (!(error instanceof Ended)) throw error;
    }
  }

  async #command(): Promise<void> {
    const line = (await this.#input.line())?.toString('utf8');
    if (line === undefined) throw new Ended();
    this.#session.commands.push(line);
    const [verb = '', ...rest] = line.split(' ');
    const argument = rest.join(' ');
    switch (verb.toUpperCase()) {
      case 'EHLO':
      case 'LHLO':
        return this.#hello(argument);
      case 'HELO':
        this.#session.helo = argument;
        return void (await this.#answer('helo', argument, `250 ${this.#shared.name}`));
      case 'STARTTLS':
        return this.#startTls();
      case 'AUTH':
        return this.#login(argument);
      case 'MAIL':
        return this.#mail(argument);
      case 'RCPT':
        return this.#rcpt(argument);
      case 'DATA':
        return this.#data();
      case 'RSET':
        this.#transaction = undefined;
        return void (await this.#answer('rset', '', '250 2.0.0 forgotten'));
      case 'QUIT':
        await this.#answer('quit', '', '221 2.0.0 bye');
        this.#socket.end();
        throw new Ended();
      default:
        return this.#say('500 5.5.1 what?');
    }
  }

  async #hello(name: string): Promise<void> {
    this.#session.helo = name;
    const { announce, tls, login } = this.#shared.behaviour;
    const keywords = [...(announce ?? ANNOUNCED)];
    if (tls !== undefined && !this.#session.tls) keywords.push('STARTTLS');
    if (login !== undefined) keywords.push('AUTH PLAIN LOGIN');
    const lines = [this.#shared.name, ...keywords];
    const text = lines.map((line, at) => `250${at + 1 < lines.length ? '-' : ' '}${line}`);
    await this.#answer('ehlo', name, text.join('\n') as Answer);
  }

  async #startTls(): Promise<void> {
    const given = await this.#answer('starttls', '', '220 2.0.0 go ahead');
    const tls = this.#shared.behaviour.tls;
    if (!given.startsWith('220') || tls === undefined) return;
    if (tls === 'fails') {
      // Not right behind the reply: that would be an injection, which is another matter.
      await this.#input.some();
      this.#socket.write('this is not TLS, whatever was said before\r\n');
      await this.#input.line();
      return this.#hangUp();
    }
    this.#input.stop();
    const [cert, key] = [readFileSync(tls.certificate), readFileSync(tls.key)];
    const secure = new TLSSocket(this.#socket, { isServer: true, cert, key });
    secure.on('error', () => this.#socket.destroy());
    await once(secure, 'secure').catch(() => {
      throw new Ended();
    });
    this.#socket = secure;
    this.#input = new PeerInput(secure);
    this.#session.tls = true;
    const { servername } = secure as { servername?: string | false };
    this.#session.servername = servername === false ? undefined : servername;
  }

  async #login(argument: string): Promise<void> {
    const [mechanism = '', initial] = argument.split(' ');
    const words: string[] = [];
    const ask = async (prompt: string): Promise<string> => {
      await this.#say(`334 ${Buffer.from(prompt).toString('base64')}`);
      return (await this.#input.line())?.toString('latin1') ?? '';
    };
    if (mechanism.toUpperCase() === 'PLAIN') {
      const text = Buffer.from(initial ?? (await ask('')), 'base64').toString('utf8');
      words.push(...text.split('\0').slice(1));
    } else {
      for (const what of [initial ?? (await ask('Username:')), await ask('Password:')]) {
        words.push(Buffer.from(what, 'base64').toString('utf8'));
      }
    }
    const login = this.#shared.behaviour.login;
    const right = words[0] === login?.user && words[1] === login?.password;
    if (right) this.#session.user = words[0];
    const reply = right ? '235 2.7.0 welcome' : '535 5.7.8 no';
    await this.#answer('auth', words.join(' '), reply);
  }

  async #mail(argument: string): Promise<void> {
    const [sender, parameters] = path(argument);
    const locked = this.#shared.behaviour.login !== undefined && !this.#session.user;
    const own = locked ? '530 5.7.0 log in first' : '250 2.1.0 sender fine';
    const given = await this.#answer('mail', sender, own);
    if (given.startsWith('2')) this.#transaction = { sender, parameters, recipients: [] };
  }

  async #rcpt(argument: string): Promise<void> {
    const [address, parameters] = path(argument);
    const own = this.#transaction === undefined ? '503 5.5.1 no MAIL' : '250 2.1.5 taken';
    const given = await this.#answer('rcpt', address, own);
    if (given.startsWith('2')) this.#transaction?.recipients.push({ address, parameters });
  }

  async #data(): Promise<void> {
    const transaction = this.#transaction;
    const empty = transaction === undefined || transaction.recipients.length === 0;
    const own = empty ? '503 5.5.1 no recipient' : '354 go ahead';
    const given = await this.#answer('data', '', own);
    if (!given.startsWith('354')) return;
    if (this.#chosen('content', '') !== undefined) {
      await this.#input.some();
      await this.#answer('content', '', '250 unused');
    }
    const content = await this.#input.content();
    if (content === undefined || transaction === undefined) throw new Ended();
    this.#transaction = undefined;
    const lmtp = this.#shared.behaviour.protocol === 'lmtp';
    const asked = lmtp ? transaction.recipients.map((each) => each.address) : [''];
    const answers = asked.map((who) => this.#chosen('end', who) ?? '250 2.0.0 kept');
    this.#shared.letters.push({ ...transaction, session: this.#session, content, answers });
    const { endMs = 0, endAfter } = this.#shared.behaviour;
    if (endMs > 0) await new Promise((resolve) => setTimeout(resolve, endMs));
    await endAfter;
    for (const each of answers) await this.#give(each);
  }

  #chosen(stage: Stage, what: string): Answer | undefined {
    const answers = this.#shared.behaviour.answers?.[stage];
    return typeof answers === 'function' ? answers(what, this.#session) : answers;
  }

  /** Says what the test chose, or its own. @returns what was said. @throws Ended */
  async #answer(stage: Stage, what: string, own: Answer): Promise<string> {
    const answer = this.#chosen(stage, what) ?? own;
    await this.#give(answer);
    return answer;
  }

  async #give(answer: Answer): Promise<void> {
    if (/^\d/.test(answer)) {
      await this.#say(answer);
      if (answer.startsWith('421')) this.#hangUp();
      return;
    }
    if (answer === 'silence') await once(this.#socket, 'close');
    if (answer === 'half') await this.#write('25');
    if (answer === 'garbage') return this.#write('\0\xff\r\n\r\nwho are you?\r\n');
    if (answer === 'endless') await this.#endless();
    if (answer === 'reset') this.#socket.resetAndDestroy();
    this.#hangUp();
  }

  async #endless(): Promise<void> {
    while (this.#socket.writable) {
      this.#socket.write('250-and another line of this reply\r\n'.repeat(50));
      await new Promise((resolve) => setTimeout(resolve, ENDLESS_MS));
    }
  }

  #hangUp(): never {
    this.#socket.end();
    throw new Ended();
  }

  #say(text: string): Promise<void> {
    return this.#write(`${text.replaceAll('\n', '\r\n')}\r\n`);
  }

  async #write(text: string): Promise<void> {
    const bytes = Buffer.from(text, 'utf8');
    const { octetMs } = this.#shared.behaviour;
    if (octetMs === undefined) return void this.#socket.write(bytes);
    for (const octet of bytes) {
      if (!this.#socket.writable) throw new Ended();
      this.#socket.write(Buffer.of(octet));
      await new Promise((resolve) => setTimeout(resolve, octetMs));
    }
  }
}

/** `FROM:<a@b> SIZE=1` → the address and the parameters. */
function path(argument: string): [string, string] {
  const match = /^[A-Za-z]+:\s*<([^>]*)>\s*(.*)$/s.exec(argument);
  return [match?.[1] ?? '', match?.[2] ?? ''];
}
