import type { Authenticator } from '../auth/types.ts';
import type { Clock } from '../base/clock.ts';
import type { Account } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { LineSessions } from '../net/line-sessions.ts';
import { answerSni } from '../net/tls.ts';
import type { Connection, Service, TlsContexts } from '../net/types.ts';
import { type CapabilityFacts, capabilities } from './capabilities.ts';
import { COMMANDS } from './commands.ts';
import type { ImapShared, Mails, SessionSummary, Tally } from './context.ts';
import { FolderEvents } from './folder-events.ts';
import { commandsTotal, loginsTotal, openConnections, sessionsTotal } from './metrics.ts';
import type { ImapOptionValues } from './options.ts';
import { ImapSession } from './session.ts';

export interface ImapServiceOptions {
  readonly store: Mails;
  readonly auth: Authenticator;
  /** For STARTTLS; 'none' where this service has no TLS. */
  readonly tls: TlsContexts | 'none';
  readonly values: ImapOptionValues;
  /** Octets of a message that the store takes (RFC 7889); 0 is not said. */
  readonly appendMax: number;
  readonly logger: Logger;
  readonly clock: Clock;
  /** In the greeting; the farm's name, the same on every node. */
  readonly hostName: string;
  /** Told of the address and user of every login that was let in. Must not throw. */
  readonly onLogin?: (address: string, account: Account) => void;
  /** Between two looks at the deadlines, in milliseconds; 1,000 unless told. */
  readonly sweepMs?: number;
}

/** An IMAP service of this process (RFC 9051). It opens no socket; net/ hands connections over. */
export function createImapService(options: ImapServiceOptions): Service {
  return new ImapService(options);
}

const tally: Tally = {
  command: (name) => commandsTotal.inc(name),
  login: (result) => loginsTotal.inc(result),
};

class ImapService implements Service, ImapShared {
  readonly store: Mails;
  readonly auth: Authenticator;
  readonly values: ImapOptionValues;
  readonly appendMax: number;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly hostName: string;
  readonly secureContext: ImapShared['secureContext'];
  readonly sni: ImapShared['sni'];
  readonly onLogin: ImapShared['onLogin'];
  readonly tally = tally;
  readonly folderEvents = new FolderEvents();
  readonly #sessions: LineSessions<ImapSession>;
  readonly #capabilities = new Map<string, string>(); // A handful of texts, made once.

  constructor(options: ImapServiceOptions) {
    const { tls } = options;
    this.store = options.store;
    this.auth = options.auth;
    this.values = options.values;
    this.appendMax = options.appendMax;
    this.logger = options.logger;
    this.clock = options.clock;
    this.hostName = options.hostName;
    this.secureContext = tls === 'none' ? undefined : (name) => tls.context(name);
    this.sni = (name, done) => answerSni(this.secureContext, name, done);
    this.onLogin = options.onLogin;
    this.#sessions = new LineSessions({
      ...options,
      onSweep: (now) => this.folderEvents.tick(now),
    });
  }

  get connections(): number {
    return this.#sessions.size;
  }

  get draining(): boolean {
    return this.#sessions.draining;
  }

  handle(connection: Connection): void {
    const session = new ImapSession(this, connection);
    openConnections.count += 1;
    this.#sessions.begin(session, connection);
  }

  /** Who waits is told BYE; a command that runs may end, then its session does. */
  drain(ms: number): Promise<void> {
    return this.#sessions.drain(ms);
  }

  capabilities(facts: CapabilityFacts): string {
    const key = `${facts.state} ${facts.password} ${facts.starttls} ${facts.compress}`;
    const known = this.#capabilities.get(key);
    if (known !== undefined) return known;
    const text = capabilities(COMMANDS, facts);
    this.#capabilities.set(key, text);
    return text;
  }

  ended(session: ImapSession, summary: SessionSummary): void {
    if (!this.#sessions.end(session)) return;
    openConnections.count -= 1;
    sessionsTotal.inc(summary.reason);
    this.logger.info(summary, 'IMAP session');
  }
}
