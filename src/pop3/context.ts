import type { SecureContext } from 'node:tls';
import type { Authenticator } from '../auth/types.ts';
import type { Clock } from '../base/clock.ts';
import type { Account } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { MailStore } from '../mailbox/types.ts';
import type { CapabilityFacts } from './capabilities.ts';
import type { LoginDelay } from './login-delay.ts';
import type { CommandName, EndReason, LoginResult } from './metrics.ts';
import type { Pop3OptionValues } from './options.ts';

/** Gives the mailbox back. Never rejects. */
export type Release = () => Promise<void>;
/** Takes a mailbox for one session on this node; advice, never protection. Never rejects. */
export type Exclusive = (account: Account) => Promise<Release | 'in-use'>;

/** What every session logs when it is over, in one line. */
export interface SessionSummary {
  readonly trace: string;
  readonly address: string;
  readonly tls: boolean;
  readonly user: string | undefined;
  readonly messages: number;
  readonly retrieved: number;
  readonly octets: number;
  readonly deleted: number;
  readonly failedLogins: number;
  readonly ms: number;
  readonly reason: EndReason;
}

/** What the sessions of a service share. Sessions see this, and the service implements it. */
export interface Pop3Shared {
  readonly store: MailStore;
  readonly auth: Authenticator;
  readonly values: Pop3OptionValues;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly hostName: string;
  /** For STLS; undefined where this service has no TLS. */
  readonly secureContext: ((servername: string | undefined) => SecureContext) | undefined;
  readonly sni: (
    servername: string,
    done: (error: Error | null, context?: SecureContext) => void,
  ) => void;
  /** Set when `pop3.sessions` is `exclusive`. */
  readonly exclusive: Exclusive | undefined;
  /**
   * Told of the address and user of every login that was let in (POP-before-SMTP). Never throws.
   */
  readonly onLogin: ((address: string, account: Account) => void) | undefined;
  readonly loginDelay: LoginDelay;
  readonly tally: Tally;
  readonly draining: boolean;
  /** The text of CAPA for these facts. */
  capabilities(facts: CapabilityFacts): string;
  /** Called once, when the socket of a session is closed. */
  ended(session: object, summary: SessionSummary): void;
}

/** What happens is counted here, cheaply, and carried over to the metrics by the sweep. */
export interface Tally {
  command(name: CommandName | 'bad'): void;
  login(result: LoginResult): void;
}
