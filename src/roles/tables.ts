import { DELIVERY_OPTIONS } from '../delivery/options.ts';
import { AUTH_OPTIONS } from '../auth/options.ts';
import { ADMIN_OPTIONS, DIRECTORY_OPTIONS, EMBEDDED_OPTIONS } from '../directory/options.ts';
import { DNS_OPTIONS } from '../dns/options.ts';
import { HTTP_OPTIONS } from '../http/options.ts';
import { WEB_OPTIONS } from '../http/web-options.ts';
import { IMAP_OPTIONS } from '../imap/options.ts';
import { JMAP_OPTIONS } from '../jmap/options.ts';
import { MAILBOX_OPTIONS } from '../mailbox/options.ts';
import { MX_OPTIONS } from '../mx/options.ts';
import { NET_OPTIONS } from '../net/options.ts';
import { POP3_OPTIONS } from '../pop3/options.ts';
import { RELAY_OPTIONS } from '../relay/options.ts';
import { SMTP_CLIENT_OPTIONS } from '../smtp/client/options.ts';
import { SMTP_OPTIONS } from '../smtp/options.ts';
import { SPOOL_OPTIONS } from '../spool/options.ts';
import { SENDER_OPTIONS } from '../spool/sender/options.ts';
import { SUBMISSION_OPTIONS } from '../submission/options.ts';
import { VOLUME_OPTIONS } from '../volumes/options.ts';
import { WEBMAIL_OPTIONS } from '../webmail/options.ts';
import { NODE_OPTIONS } from './options.ts';

/** Every option of the farm: what mwSetting values in cn=farm may name. */
export const TABLES = [
  NODE_OPTIONS,
  NET_OPTIONS,
  HTTP_OPTIONS,
  ADMIN_OPTIONS,
  DIRECTORY_OPTIONS,
  EMBEDDED_OPTIONS,
  AUTH_OPTIONS,
  VOLUME_OPTIONS,
  MAILBOX_OPTIONS,
  SPOOL_OPTIONS,
  DELIVERY_OPTIONS,
  SMTP_OPTIONS,
  MX_OPTIONS,
  POP3_OPTIONS,
  IMAP_OPTIONS,
  WEB_OPTIONS,
  JMAP_OPTIONS,
  WEBMAIL_OPTIONS,
  SUBMISSION_OPTIONS,
  RELAY_OPTIONS,
  SENDER_OPTIONS,
  SMTP_CLIENT_OPTIONS,
  DNS_OPTIONS,
] as const;
