import type { Socket } from 'node:net';
import type { Account } from '../directory/types.ts';
import { type FolderState, type Mail, MailError } from '../mailbox/mail.ts';
import { BrokenAnswer, ConnectionLost, type Done, type WaitsFor } from '../net/line-transport.ts';
import type { Connection } from '../net/types.ts';
import { StoreError } from '../volumes/error.ts';
import type { CapabilityFacts } from './capabilities.ts';
import { type CommandRow, lookUp } from './commands.ts';
import type { ImapShared } from './context.ts';
import { isGone, isNoFolder } from './gone.ts';
import { toClient, toFolder } from './names.ts';
import type { EndReason } from './metrics.ts';
import { EARLY_COMMAND_BYTES_MAX, LINGER_MS } from './options.ts';
import { type Code, coded, Refusal } from './replies.ts';
import { type Authenticated, type Enabled, OVER, type Selected, START } from './state.ts';
import type { SessionState } from './state.ts';
import { mailErrorCode, storeErrorReply } from './store-error.ts';
import { Teller } from './teller.ts';
import * as words from './session-words.ts';
import { ImapTransport } from './transport.ts';
import { Args, type ArgsOptions, SyntaxFault } from './wire/args.ts';
import { astring, encodeUtf8, quoted } from './wire/text.ts';

/**
 * One IMAP session: one command at a time, one error boundary. Commands are in commands.ts; this
 * holds what they share. A handler's untagged responses go out as it says them; what changed in
 * the folder is told after it (teller.ts), then its tagged response.
 */
export class ImapSession extends ImapTransport implements ArgsOptions {
  readonly shared: ImapShared;
  readonly peer: Connection;
  secure: boolean;
  compressed = false;
  failedLogins = 0;
  fetched = 0; // Messages of which octets were sent.
  sentOctets = 0; // Of messages.
  /** What the client said of itself by ID. */
  client: string | undefined;
  /** What other folders and idle clients are told. */
  readonly teller: Teller;
  readonly enabled: Enabled = { ...words.NOTHING_ENABLED };
  #state: SessionState = START;
  #tag = '*';
  #row: CommandRow | undefined;
  #reply = '';
  #commands = 0;
  #badCommands = 0;
  readonly #startedAt: number;
  #reason: EndReason | undefined;
  #login: string | undefined; // Known to the end, which has no account any more.

  constructor(shared: ImapShared, connection: Connection) {
    super(connection.socket);
    this.shared = shared;
    this.peer = connection;
    this.secure = connection.secure;
    this.teller = new Teller(this);
    this.#startedAt = shared.clock.now();
    this.deadlineAt = this.#startedAt + shared.values['imap.login.timeout'];
  }

  greet(): void {
    const names = this.shared.capabilities(this.facts);
    this.untagged(`OK [CAPABILITY ${names}] Mailfarm IMAP at ${this.shared.hostName}`);
    this.flush();
    this.socket.resume();
  }

  get state(): SessionState {
    return this.#state;
  }

  get account(): Account | undefined {
    return 'account' in this.#state ? this.#state.account : undefined;
  }

  /** Of this session, for the log. */
  get #fields() {
    return { trace: this.peer.id, user: this.#login };
  }

  /** The tag of the command that runs. */
  get tag(): string {
    return this.#tag;
  }

  // What commands say. Texts are one character per octet, see wire/text.ts.

  untagged(text: string): void {
    this.say(`* ${text}\r\n`);
  }

  /** The tagged response; said after what changed in the folder. */
  ok(text: string, code: Code = ''): void {
    this.#reply = `OK ${coded(code, text)}`;
  }

  no(code: Code, text: string): void {
    this.#reply = `NO ${coded(code, encodeUtf8(text))}`;
  }

