/**
 * What the sessions of one listener share, and the service that net/ gives connections to. The
 * library's server never listens here: it holds options and connections.
 */
import type { SecureContext } from 'node:tls';
import { SMTPServer } from 'smtp-server';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../log/types.ts';
import type { Connection, Service, TlsContexts } from '../net/types.ts';
import { FARM_KEYWORD } from './farm-mark.ts';
import { sessions } from './metrics.ts';
import type { SmtpOptions } from './options.ts';
import { SmtpSession } from './session.ts';
import type { SessionEnd, SmtpMode, SmtpPolicy } from './types.ts';
import type { Workaround } from './workarounds.ts';

export interface SmtpServiceOptions<R> {
  readonly mode: SmtpMode;
  /** Our own name, in the greeting. */
  readonly hostName: string;
  readonly policy: SmtpPolicy<R>;
  /** Without contexts STARTTLS is not announced. */
  readonly tls: TlsContexts | undefined;
  readonly options: SmtpOptions;
  readonly logger: Logger;
  readonly clock: Clock;
  /** What EHLO tells of our farm (farm-mark.ts); undefined: nothing. */
  readonly farmMark?: string | undefined;
}

/** An SMTP or LMTP service on policy that somebody else has. */
export function createSmtpService<R>(options: SmtpServiceOptions<R>): Service {
  const engine = new SmtpEngine(options);
  return {
    handle: (connection) => engine.take(connection),
    drain: (ms) => engine.drain(ms),
    get connections() {
      return engine.open;
    },
  };
}

export class SmtpEngine extends SMTPServer {
  readonly mode: SmtpMode;
  readonly policy: SmtpPolicy<unknown>;
  readonly tls: TlsContexts | undefined;
  readonly limits: SmtpOptions;
  readonly log: Logger;
  readonly clock: Clock;
  readonly #farmMark: string | undefined;
  draining = false;
  readonly #open = new Set<SmtpSession>();
  readonly #workarounds: ReadonlySet<string>;
  #watching: AbortController | undefined;
  #drained: (() => void) | undefined;

  constructor(given: SmtpServiceOptions<unknown>) {
    super({
      name: given.hostName,
      lmtp: given.mode === 'lmtp',
      banner: 'Mailfarm',
      heloResponse: '%s',
      size: given.options['smtp.message.max'],
      socketTimeout: given.options['smtp.command.timeout'],
      disableReverseLookup: true,
      // No library log, and no cost for one: its default logger is a function that does nothing.
      logger: false,
      hideENHANCEDSTATUSCODES: false,
      hideSTARTTLS: given.tls === undefined,
      hideDSN: given.policy.dsn !== true,
      // RFC 8689 binds every later hop as well; announced when forwards can keep it.
      hideREQUIRETLS: true,
      authMethods: [],
      disabledCommands: ['AUTH', 'XCLIENT', 'XFORWARD', 'WIZ', 'SHELL', 'KILL'],
    });
    this.mode = given.mode;
    this.policy = given.policy;
    this.tls = given.tls;
    this.limits = given.options;
    this.log = given.logger;
    this.clock = given.clock;
    this.#farmMark = given.farmMark;
    this.#workarounds = new Set(given.options['smtp.workarounds']);
    if (given.tls) this.secureContext = askEachTime(given.tls);
    // Broken connections are told by the session line; an unheard 'error' would end the process.
    this.on('error', (error: Error) => this.log.debug({ err: error }, 'SMTP connection error'));
  }

  /** Sessions with an open socket; the library's `connections` leaves out the closing ones. */
  get open(): number {
    return this.#open.size;
  }

  take(connection: Connection): void {
    if (connection.socket.destroyed) {
      sessions.inc('closed'); // Gone on the way here: no event would ever end a session.
      return;
    }
    const session = new SmtpSession(this, connection);
    this.#open.add(session);
    this.connections.add(session);
    session.on('error', (error: Error) => this._onError(error));
    this.#watch();
    session.init();
  }

  allows(workaround: Workaround): boolean {
    return this.#workarounds.has(workaround);
  }

  /** Lines of EHLO that the library does not know of. */
  keywords(session: SmtpSession): readonly string[] {
    const { authenticate, etrn } = this.policy;
    const offersAuth = authenticate && session.secure && !session.account;
    return [
      ...(offersAuth ? [`AUTH ${authenticate.mechanisms.join(' ')}`] : []),
      ...(etrn ? ['ETRN'] : []),
      ...(this.#farmMark === undefined ? [] : [`${FARM_KEYWORD} ${this.#farmMark}`]),
    ];
  }

  /** A session's socket is closed. */
  ended(session: SmtpSession, end: SessionEnd): void {
    sessions.inc(end);
    this.#open.delete(session);
    if (this.#open.size > 0) return;
    this.#watching?.abort();
    this.#watching = undefined;
    this.#drained?.();
  }

  async drain(ms: number): Promise<void> {
    this.draining = true;
    for (const session of this.#open) {
      if (session.idle) session.fatal('shuttingDown', 'drain');
    }
    if (this.#open.size === 0) return;
    const timer = new AbortController();
    const over = this.clock.sleep(ms, timer.signal).catch(() => {});
    const empty = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    await Promise.race([over, empty]);
    timer.abort();
    for (const session of this.#open) session._socket.destroy();
    if (this.#open.size > 0) await empty;
  }

  /** At once: whom to turn away is decided before (`SmtpSession.connectionReady`). */
  override onConnect(_session: unknown, callback: (error?: Error | null) => void): void {
    callback();
  }

  /** The library would make a context from the certificate it ships, whose key is public. */
  override updateSecureContext(): void {
    this.secureContext = new Map<string, SecureContext>();
  }

  override _resolveSNI(
    servername: string,
    callback: (error: Error | null, context?: SecureContext) => void,
  ): void {
    try {
      callback(null, this.tls?.context(servername));
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Looks at every session about once a second while there is one. */
  #watch(): void {
    if (this.#watching) return;
    const stop = new AbortController();
    this.#watching = stop;
    const { limits } = this;
    const shortest = Math.min(
      limits['smtp.command.timeout'],
      limits['smtp.data.timeout'],
      limits['smtp.session.timeout'],
    );
    const every = Math.max(20, Math.min(1000, shortest / 4));
    const loop = async (): Promise<void> => {
      for (;;) {
        await this.clock.sleep(every, stop.signal);
        const now = this.clock.now();
        for (const session of this.#open) session.watch(now);
      }
    };
    loop().catch(() => {}); // Ends by abort.
  }
}

/** The library keeps contexts in a map; ours asks, since contexts change when files change. */
function askEachTime(tls: TlsContexts): Map<string, SecureContext> {
  const contexts = new Map<string, SecureContext>();
  contexts.get = (servername) => tls.context(servername === '*' ? undefined : servername);
  return contexts;
}
