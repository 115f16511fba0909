import type { Authenticator } from '../auth/types.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Delivery, Outbound } from '../delivery/types.ts';
import type { Directory } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { Service, TlsContexts } from '../net/types.ts';
import type { SmtpOptions } from '../smtp/options.ts';
import type { SessionView } from '../smtp/types.ts';
import type { Marks } from '../spool/marks.ts';
import type { SubmissionOptions } from './options.ts';

/** Who a bearer token belongs to, asked of somebody who can tell. Must not throw. */
export type VerifyToken = (
  session: SessionView,
  given: { readonly login: string; readonly token: string },
) => Promise<'accepted' | 'refused' | 'unavailable'>;

export interface SubmissionParts {
  readonly directory: Directory;
  readonly delivery: Delivery;
  /** Without it only mail for our own users is taken. */
  readonly outbound?: Outbound | undefined;
  readonly auth: Authenticator;
  /** With it XOAUTH2 is announced. */
  readonly verifyToken?: VerifyToken | undefined;
  /** What users sent, over the whole farm. Without it nothing is limited. */
  readonly marks?: Pick<Marks, 'add' | 'sum'> | undefined;
  /** Without contexts nobody can log in on 587; on 465 the handshake was before. */
  readonly tls: TlsContexts | undefined;
  readonly options: SmtpOptions & SubmissionOptions;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** In the greeting, in Received and in Message-ID. */
  readonly hostName: string;
  /** Of the farm's cookie (smtp/farm-mark.ts), for EHLO. */
  readonly farmMark?: string | undefined;
}

/** Mail of our own users, from their mail programs (RFC 6409). */
export function createSubmissionService(parts: SubmissionParts): Service {
  void parts;
  throw new Error('not yet');
}
