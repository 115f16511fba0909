/**
 * One connection. The library's connection keeps the socket, the TLS upgrade, EHLO and the closing;
 * here are input, dispatch, limits and the one error boundary.
 *
 * The library's constructor calls `_createParser`, so nothing that runs there may use our fields.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import type { Connection } from '../net/types.ts';
import { commandRow } from './commands.ts';
import type { SmtpEngine } from './engine.ts';
import { bugs, replies } from './metrics.ts';
import { AUTH_LINE_BYTES_MAX, COMMAND_LINE_BYTES_MAX, HANDSHAKE_MS_MAX } from './options.ts';
import { Reception } from './reception.ts';
import { nameOf, REPLIES, ReplyError, replyText, type Reply } from './replies.ts';
import { SmtpInput, type LineProblem } from './stream.ts';
import type { Sender, SessionAccount, SessionEnd, SessionView, SmtpMode } from './types.ts';

/** A mail transaction: there is none without a sender (RFC 5321 §3.3). */
export interface Transaction {
  readonly sender: Sender;
  /** What policy made of each accepted RCPT, in order. */
  readonly recipients: unknown[];
}

/** What a handler gets beyond its own deadline before its session is given up. */
const STUCK_SLACK_MS = 5000;
const HTTP_REQUEST = /^(?:OPTIONS|GET|HEAD|POST|PUT|DELETE|TRACE|CONNECT) \S+ HTTP\//;
const OWN_ENHANCED = /^[245]\.\d{1,3}\.\d{1,3} /;

export class SmtpSession extends SMTPConnection implements SessionView {
  readonly engine: SmtpEngine;
  readonly peer: Connection;
  transaction: Transaction | undefined = undefined;
  account: SessionAccount | undefined = undefined;
  /** Credentials of this session that were wrong. */
  authFailures = 0;
  /** Takes the next line, which is no command: a response to AUTH. */
  #expected: ((response: string) => void | Promise<void>) | undefined = undefined;
  /** Why the session ends, once somebody decided it. */
  ending: SessionEnd | undefined = undefined;
  /** Messages that reached their end. */
  transactions = 0;
  #commands = 0;
  #errors = 0;
  #errorsInAll = 0;
  #octets = 0;
  #reception: Reception | undefined = undefined;
  readonly #startedAt: number;
  /** When the last whole line came, or the last reply to a message went. */
  #lineAt: number;
  /** The socket that gathers replies in this turn. */
  #corked: Socket | undefined = undefined;
  /** When the handler that runs was called. */
  #workingSince = 0;
  #tls: SessionView['tls'] = undefined;

  constructor(engine: SmtpEngine, connection: Connection) {
    super(engine, connection.socket, connection);
    this.engine = engine;
    this.peer = connection;
    this.remoteAddress = connection.remoteAddress;
    this.session.secure = this.secure = connection.secure;
    this.#startedAt = this.#lineAt = engine.clock.now();
  }

  get mode(): SmtpMode {
    return this.engine.mode;
  }

  get helo(): string {
    return this.hostNameAppearsAs === false ? '' : this.hostNameAppearsAs;
  }

  get extended(): boolean {
    return this.openingCommand === 'EHLO';
  }

  get tls(): SessionView['tls'] {
    if (!this.secure) return undefined;
    this.#tls ??= describeTls(this._socket as TLSSocket);
    return this.#tls;
  }

  /** No command runs, no message arrives, none is being stored. */
  get idle(): boolean {
    return !this._handlerPending && !this.#reception && !this._upgrading;
  }

  /** The greeting: at once, or after a delay that catches those who do not wait for it. */
  override init(): void {
    this._setListeners(() => {
      const delay = this.engine.limits['smtp.greeting.delay'];
      if (delay === 0) this.connectionReady();
      else setTimeout(() => this._closing || this.connectionReady(), delay).unref();
    });
  }

  override connectionReady(next?: () => void): void {
    if (this.engine.draining) return this.fatal('shuttingDown', 'drain');
    const refusal = this.engine.policy.connect(this);
    if (refusal === undefined) return super.connectionReady(next);
    this.ending = 'refused';
    this.send(421, refusal, false); // A greeting carries no enhanced code (RFC 2034 §3).
    this.close();
  }

  override _createParser(): SmtpInput {
    const input = new SmtpInput({
      line: (line, problem, next) => this.#line(line, problem, next),
      content: (bytes) => this.#reception?.content(bytes),
      contentEnd: (next) => this.#contentEnd(next),
    });
    const { policy } = this._server as SmtpEngine; // `engine` is not there yet.
    if (policy.authenticate) input.lineBytesMax = AUTH_LINE_BYTES_MAX;
    return input;
  }

  /** EHLO, HELO and STARTTLS end the transaction too (RFC 5321 §4.1.4, RFC 3207 §4.2). */
  override _resetSession(): void {
    super._resetSession();
    this.transaction = undefined;
    void this.tls; // Asked for now: a socket that is gone cannot tell it to the log.
  }

