import { type SecureContext, TLSSocket } from 'node:tls';
import type { Account } from '../directory/types.ts';
import type { Maildrop } from '../mailbox/types.ts';
import type { Connection } from '../net/types.ts';
import { StoreError } from '../volumes/error.ts';
import { type CommandRow, lookUp } from './commands.ts';
import { saslResponse } from './command/auth.ts';
import type { CapabilityFacts } from './capabilities.ts';
import type { Pop3Shared, Release } from './context.ts';
import type { EndReason } from './metrics.ts';
import { AUTH_LINE_BYTES_MAX, DRAIN_IDLE_MS, LINE_BYTES_MAX, LINGER_MS } from './options.ts';
import { greeting, internalError, REPLY } from './replies.ts';
import { SASL, type SessionState, START, UPDATE } from './state.ts';
import { storeErrorReply } from './store-error.ts';
import { Transaction } from './transaction.ts';
import {
  BrokenAnswer,
  ConnectionLost,
  type Done,
  LineTransport,
  type WaitsFor,
} from '../net/line-transport.ts';

/** One POP3 session. Commands are in commands.ts; this holds what they share. */
export class Pop3Session extends LineTransport {
  readonly shared: Pop3Shared;
  readonly peer: Connection;
  state: SessionState = START;
  secure: boolean;
  failedLogins = 0;
  retrieved = 0; // Messages, by RETR.
  sentOctets = 0; // Of messages, by RETR and TOP.
  removed = 0; // Messages, by QUIT.
  #account: Account | undefined;
  #messages = 0;
  #release: Release | undefined;
  #badCommands = 0;
  readonly #startedAt: number;
  #reason: EndReason | undefined;

  constructor(shared: Pop3Shared, connection: Connection) {
    super(connection.socket);
    this.shared = shared;
    this.peer = connection;
    this.secure = connection.secure;
    this.#startedAt = shared.clock.now();
    this.deadlineAt = this.#startedAt + shared.values['pop3.login.timeout'];
  }

  greet(): void {
    this.say(greeting(this.shared.hostName));
    this.flush();
    this.socket.resume();
  }

  /** May a password travel on this connection as it is now? */
  get passwordAllowed(): boolean {
    if (this.secure) return true;
    const policy = this.shared.values['pop3.plaintext-auth'];
    return policy === 'always' || (policy === 'loopback-only' && isLoopback(this.peer));
  }

  get facts(): CapabilityFacts {
    return {
      state: this.state.name === 'transaction' ? 'transaction' : 'authorization',
      password: this.passwordAllowed ? 'allowed' : 'refused',
      starttls: this.shared.secureContext && !this.secure ? 'offered' : 'not-offered',
      loginDelayMs: this.shared.values['pop3.login-delay'],
    };
  }

