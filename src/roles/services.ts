import type { RefusalStyle } from '../net/refusal.ts';

/**
 * The services a node can run, on one screen. A listener in the directory is `SERVICE HOST:PORT`;
 * the row says which protocol that is, what TLS does on it, and how a connection is refused that
 * cannot be taken.
 */
export interface ServiceRow {
  readonly protocol: 'mx' | 'lmtp' | 'submission' | 'relay' | 'pop3' | 'imap' | 'web';
  readonly tls: 'implicit' | 'starttls' | 'none';
  readonly refusal: RefusalStyle;
  /** Letter in mwNode's status, upper case while up (S0-34). */
  readonly letter: string;
}

export const SERVICES = {
  mx: { protocol: 'mx', tls: 'starttls', refusal: 'smtp', letter: 'S' },
  lmtp: { protocol: 'lmtp', tls: 'starttls', refusal: 'smtp', letter: 'S' },
  submission: { protocol: 'submission', tls: 'starttls', refusal: 'smtp', letter: 'S' },
  submissions: { protocol: 'submission', tls: 'implicit', refusal: 'silent', letter: 'S' },
  relay: { protocol: 'relay', tls: 'starttls', refusal: 'smtp', letter: 'S' },
  pop3: { protocol: 'pop3', tls: 'starttls', refusal: 'pop3', letter: 'P' },
  pop3s: { protocol: 'pop3', tls: 'implicit', refusal: 'silent', letter: 'P' },
  imap: { protocol: 'imap', tls: 'starttls', refusal: 'imap', letter: 'G' },
  imaps: { protocol: 'imap', tls: 'implicit', refusal: 'silent', letter: 'G' },
  http: { protocol: 'web', tls: 'none', refusal: 'http', letter: 'A' },
  https: { protocol: 'web', tls: 'implicit', refusal: 'silent', letter: 'A' },
} as const satisfies Readonly<Record<string, ServiceRow>>;

export type ServiceName = keyof typeof SERVICES;
export type Protocol = ServiceRow['protocol'];

/** Services that put letters into mailboxes or read them; a node without them mounts no mail. */
const MAILBOX_SERVICES: ReadonlySet<Protocol> = new Set([
  'mx',
  'lmtp',
  'submission',
  'pop3',
  'imap',
  'web',
]);

/** Whether a node that listens so needs the mail volumes (S2-14: a smarthost does not). */
export const needsMailboxes = (listen: readonly { readonly service: string }[]): boolean =>
  listen.some(
    ({ service }) => isServiceName(service) && MAILBOX_SERVICES.has(SERVICES[service].protocol),
  );

/** Health and metrics over HTTP: the supervisor's own listener, not handed to workers. */
export const HEALTH = 'health';

/** Hints between nodes over UDP (`net/hints.ts`): the supervisor's own as well. */
export const HINTS = 'hints';

/** What a listener may name. */
export const LISTENERS: readonly string[] = [...Object.keys(SERVICES), HEALTH, HINTS];

export const isServiceName = (name: string): name is ServiceName => Object.hasOwn(SERVICES, name);
