import { type CapabilityFacts, capabilities } from './capabilities.ts';
import { COMMANDS } from './commands.ts';
import type { Exclusive, Pop3Shared, SessionSummary, Tally } from './context.ts';
import { LoginDelay } from './login-delay.ts';
import { commandsTotal, loginsTotal, openConnections, sessionsTotal } from './metrics.ts';
import type { Pop3OptionValues } from './options.ts';
import { REPLY } from './replies.ts';
import { Pop3Session } from './session.ts';
import type { Authenticator } from '../auth/types.ts';
import type { Clock } from '../base/clock.ts';
import type { Account } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { MailStore } from '../mailbox/types.ts';
import { LineSessions } from '../net/line-sessions.ts';
import { answerSni } from '../net/tls.ts';
import type { Connection, Service, TlsContexts } from '../net/types.ts';

export interface Pop3ServiceOptions {
  readonly store: MailStore;
  readonly auth: Authenticator;
  /** For STLS; 'none' where this service has no TLS. */
  readonly tls: TlsContexts | 'none';
  readonly values: Pop3OptionValues;
  readonly logger: Logger;
  readonly clock: Clock;
  /** In the greeting; the farm's name, the same on every node. */
  readonly hostName: string;
  /** Asked when `pop3.sessions` is `exclusive`; see exclusive.ts. */
  readonly exclusive?: Exclusive;
  /** Told of the address and user of every login that was let in. Must not throw. */
  readonly onLogin?: (address: string, account: Account) => void;
  /** Between two looks at the deadlines, in milliseconds; 1,000 unless told. */
  readonly sweepMs?: number;
}

/** A POP3 service of this process (RFC 1939). It opens no socket; net/ hands connections over. */
export function createPop3Service(options: Pop3ServiceOptions): Service {
  return new Pop3Service(options);
}

const tally: Tally = {
  command: (name) => commandsTotal.inc(name),
  login: (result) => loginsTotal.inc(result),
};

class Pop3Service implements Service, Pop3Shared {
  readonly store: MailStore;
  readonly auth: Authenticator;
  readonly values: Pop3OptionValues;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly hostName: string;
  readonly secureContext: Pop3Shared['secureContext'];
  readonly sni: Pop3Shared['sni'];
  readonly exclusive: Exclusive | undefined;
  readonly onLogin: Pop3Shared['onLogin'];
  readonly loginDelay: LoginDelay;
  readonly tally = tally;
  readonly #sessions: LineSessions<Pop3Session>;
  readonly #capabilities = new Map<string, string>(); // A handful of texts, made once.

  constructor(options: Pop3ServiceOptions) {
    const { tls, values } = options;
    this.store = options.store;
    this.auth = options.auth;
    this.values = values;
    this.logger = options.logger;
    this.clock = options.clock;
    this.hostName = options.hostName;
    this.secureContext = tls === 'none' ? undefined : (name) => tls.context(name);
    this.sni = (name, done) => answerSni(this.secureContext, name, done);
    this.exclusive = values['pop3.sessions'] === 'exclusive' ? options.exclusive : undefined;
    this.onLogin = options.onLogin;
    this.loginDelay = new LoginDelay(options.clock, values['pop3.login-delay']);
    this.#sessions = new LineSessions(options);
  }

  get connections(): number {
    return this.#sessions.size;
  }

  get draining(): boolean {
    return this.#sessions.draining;
  }

  handle(connection: Connection): void {
    const session = new Pop3Session(this, connection);
    openConnections.count += 1;
    this.#sessions.begin(session, connection);
  }

  /**
   * Who has not logged in is told [SYS/TEMP] and closed. A session in TRANSACTION may go on, so
   * that its marks are not lost and its messages not fetched twice, until it is silent for
   * DRAIN_IDLE_MS or `ms` is over; then it ends without UPDATE, as if the line had broken.
   */
  drain(ms: number): Promise<void> {
    return this.#sessions.drain(ms);
  }

  capabilities(facts: CapabilityFacts): string {
    const key = `${facts.state} ${facts.password} ${facts.starttls}`;
    let text = this.#capabilities.get(key);
    if (text === undefined) {
      const lines = capabilities(COMMANDS, facts).map((line) => `${line}\r\n`);
      text = REPLY.capabilities + lines.join('') + REPLY.end;
      this.#capabilities.set(key, text);
    }
    return text;
  }

  ended(session: Pop3Session, summary: SessionSummary): void {
    if (!this.#sessions.end(session)) return;
    openConnections.count -= 1;
    sessionsTotal.inc(summary.reason);
    this.logger.info(summary, 'POP3 session');
  }
}