  /** A line that is no command. Some are a client's mistake, many are not a client. */
  bad(reply: string): void {
    this.shared.tally.command('bad');
    this.#badCommands += 1;
    if (this.#badCommands < this.shared.values['pop3.bad-commands.max']) return this.say(reply);
    this.say(REPLY.tooManyBadCommands);
    this.end('bad-commands');
  }

  named(user: string): void {
    this.state = { name: 'authorization', user };
  }

  forgetUser(): void {
    this.state = START;
  }

  /** A login was refused; who guesses on is sent away. */
  loginFailed(reply: string): void {
    this.failedLogins += 1;
    const max = this.shared.values['pop3.failed-logins.max'];
    if (this.failedLogins < max) return this.say(reply);
    this.say(REPLY.tooManyLogins);
    this.end('failed-logins');
  }

  expectSaslResponse(): void {
    this.state = SASL;
  }

  /** Opens TRANSACTION; `release` gives an exclusive mailbox back when the session is over. */
  enter(account: Account, drop: Maildrop, release: Release | undefined): void {
    this.#account = account;
    this.#messages = drop.count;
    this.#badCommands = 0;
    this.#release = release;
    this.state = new Transaction(account, drop);
    if (this.closed) this.#giveBack();
  }

  enterUpdate(): void {
    this.state = UPDATE;
  }

  /** Puts TLS under the session (RFC 2595 §4): all that was said before is forgotten. */
  startTls(contextOf: (servername: string | undefined) => SecureContext): void {
    this.say(REPLY.startTls);
    const SNICallback = this.shared.sni;
    const secureContext = contextOf(undefined);
    this.replaceSocket(
      (plain) => new TLSSocket(plain, { isServer: true, secureContext, SNICallback }),
    );
    this.state = START;
    this.secure = true;
  }

  /** Says what is queued, then closes. The first reason counts. */
  end(reason: EndReason): void {
    this.#reason ??= reason;
    this.hangUp();
  }

  /** The deadline passed. */
  expire(): void {
    if (this.ending) {
      this.cut();
    } else if (this.blocked) {
      this.#reason ??= 'write-timeout';
      this.cut();
    } else if (this.#account === undefined) {
      if (this.shared.draining) this.say(REPLY.drained);
      else this.say(REPLY.loginTimeout);
      this.end(this.shared.draining ? 'drained' : 'login-timeout');
    } else if (this.shared.draining) {
      this.say(REPLY.drained);
      this.end('drained');
    } else {
      this.end('idle-timeout'); // RFC 1939 §3: no response, and no UPDATE.
    }
  }

  /** The service drains: who has not logged in goes now, who has may finish what it does. */
  drain(): void {
    if (this.busy || this.ending) return;
    if (this.#account === undefined) this.expire();
    else this.deadlineAt = Math.min(this.deadlineAt, this.shared.clock.now() + DRAIN_IDLE_MS);
  }

  /** QUIT could not delete; the reply says so, the log says why. */
  notRemoved(error: unknown): void {
    const fields = { trace: this.peer.id, user: this.#account?.login, err: error };
    this.shared.logger.warn(fields, 'Marked messages were not removed');
  }

  /** Closes now, whatever runs. */
  abandon(): void {
    this.#reason ??= 'drained';
    this.cut();
  }

  protected override line(line: string): Done {
    if (this.state.name === 'sasl') {
      this.state = START;
      return saslResponse(this, line);
    }
    const space = line.indexOf(' ');
    const row = lookUp(space < 0 ? line : line.slice(0, space));
    if (row === undefined) return this.bad(REPLY.unknownCommand);
    return this.#run(row, space < 0 ? undefined : line.slice(space + 1));
  }

  #run(row: CommandRow, argument: string | undefined): Done {
    const { state } = this;
    if (row.argument === 'none' && argument !== undefined) return this.bad(REPLY.noArguments);
    if (row.argument === 'required' && !argument) return this.bad(REPLY.needsArgument);
    this.shared.tally.command(row.name);
    const text = argument ?? '';
    if (row.state === 'any') return row.run(this, text);
    if (row.state === 'transaction' && state.name === 'transaction') {
      return row.run(this, text, state);
    }
    if (row.state === 'authorization' && state.name === 'authorization') {
      return row.run(this, text, state);
    }
    return this.bad(REPLY.wrongState);
  }

  protected override lineBytesMax(start: string): number {
    if (this.state.name === 'sasl') return AUTH_LINE_BYTES_MAX;
    return AUTH.test(start) ? AUTH_LINE_BYTES_MAX : LINE_BYTES_MAX;
  }

  protected override oversized(): void {
    if (this.state.name === 'sasl') this.state = START;
    this.bad(REPLY.lineTooLong);
  }

  protected override endless(): void {
    this.end('bad-commands');
  }

  protected override failed(error: unknown): void {
    if (error instanceof ConnectionLost) return;
    const fields = { trace: this.peer.id, user: this.#account?.login, err: error };
    if (error instanceof BrokenAnswer) {
      this.shared.logger.warn({ ...fields, err: error.cause }, 'A message broke off');
      this.#reason ??= 'retrieval-failed';
      return this.cut();
    }
    if (error instanceof StoreError) {
      this.shared.logger.warn({ ...fields, kind: error.kind }, 'Storage failed a POP3 command');
      return this.say(storeErrorReply(error.kind));
    }
    this.shared.logger.error({ ...fields, code: 'MF-POP-001' }, 'A POP3 command failed');
    this.say(internalError(this.peer.id));
    this.end('internal-error');
  }

  protected override arm(waitsFor: WaitsFor): void {
    const { values, clock, draining } = this.shared;
    if (waitsFor === 'close') this.deadlineAt = clock.now() + this.#closingMs;
    else if (this.#account === undefined) this.deadlineAt = this.#loginDeadline();
    else if (waitsFor === 'work') this.deadlineAt = Infinity;
    else if (waitsFor === 'drain') this.deadlineAt = clock.now() + values['pop3.write.timeout'];
    else this.deadlineAt = clock.now() + (draining ? DRAIN_IDLE_MS : values['pop3.idle.timeout']);
  }

  /** Who is slow still gets what he was answered. */
  get #closingMs(): number {
    return this.socket.writableLength === 0 ? LINGER_MS : this.shared.values['pop3.write.timeout'];
  }

  #loginDeadline(): number {
    if (this.shared.draining && !this.busy) return 0;
    return this.#startedAt + this.shared.values['pop3.login.timeout'];
  }

  protected override closedBy(error: Error | undefined): void {
    const code = error !== undefined && 'code' in error ? String(error.code) : '';
    this.#reason ??= TLS_ERROR.test(code) ? 'tls-failed' : 'lost';
    const ms = Math.round(this.shared.clock.now() - this.#startedAt);
    this.shared.ended(this, {
      trace: this.peer.id,
      address: this.peer.remoteAddress,
      tls: this.secure,
      user: this.#account?.login,
      messages: this.#messages,
      retrieved: this.retrieved,
      octets: this.sentOctets,
      deleted: this.removed,
      failedLogins: this.failedLogins,
      ms,
      reason: this.#reason,
    });
    this.#giveBack();
  }

  #giveBack(): void {
    const release = this.#release;
    this.#release = undefined;
    void release?.();
  }
}

const AUTH = /^AUTH /i;
const TLS_ERROR = /^ERR_(?:SSL|TLS)_/;

const isLoopback = (peer: { readonly remoteAddress: string }): boolean =>
  peer.remoteAddress.startsWith('127.') || peer.remoteAddress === '::1';
