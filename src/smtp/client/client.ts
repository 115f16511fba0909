/**
 * One conversation with a server: greeting, EHLO, STARTTLS, AUTH, letters, QUIT. A pure client: the
 * stream is given, and so is the handshake that makes a TLS stream of it.
 *
 * Every wait has an end (RFC 5321 §4.5.3.2). What the peer says is bounded (replies.ts) and belongs
 * to a command by its order (channel.ts).
 */
import type { Duplex } from 'node:stream';
import { Channel } from './channel.ts';
import type { SmtpClientOptions } from './options.ts';
import { parseExtensions, type Extensions } from './parameters.ts';
import type { PeerReply } from './replies.ts';
import { Transaction } from './transaction.ts';
import {
  ClientFault,
  type ClientReply,
  type ClientResult,
  type ClientTransaction,
  type Phase,
} from './types.ts';

export interface ClientParts {
  readonly stream: Duplex;
  readonly protocol: 'smtp' | 'lmtp';
  /** Our name in EHLO. */
  readonly helo: string;
  readonly options: SmtpClientOptions;
}

/** One connection. Calls follow each other; none may overlap. */
export class SmtpClient {
  readonly protocol: 'smtp' | 'lmtp';
  readonly #helo: string;
  readonly #options: SmtpClientOptions;
  #channel: Channel;
  #extensions: Extensions = new Map();
  #secure = false;
  #dirty = false;

  constructor(parts: ClientParts) {
    this.protocol = parts.protocol;
    this.#helo = parts.helo;
    this.#options = parts.options;
    this.#channel = new Channel(parts.stream);
  }

  get extensions(): Extensions {
    return this.#extensions;
  }

  /** Whether another letter can go over it. */
  get usable(): boolean {
    return !this.#channel.leaving;
  }

  /** Called once when the connection ends by itself, such as while it is idle. */
  set onEnd(listener: (() => void) | undefined) {
    this.#channel.onEnd = listener;
  }

  /** Waits for the greeting (RFC 5321 §3.1). @throws ClientFault */
  async greeted(): Promise<void> {
    const ms = this.#options['smtp.client.greeting.timeout'];
    expectClass(2, await this.#channel.reply('greeting', ms), 'greeting');
  }

  /** EHLO or LHLO; HELO where the peer knows no EHLO (RFC 5321 §3.2). @throws ClientFault */
  async hello(): Promise<void> {
    const verb = this.protocol === 'lmtp' ? 'LHLO' : 'EHLO';
    let reply = await this.#command(`${verb} ${this.#helo}`, 'hello');
    this.#extensions = reply.code < 300 ? parseExtensions(reply.lines) : new Map();
    if (reply.code >= 500 && this.protocol === 'smtp') {
      reply = await this.#command(`HELO ${this.#helo}`, 'hello');
    }
    expectClass(2, reply, 'hello');
  }

  /**
   * STARTTLS (RFC 3207), then EHLO again: what was said before counts no more. What came behind the
   * reply to STARTTLS came from somebody who is no party to the handshake, and ends it.
   * @param handshake makes the TLS stream; what it rejects with is the fault's text
   * @throws ClientFault of kind `tls` or `refused` when it is not secure now
   */
  async startTls(handshake: (stream: Duplex) => Promise<Duplex>): Promise<void> {
    expectClass(2, await this.#command('STARTTLS', 'tls'), 'tls');
    const before = this.#channel;
    if (before.partial) {
      before.fail(new ClientFault('protocol', 'tls', 'the peer spoke on before the handshake'));
    }
    if (before.fault) throw new ClientFault(before.fault.kind, 'tls', before.fault.message);
    const { onEnd } = before;
    before.onEnd = undefined;
    const raw = before.detach();
    try {
      this.#channel = new Channel(await handshake(raw));
    } catch (error) {
      raw.destroy();
      const text = error instanceof Error ? error.message : String(error);
      throw new ClientFault('tls', 'tls', `the TLS handshake failed: ${text}`);
    }
    this.#channel.onEnd = onEnd;
    this.#secure = true;
    await this.hello();
  }

  /** AUTH PLAIN, else LOGIN (RFC 4954), over TLS only. @throws ClientFault */
  async login(login: string, password: string): Promise<void> {
    if (!this.#secure) throw new ClientFault('refused', 'auth', 'no login without TLS');
    const offered = (this.#extensions.get('AUTH') ?? []).map((name) => name.toUpperCase());
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    if (offered.includes('PLAIN')) {
      const initial = base64(`\0${login}\0${password}`);
      expectClass(2, await this.#command(`AUTH PLAIN ${initial}`, 'auth'), 'auth');
    } else if (offered.includes('LOGIN')) {
      expectClass(3, await this.#command('AUTH LOGIN', 'auth'), 'auth');
      expectClass(3, await this.#command(base64(login), 'auth'), 'auth');
      expectClass(2, await this.#command(base64(password), 'auth'), 'auth');
    } else {
      throw new ClientFault('refused', 'auth', 'the peer offers neither AUTH PLAIN nor LOGIN');
    }
  }

  /** One letter. Never rejects: what went wrong is in the result. */
  async send(letter: ClientTransaction): Promise<ClientResult> {
    const transaction = new Transaction({
      channel: this.#channel,
      letter,
      extensions: this.#extensions,
      protocol: this.protocol,
      options: this.#options,
      reset: this.#dirty,
    });
    const result = await transaction.run();
    this.#dirty = transaction.unfinished;
    return result;
  }

  /** QUIT; nobody waits for its reply. */
  quit(): void {
    this.#channel.quit();
  }

  /** Cuts the connection off; who waits for a reply hears of it. */
  destroy(why: string): void {
    this.#channel.fail(new ClientFault('closed', 'hello', why));
  }

  #command(line: string, phase: Phase): Promise<PeerReply> {
    const reply = this.#channel.reply(phase, this.#options['smtp.client.command.timeout']);
    this.#channel.write(`${line}\r\n`);
    return reply;
  }
}

/** @throws ClientFault when the reply is of another class */
function expectClass(wanted: 2 | 3, reply: ClientReply, phase: Phase): void {
  if (Math.floor(reply.code / 100) === wanted) return;
  const text = `the peer said ${reply.code} ${reply.text}`;
  throw new ClientFault('refused', phase, text, reply);
}