  /** The one place that writes replies. Ours carry their enhanced code in the text. */
  override send(code: number, given?: string | string[] | null, context?: string | false): void {
    // The one list that the library sends is that of EHLO.
    const data = Array.isArray(given) ? [...given, ...this.engine.keywords(this)] : given;
    replies.inc(replyClass(code));
    this.#gather(code);
    const own = typeof data === 'string' && OWN_ENHANCED.test(data);
    if (code < 400) return super.send(code, data, own ? false : context);
    this.#errors += 1;
    this.#errorsInAll += 1;
    const text = own || typeof data !== 'string' ? data : `${data} (${this.id})`;
    super.send(code, text, own ? false : context);
  }

  /**
   * Replies to pipelined commands go out in one packet (RFC 2920 §3.2), at the end of this turn of
   * the event loop at the latest. The 220 before a TLS handshake must be on its way by itself.
   */
  #gather(code: number): void {
    if (code === 220) {
      this.#corked?.uncork();
      this.#corked = undefined;
    } else if (!this.#corked && this._parser instanceof SmtpInput && this._parser.pipelined) {
      const socket = this._socket;
      this.#corked = socket;
      socket.cork();
      setImmediate(() => {
        if (this.#corked !== socket) return;
        this.#corked = undefined;
        socket.uncork();
      });
    }
  }

  reply(reply: Reply, id = this.id): void {
    this.send(REPLIES[nameOf(reply)].code, replyText(reply, id));
  }

  /** A 421, and the end of the session. */
  fatal(reply: Reply, ending: SessionEnd): void {
    this.ending ??= ending;
    this.reply(reply);
    this.close();
  }

  /** The next line is a response (RFC 4954 §4), not a command. */
  expect(taker: (response: string) => void | Promise<void>): void {
    this.#expected = taker;
  }

  /** 354, and from here on the input is the message (RFC 5321 §3.3). */
  receive(transaction: Transaction): void {
    if (!(this._parser instanceof SmtpInput)) return; // The client is gone.
    const { engine } = this;
    const id = `${this.id}-${this.transactions + 1}`;
    const sink = engine.policy.message(this, { id, ...transaction });
    const decoder = this._parser.startContent();
    const { limits: options, clock, log: logger } = engine;
    this.#reception = new Reception({ id, sink, decoder, options, clock, logger });
    this.send(354, 'End data with <CR><LF>.<CR><LF>');
  }

  /** Ends what has taken too long. Asked by the engine about once a second. */
  watch(now: number): void {
    const { limits } = this.engine;
    if (this._closing || this._closed) return;
    if (this.#reception?.stalled(now)) {
      return this.fatal(this.#reception.verdict, 'timeout');
    }
    if (this._handlerPending) {
      // Everything below has a deadline of its own; this is for the one that forgot it.
      const patience = limits['smtp.commit.timeout'] + STUCK_SLACK_MS;
      if (now - this.#workingSince > patience) this.fatal('stuck', 'timeout');
      return;
    }
    if (this.#reception) return;
    const silent = now - this.#lineAt;
    const patience = limits['smtp.command.timeout'];
    if (this._upgrading) {
      // A reply would break into the handshake.
      if (silent > Math.min(patience, HANDSHAKE_MS_MAX)) this._socket.destroy();
    } else if (silent > patience) {
      this.fatal('timeout', 'timeout');
    } else if (now - this.#startedAt > limits['smtp.session.timeout']) {
      this.fatal('sessionTooLong', 'limit');
    }
  }

  /** Idle time is judged by `watch`, which knows whom we wait for; closing is the library's. */
  override _onTimeout(): void {
    if (this._closing) super._onTimeout();
    else this._armTimeout();
  }

  override _onClose(): void {
    const first = !this._closed;
    super._onClose();
    this.#reception?.gone();
    if (first) this.#logEnd();
  }

  #line(line: Buffer, problem: LineProblem, next: () => void): void {
    if (this._upgrading) return next(); // Plain text sent behind STARTTLS: dropped, unanswered.
    this.#lineAt = this.engine.clock.now();
    this.#commands += 1;
    const done = (): void => {
      if (this.#errors > this.engine.limits['smtp.errors.max'] && !this._closing) {
        this.fatal('tooManyErrors', 'limit');
      } else if (this.engine.draining && !this._closing && !this.#reception) {
        this.fatal('shuttingDown', 'drain');
      }
      this._whenWritable(next);
    };
    if (!this.#admit()) return done();
    try {
      const running = this.#dispatch(line, problem, done);
      if (running === 'delegated') return;
      if (running === undefined) return done();
      this.#work();
      void running
        .catch((error: unknown) => this.#failed(error))
        .then(() => {
          this._handlerPending = false;
          done();
        });
    } catch (error) {
      this.#failed(error);
      done();
    }
  }

  #work(): void {
    this._handlerPending = true;
    this.#workingSince = this.engine.clock.now();
  }

  /** May this session go on at all? */
  #admit(): boolean {
    if (!this._ready) this.fatal('earlyTalker', 'limit');
    else if (this.engine.draining) this.fatal('shuttingDown', 'drain');
    else if (this.#commands > this.engine.limits['smtp.commands.max']) {
      this.fatal('tooManyCommands', 'limit');
    } else return true;
    return false;
  }

  /** Finds the row, checks its state, runs it. @throws ReplyError */
  #dispatch(
    line: Buffer,
    problem: LineProblem,
    next: () => void,
  ): Promise<void> | 'delegated' | undefined {
    const expected = this.#expected;
    this.#expected = undefined;
    if (problem === 'too-long' && expected) throw new ReplyError('authTooLong');
    if (problem !== 'none') {
      throw new ReplyError(problem === 'too-long' ? 'lineTooLong' : 'bareLfCommand');
    }
    const text = commandText(line);
    if (expected) return expected(text) ?? undefined;
    const space = text.indexOf(' ');
    const verb = space < 0 ? text : text.slice(0, space);
    const row = commandRow(verb, this.engine.policy);
    if (!row) {
      // A web page can make a browser send mail commands in the body of a request.
      if (HTTP_REQUEST.test(text)) return void this.fatal('notHttp', 'limit');
      throw new ReplyError('unknownCommand');
    }
    if (line.length + 2 > COMMAND_LINE_BYTES_MAX && verb.toUpperCase() !== 'AUTH') {
      throw new ReplyError('lineTooLong');
    }
    if (row.after === 'hello' && this.helo === '') throw new ReplyError('heloFirst');
    const args = space < 0 ? '' : text.slice(space + 1).trimEnd();
    if ('run' in row) return row.run(this, args) ?? undefined;
    row.delegate(this, args, next);
    return 'delegated';
  }

  /** The one error boundary. */
  #failed(error: unknown): void {
    if (error instanceof ReplyError) return this.reply(error.full);
    bugs.inc('command');
    const fields = { code: 'MF-SMTP-001', trace: this.id, err: error };
    this.engine.log.error(fields, 'Unexpected error in a command');
    this.reply('internal');
  }