  /** The client's mistake. Who goes on making them is sent away. */
  bad(text: string): void {
    this.shared.tally.command('bad');
    this.#badCommands += 1;
    this.#reply = `BAD ${text}`;
    if (this.#badCommands < this.shared.values['imap.bad-commands.max']) return;
    this.bye('Too many bad commands, closing');
    this.#reason ??= 'bad-commands';
  }

  /** Says BYE and that the session is over; `#finish` closes. */
  bye(text: string, code: Code = ''): void {
    if (this.teller.telling !== undefined) this.cut(); // Within a literal, perhaps.
    this.untagged(`BYE ${coded(code, text)}`);
    this.leaveFolder();
    this.#closeMail();
    this.#state = OVER;
  }

  // Names of folders.

  get utf8(): boolean {
    return this.enabled.utf8;
  }

  folderName = (name: string): string => toFolder(this.shared.values, name);

  /** A folder's name for a response: atom or quoted, in this client's encoding. */
  mailbox(folder: string): string {
    const name = toClient(this.shared.values, folder, this.enabled.utf8);
    return words.ASCII.test(name) ? astring(name) : quoted(name); // UTF-8 in quotes: RFC 9051 §4.3.
  }

  // State.

  /** May a password travel on this connection as it is now? */
  get passwordAllowed(): boolean {
    if (this.secure) return true;
    const policy = this.shared.values['imap.plaintext-auth'];
    return policy === 'always' || (policy === 'loopback-only' && words.isLoopback(this.peer));
  }

  get facts(): CapabilityFacts {
    const { shared, secure } = this;
    return {
      state: this.account === undefined ? 'before-login' : 'after-login',
      password: this.passwordAllowed ? 'allowed' : 'refused',
      starttls: shared.secureContext && !secure ? 'offered' : 'not-offered',
      appendMax: shared.appendMax,
      compress:
        shared.values['imap.compress'] === 'yes' && !this.compressed ? 'offered' : 'not-offered',
    };
  }

  /** A login was refused; who guesses on is sent away. */
  loginFailed(code: Code, text: string): void {
    this.failedLogins += 1;
    this.no(code, text);
    if (this.failedLogins < this.shared.values['imap.failed-logins.max']) return;
    this.bye('Too many failed logins, closing');
    this.#reason ??= 'failed-logins';
  }

  enter(account: Account, mail: Mail): void {
    if (this.#state.name !== 'not-authenticated') return mail.close(); // Over by now.
    this.#badCommands = 0;
    this.#login = account.login;
    this.#state = { name: 'authenticated', account, mail };
  }

  /** Opens a folder for the session; the one that was open is closed. */
  select(state: Selected): void {
    this.leaveFolder();
    if (this.closed) return state.folder.close();
    this.#state = state;
    this.teller.selected(state);
  }

  /** Back to the authenticated state, or nothing. */
  leaveFolder(): Authenticated | undefined {
    const state = this.#state;
    if (state.name !== 'selected') return state.name === 'authenticated' ? state : undefined;
    this.teller.leave();
    state.folder.close();
    const { account, mail } = state;
    this.#state = { name: 'authenticated', account, mail };
    return this.#state;
  }

  #closeMail(): void {
    this.teller.close();
    if (this.#state.name === 'authenticated') this.#state.mail.close();
  }

  /** Answers OK and goes on over another socket (RFC 9051 §6.2.1, RFC 4978 §3). */
  switchSocket(text: string, wrap: (plain: Socket) => Socket): void {
    this.say(`${this.#tag} OK ${text}\r\n`);
    this.#reply = '';
    this.replaceSocket(wrap);
  }

  // The command loop.

  /** What is being told comes first: a literal may be half out. */
  protected override line(line: string): Done {
    const { telling } = this.teller;
    return telling === undefined ? super.line(line) : telling.then(() => super.line(line));
  }

  protected override command(text: string): Done {
    const space = text.indexOf(' ');
    const tag = space < 0 ? text : text.slice(0, space);
    this.#row = undefined;
    this.#tag = words.TAG.test(tag) ? tag : '*';
    this.#reply = '';
    if (this.#tag === '*') this.bad('A command begins with a tag');
    else if (space < 0) this.bad('A command is missing');
    else {
      const found = lookUp(text, space + 1);
      if (found !== undefined) return this.#begin(found.row, text, found.end);
      this.bad('Unknown command');
    }
    return this.#finish();
  }

  #begin(row: CommandRow, text: string, at: number): Done {
    this.#row = row;
    this.#commands += 1;
    this.shared.tally.command(row.name);
    try {
      const done = this.#run(row, new Args(text, at, this));
      if (done !== undefined) return this.#settled(done);
    } catch (error) {
      this.#answer(error);
    }
    return this.#finish();
  }

  async #settled(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (await this.#isFolderGone(error)) this.folderGone();
      else this.#answer(error);
    }
    await this.#finish();
  }

