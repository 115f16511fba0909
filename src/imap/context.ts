import type { SecureContext } from 'node:tls';
import type { Authenticator } from '../auth/types.ts';
import type { Clock } from '../base/clock.ts';
import type { Account } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { Mail } from '../mailbox/mail.ts';
import type { CapabilityFacts } from './capabilities.ts';
import type { FolderEvents } from './folder-events.ts';
import type { CommandName, EndReason, LoginResult } from './metrics.ts';
import type { ImapOptionValues } from './options.ts';

/** Where a user's mail comes from. @throws StoreError */
export interface Mails {
  openMail(account: Account): Promise<Mail>;
}

/** What every session logs when it is over, in one line. */
export interface SessionSummary {
  readonly trace: string;
  readonly address: string;
  readonly tls: boolean;
  readonly user: string | undefined;
  /** What the client said of itself by ID, cut. */
  readonly client: string | undefined;
  readonly commands: number;
  readonly fetched: number;
  readonly octets: number;
  readonly failedLogins: number;
  readonly ms: number;
  readonly reason: EndReason;
}

/** What the sessions of a service share. Sessions see this, and the service implements it. */
export interface ImapShared {
  readonly store: Mails;
  readonly auth: Authenticator;
  readonly values: ImapOptionValues;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly hostName: string;
  /** For STARTTLS; undefined where this service has no TLS. */
  readonly secureContext: ((servername: string | undefined) => SecureContext) | undefined;
  readonly sni: (
    servername: string,
    done: (error: Error | null, context?: SecureContext) => void,
  ) => void;
  /** Told of every login that was let in (POP-before-SMTP counts IMAP too). Never throws. */
  readonly onLogin: ((address: string, account: Account) => void) | undefined;
  readonly tally: Tally;
  readonly draining: boolean;
  readonly folderEvents: FolderEvents;
  /** Octets of a message that APPEND takes. */
  readonly appendMax: number;
  /** The names of CAPABILITY for these facts. */
  capabilities(facts: CapabilityFacts): string;
  /** Called once, when the socket of a session is closed. */
  ended(session: object, summary: SessionSummary): void;
}

/** What happens is counted here, cheaply. */
export interface Tally {
  command(name: CommandName | 'bad'): void;
  login(result: LoginResult): void;
}