  #contentEnd(next: () => void): void {
    const reception = this.#reception;
    if (!reception) return next();
    this.#work();
    void reception.end().then((all) => {
      this._handlerPending = false;
      this.#reception = undefined;
      this.#octets += reception.octets;
      this.#replyToMessage(reception.id, all);
      this.transaction = undefined;
      this.#lineAt = this.engine.clock.now();
      if (this.engine.draining) this.fatal('shuttingDown', 'drain');
      this._whenWritable(next);
    });
  }

  /** One reply in SMTP, one for each recipient in LMTP (RFC 2033 §4.2). */
  #replyToMessage(id: string, all: readonly Reply[]): void {
    const recipients = this.transaction?.recipients.length ?? 1;
    const count = this.mode === 'lmtp' ? recipients : 1;
    this.transactions += 1;
    for (let i = 0; i < count; i++) this.reply(all[i] ?? all[0] ?? 'internal', id);
    if (all.some((reply) => nameOf(reply) === 'delivered')) this.#errors = 0;
  }

  #logEnd(): void {
    const end = this.ending ?? 'closed';
    this.engine.ended(this, end);
    this.engine.log.info(
      {
        trace: this.id,
        peer: this.peer.remoteAddress,
        helo: this.helo,
        ...(this.tls && { tls: this.tls.protocol }),
        ...(this.account && { login: this.account.login }),
        end,
        commands: this.#commands,
        errors: this.#errorsInAll,
        messages: this.transactions,
        octets: this.#octets,
        ms: Math.round(this.engine.clock.now() - this.#startedAt),
      },
      `${this.mode} session`,
    );
  }
}

const replyClass = (code: number): '2xx' | '3xx' | '4xx' | '5xx' =>
  code < 300 ? '2xx' : code < 400 ? '3xx' : code < 500 ? '4xx' : '5xx';

/** The line as text. UTF-8 is checked here, once (RFC 6531 §3.3). @throws ReplyError */
function commandText(line: Buffer): string {
  for (let i = 0; i < line.length; i++) {
    const octet = line[i] ?? 0; // By index: an iterator costs ten times as much.
    if (octet < 0x20 || octet === 0x7f) throw new ReplyError('badOctets');
  }
  if (isAscii(line)) return line.toString('latin1');
  if (!isUtf8(line)) throw new ReplyError('badOctets');
  return line.toString('utf8');
}

/** TLS as it stands; a socket that is gone has neither. */
function describeTls(socket: TLSSocket): { protocol: string; cipher: string } {
  const cipher = socket.destroyed ? undefined : socket.getCipher();
  return { protocol: socket.getProtocol?.() ?? 'TLS', cipher: cipher?.name ?? 'unknown' };
}