  #run(row: CommandRow, args: Args): Done {
    const state = this.#state;
    if (row.state === 'any') return row.run(this, args);
    if (row.state === 'not-authenticated' && state.name === 'not-authenticated') {
      return row.run(this, args);
    }
    if (state.name === 'selected' && row.state === 'selected') {
      const telling = this.teller.catchUp(state);
      // What is told may end the session: the folder is another one.
      const run = (): Done =>
        this.#state === state ? row.run(this, args, state, row.by) : undefined;
      return telling === undefined ? run() : telling.then(run);
    }
    if (row.state === 'authenticated' && 'mail' in state) return row.run(this, args, state);
    this.bad('This command is not valid now');
  }

  /** Tells what changed, then the tagged response, then closes if it is over. */
  #finish(): Done {
    const state = this.#state;
    if (state.name === 'selected' && !this.closed) {
      const telling = this.teller.tell(state, this.#row?.expunges ?? 'now');
      if (telling !== undefined) return telling.then(() => this.#sayReply());
    }
    this.#sayReply();
  }

  #sayReply(): void {
    const reply = this.#reply;
    if (reply !== '') this.say(`${this.#tag} ${reply}\r\n`);
    this.#reply = '';
    this.#row = undefined;
    if (this.#state.name === 'logout') this.end(this.#reason ?? 'logout');
    else if (this.shared.draining) this.#goDown(); // Whatever the client has sent already.
    else this.teller.commandEnded();
  }

  protected override streams(text: string): boolean {
    const space = text.indexOf(' ');
    const found = space < 0 ? undefined : lookUp(text, space + 1);
    if (found?.row.streams === undefined || this.account === undefined) return false;
    return !words.ONLY_LITERAL.test(text.slice(found.end)); // The first is the name of the folder.
  }

  protected override lineBytesMax(): number {
    return this.#afterLogin('imap.line.size');
  }

  protected override get commandBytesMax(): number {
    return this.#afterLogin('imap.command.size');
  }

  #afterLogin(limit: 'imap.line.size' | 'imap.command.size'): number {
    return this.account === undefined ? EARLY_COMMAND_BYTES_MAX : this.shared.values[limit];
  }

  protected override tooBig(text: string, why: string): void {
    if (this.teller.telling !== undefined) return this.outOfStep(why);
    const space = text.indexOf(' ');
    const tag = text.slice(0, space < 0 ? text.length : Math.min(space, 256));
    this.#tag = words.TAG.test(tag) ? tag : '*';
    this.bad(coded('TOOBIG', why));
    this.#sayReply();
  }

  protected override outOfStep(why: string): void {
    this.bye(why, 'TOOBIG');
    this.end('bad-commands');
  }

  protected override endless(): void {
    this.outOfStep('The line has no end');
  }

  /** The one error boundary of commands. */
  #answer(error: unknown): void {
    if (error instanceof ConnectionLost || this.closed) return;
    if (error instanceof SyntaxFault) return this.bad(error.message);
    if (error instanceof Refusal) return this.no(error.code, error.message);
    if (error instanceof MailError) return this.no(mailErrorCode(error.kind), error.message);
    const fields = { ...this.#fields, command: this.#row?.name };
    if (error instanceof BrokenAnswer) return this.#brokenOff(error);
    if (error instanceof StoreError) {
      const { kind } = error;
      this.shared.logger.warn({ ...fields, err: error, kind }, 'Storage failed an IMAP command');
      return this.no(...storeErrorReply(kind));
    }
    this.shared.logger.error(
      { ...fields, err: error, code: 'MF-IMAP-001' },
      'An IMAP command failed: MF-IMAP-001',
    );
    this.no('UNAVAILABLE', `Internal error, trace id ${this.peer.id}`);
    this.bye(`Internal error, trace id ${this.peer.id}`, 'UNAVAILABLE');
    this.#reason ??= 'internal-error';
  }

  /** Of a command that works in the folder that is open. */
  async #isFolderGone(error: unknown): Promise<boolean> {
    const state = this.#state;
    if (state.name !== 'selected' || !isNoFolder(error)) return false;
    if (this.#row?.state !== 'selected' && this.#row?.name !== 'NOOP') return false;
    return isGone(state.folder);
  }

  /** What fails outside of a command's own work: telling, framing. */
  protected override failed(error: unknown): void {
    this.#answer(error);
    this.#sayReply();
  }

  #brokenOff({ cause }: BrokenAnswer): void {
    this.shared.logger.warn({ ...this.#fields, err: cause }, 'A message broke off');
    this.#reason ??= 'message-failed';
    this.cut();
  }

  /** What was told by itself failed: the client can ask for it, unless half of it is out. */
  tellingFailed(error: unknown): void {
    if (error instanceof ConnectionLost || this.closed) return;
    if (error instanceof BrokenAnswer) this.#brokenOff(error);
    else this.noteFailure(error, 'A change could not be told');
  }

  /** Something that the answer does without. */
  noteFailure(error: unknown, what: string): void {
    if (error instanceof ConnectionLost) throw error;
    if (error instanceof MailError) return;
    this.shared.logger.warn({ ...this.#fields, err: error }, what);
  }

  /** The folder is another one than the client knows: nothing it knows counts. */
  folderReplaced(state: FolderState): void {
    const { uidValidity } = state;
    this.shared.logger.warn({ ...this.#fields, uidValidity }, 'A folder was replaced');
    this.#leaveWith('This folder was replaced, select it again');
  }

  /** The folder was deleted or renamed by somebody else (RFC 2180 §3.3). */
  folderGone(): void {
    this.#leaveWith('This folder was deleted or renamed, select another');
  }

  #leaveWith(text: string): void {
    this.#reply = '';
    this.bye(text);
    this.end('folder-replaced');
  }

  // Ends and deadlines.

  /** Says what is queued, then closes. The first reason counts. */
  end(reason: EndReason): void {
    this.#reason ??= reason;
    this.hangUp();
  }

  /** The deadline passed. */
  expire(): void {
    if (this.ending) return this.cut();
    if (this.blocked) {
      this.#reason ??= 'write-timeout';
      return this.cut();
    }
    if (this.shared.draining && this.#waits) return this.#goDown();
    const reason = this.#expiry();
    this.bye(words.EXPIRED[reason]);
    this.end(reason);
  }

  #expiry(): keyof typeof words.EXPIRED {
    if (this.account === undefined) return 'login-timeout';
    return this.receiving ? 'input-timeout' : 'idle-timeout';
  }

  get #waits(): boolean {
    return !this.busy || this.teller.idle;
  }

  /** The service drains: who waits is told BYE; a command that runs may end, and so who is slow. */
  drain(): void {
    if (!this.ending && !this.blocked && this.#waits) this.#goDown();
  }

  #goDown(): void {
    const { telling } = this.teller; // A literal may be half out.
    if (telling === undefined) {
      this.bye(words.DRAINED, 'UNAVAILABLE');
      return this.end('drained');
    }
    this.deadlineAt = Infinity;
    void telling.then(() => this.drain());
  }

  /** Closes now, whatever runs. */
  abandon(): void {
    this.#reason ??= 'drained';
    this.cut();
  }

  protected override arm(waitsFor: WaitsFor): void {
    const { values, clock, draining } = this.shared;
    const now = clock.now();
    if (waitsFor === 'close') this.deadlineAt = now + this.#closingMs;
    else if (this.account === undefined) this.deadlineAt = this.#loginDeadline();
    else if (waitsFor === 'work') this.deadlineAt = Infinity;
    else if (waitsFor === 'drain') this.deadlineAt = now + values['imap.write.timeout'];
    else if (draining && !this.receiving) this.deadlineAt = now;
    else if (this.receiving) this.deadlineAt = now + values['imap.input.timeout'];
    else this.deadlineAt = now + values['imap.idle.timeout'];
  }

  /** Who is slow still gets what he was answered. */
  get #closingMs(): number {
    return this.socket.writableLength === 0 ? LINGER_MS : this.shared.values['imap.write.timeout'];
  }

  #loginDeadline(): number {
    if (this.shared.draining && !this.busy) return 0;
    return this.#startedAt + this.shared.values['imap.login.timeout'];
  }

  override drained(): void {
    super.drained();
    this.teller.flowed();
  }

  protected override closedBy(error: Error | undefined): void {
    const code = error !== undefined && 'code' in error ? String(error.code) : '';
    this.#reason ??= words.TLS_ERROR.test(code) ? 'tls-failed' : 'lost';
    this.lose(new ConnectionLost());
    this.leaveFolder();
    this.#closeMail();
    this.#state = OVER;
    this.shared.ended(this, {
      ...this.#fields,
      address: this.peer.remoteAddress,
      tls: this.secure,
      client: this.client,
      commands: this.#commands,
      fetched: this.fetched,
      octets: this.sentOctets,
      failedLogins: this.failedLogins,
      ms: Math.round(this.shared.clock.now() - this.#startedAt),
      reason: this.#reason,
    });
  }
}
