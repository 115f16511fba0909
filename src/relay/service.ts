/**
 * The smarthost for our own hosts (S2-14): takes letters for anywhere into the spool, from whom it
 * knows by address or login. It mounts no mail volume: what is for our own users goes to an MX of
 * the farm like everything else goes to its own, from the spool.
 *
 * Who may: addresses of the farm's nodes and of `relay.networks`; who logged in over TLS, with a
 * sender address of his own; who read mail from this address just now, where POP-before-SMTP is on:
 * as himself, by the rules and limits of a login. No balancers (`farm.addresses`): behind one may
 * be anybody.
 *
 * A signature (DKIM) says that the domain answers for From. So it is for who logged in, whose From
 * was judged, and for our own nodes; for `relay.networks` by option; never by POP-before-SMTP,
 * since whoever shares the address could write as the user.
 */
import type { Authenticator } from '../auth/types.ts';
import type { Clock } from '../base/clock.ts';
import { placeElsewhere, together, type Places } from '../delivery/places.ts';
import type { Delivery, Incoming, Leaving, Outbound } from '../delivery/types.ts';
import { DirectoryUnavailable, type Directory, type DomainEntry } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { addressRanges } from '../net/address.ts';
import type { Service, TlsContexts } from '../net/types.ts';
import type { Mailbox } from '../smtp/address.ts';
import { createSmtpService } from '../smtp/engine.ts';
import type { SmtpOptions } from '../smtp/options.ts';
import { ReplyError, type ReplyName } from '../smtp/replies.ts';
import { receivedHeader } from '../smtp/trace.ts';
import type {
  AuthAnswer,
  Credentials,
  Envelope,
  MessageSink,
  RecipientDsn,
  Sender,
  SessionView,
  SessionAccount,
  SmtpPolicy,
  ReceivedContent,
} from '../smtp/types.ts';
import { StoreError, type StoreErrorKind } from '../volumes/error.ts';
import { Domains } from './elsewhere.ts';
import { messages, recipients } from './metrics.ts';
import type { RelayOptions } from './options.ts';
import type { OwnFarm } from './own-farm.ts';
import type { PopMarks } from './pop-marks.ts';

export interface RelayServiceParts {
  readonly directory: Pick<Directory, 'resolve' | 'domain' | 'account'>;
  readonly delivery: Pick<Delivery, 'begin'>;
  readonly outbound: Outbound;
  readonly auth: Authenticator;
  readonly farm: Pick<OwnFarm, 'isNode'>;
  readonly pop?: Pick<PopMarks, 'userAt'> | undefined;
  /**
   * What who logged in may send: submission's own rules and limits, so that this door is no way
   * around them. Without it a login is only held to the addresses of its entry.
   */
  readonly users?: Users | undefined;
  readonly etrn?: SmtpPolicy<Places>['etrn'];
  readonly tls: TlsContexts | undefined;
  readonly options: SmtpOptions & RelayOptions;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly hostName: string;
  readonly farmMark?: string | undefined;
}

interface Users {
  sender(session: SessionView, sender: Sender): Promise<void>;
  take(sender: Sender, mailbox: Mailbox): Promise<void>;
  message(session: SessionView, envelope: Envelope<Places>): MessageSink;
}

/** A smarthost of this process. */
export function createRelayService(parts: RelayServiceParts): Service {
  const { hostName, tls, options, logger, clock, farmMark } = parts;
  const policy = new RelayPolicy(parts);
  return createSmtpService({
    mode: 'smtp',
    hostName,
    policy,
    tls,
    options,
    logger,
    clock,
    farmMark,
  });
}

class RelayPolicy implements SmtpPolicy<Places> {
  readonly #parts: RelayServiceParts;
  readonly #networks: ReturnType<typeof addressRanges>;
  readonly #domains: Domains;
  /** Of transactions of known users: the session as theirs. */
  readonly #views = new WeakMap<Sender, SessionView>();
  readonly dsn = true;
  readonly authenticate: SmtpPolicy<Places>['authenticate'];
  readonly etrn: SmtpPolicy<Places>['etrn'];

  constructor(parts: RelayServiceParts) {
    this.#parts = parts;
    this.#domains = new Domains(parts.directory, parts.clock);
    this.#networks = addressRanges(parts.options['relay.networks']);
    this.etrn = parts.etrn;
    this.authenticate = {
      mechanisms: ['PLAIN', 'LOGIN'],
      verify: (session, credentials) => this.#verify(session, credentials),
    };
  }

  connect(): undefined {}

  async sender(session: SessionView, sender: Sender): Promise<void> {
    const account = session.account ?? (await this.#reader(session, sender));
    if (account !== undefined) {
      const view = { ...plainView(session), account };
      this.#views.set(sender, view);
      const { users } = this.#parts;
      return users ? users.sender(view, sender) : this.#requireOwn(view, sender);
    }
    if (this.#isOurs(session) || this.#networks.has(session.peer.remoteAddress)) return;
    recipients.inc('not-permitted');
    throw new ReplyError('authFirst');
  }

  async recipient(
    given: SessionView,
    sender: Sender,
    mailbox: Mailbox,
    dsn: RecipientDsn,
  ): Promise<Places> {
    const session = this.#views.get(sender) ?? given;
    try {
      const places = await this.#placesOf(session, sender, mailbox, dsn);
      await this.#usersFor(session)?.take(sender, mailbox);
      await this.#parts.outbound.accept({ size: sender.size });
      recipients.inc('accepted');
      return places;
    } catch (error) {
      throw this.#refusal(error, session);
    }
  }

  message(given: SessionView, envelope: Envelope<Places>): MessageSink {
    const session = this.#views.get(envelope.sender) ?? given;
    const users = this.#usersFor(session);
    if (users) return users.message(session, envelope);
    const sign = session.account === undefined && this.#signsFor(session);
    return new RelayMessage(this.#parts, session, { envelope, sign });
  }

  #signsFor(session: SessionView): boolean {
    return this.#parts.options['relay.networks.sign'] === 'on' || this.#isOurs(session);
  }

  #isOurs({ peer }: SessionView): boolean {
    return this.#parts.farm.isNode(peer.remoteAddress);
  }

  /** Who read mail from there just now and writes as himself. @throws ReplyError */
  async #reader(session: SessionView, { address }: Sender): Promise<SessionAccount | undefined> {
    const { pop } = this.#parts;
    const { remoteAddress } = session.peer;
    const isKnown = this.#isOurs(session) || this.#networks.has(remoteAddress);
    if (isKnown || address === undefined) return undefined;
    try {
      return await pop?.userAt(remoteAddress, address.address);
    } catch (error) {
      throw this.#refusal(error, session);
    }
  }

  #usersFor({ account }: SessionView): Users | undefined {
    return account === undefined ? undefined : this.#parts.users;
  }

  async #verify(session: SessionView, credentials: Credentials): Promise<AuthAnswer> {
    if (credentials.kind !== 'password') return { kind: 'refused' };
    const { login, password } = credentials;
    const address = session.peer.remoteAddress;
    const service = 'submission';
    const verdict = await this.#parts.auth.verify({ login, password, address, service });
    if (verdict.kind !== 'accepted') return verdict;
    const { id, login: name } = verdict.account;
    return { kind: 'accepted', account: { id, login: name } };
  }

  /** A login sends as himself only, or as nobody (notices of programs). */
  async #requireOwn(session: SessionView, { address }: Sender): Promise<void> {
    if (address === undefined) return;
    try {
      const account = await this.#parts.directory.account(session.account?.login ?? '');
      const own = account !== undefined && account.id === session.account?.id;
      if (own && account.addresses.includes(address.address.toLowerCase())) return;
    } catch (error) {
      throw this.#refusal(error, session);
    }
    recipients.inc('not-permitted');
    throw new ReplyError('senderNotYours');
  }

  async #placesOf(
    { account }: SessionView,
    { address: from }: Sender,
    mailbox: Mailbox,
    dsn: RecipientDsn,
  ): Promise<Places> {
    const sender = from?.address ?? '';
    const by = { origin: 'relay', owner: account?.id ?? '', login: account?.login ?? '' } as const;
    const rcpt = { address: mailbox.address, sender, dsn };
    const isName = mailbox.domain !== undefined && !mailbox.literal;
    const domain = isName ? await this.#domains.of(mailbox.domain ?? '') : undefined;
    if (mailbox.domain !== undefined && domain === undefined) {
      const places = placeElsewhere(rcpt, by);
      if (places === undefined) throw new ReplyError('badRecipient');
      return places;
    }
    const route = domain?.transport ? undefined : ({ kind: 'farm' } as const);
    if (route) await this.#requireUser(mailbox, sender);
    const recipient = { address: mailbox.address, ...dsn };
    const leaving = { route: route ?? transportOf(domain), recipient, sender, ...by };
    return { address: mailbox.address, mailboxes: [], leaving: [leaving], success: undefined };
  }

  /** Now, to the client, not later by a notice. @throws ReplyError */
  async #requireUser({ address }: Mailbox, sender: string): Promise<void> {
    const { kind } = await this.#parts.directory.resolve(address, { sender });
    if (kind === 'account' || kind === 'expanded') return;
    recipients.inc('unknown-user');
    throw new ReplyError(kind === 'refused' ? 'membersOnly' : 'mailboxUnknown');
  }

  #refusal(error: unknown, { id }: SessionView): unknown {
    if (error instanceof ReplyError) return error;
    const { logger } = this.#parts;
    if (error instanceof DirectoryUnavailable) {
      recipients.inc('directory-down');
      logger.warn({ trace: id, err: error }, 'recipient not taken for now');
      return new ReplyError('directoryDown', { cause: error });
    }
    if (!(error instanceof StoreError)) return error;
    recipients.inc('spool-down');
    logger.warn({ trace: id, err: error }, 'recipient not taken for now');
    return new ReplyError(REPLIES_OF[error.kind], { cause: error });
  }
}

/** What can be told of a session with another account. */
const plainView = ({ id, peer, mode, helo, extended, tls }: SessionView) => ({
  id,
  peer,
  mode,
  helo,
  extended,
  tls,
});

/** To the customer's own servers. */
function transportOf(domain: DomainEntry | undefined): Leaving['route'] {
  const transport = domain?.transport;
  if (transport?.kind === 'host') return transport;
  return { kind: 'mx', domain: domain?.name ?? '' };
}

/** Of the spool: there is no mailbox here. */
const REPLIES_OF = {
  'volume-down': 'storageDown',
  'volume-full': 'storageFull',
  'volume-busy': 'storageBusy',
  'mailbox-missing': 'storageDown',
  'over-quota': 'storageFull',
  'message-gone': 'storageDown',
} as const satisfies Record<StoreErrorKind, ReplyName>;

class RelayMessage implements MessageSink {
  readonly #parts: RelayServiceParts;
  readonly #session: SessionView;
  readonly #envelope: Envelope<Places>;
  readonly #incoming: Incoming;

  constructor(
    parts: RelayServiceParts,
    session: SessionView,
    given: { readonly envelope: Envelope<Places>; readonly sign: boolean },
  ) {
    const { envelope, sign } = given;
    this.#parts = parts;
    this.#session = session;
    this.#envelope = envelope;
    const { sender, id } = envelope;
    const { hostName, clock } = parts;
    const { smtpUtf8, ret, envid } = sender;
    const facts = { session, id, hostName, smtpUtf8, at: clock.now() };
    const named = envelope.recipients.map(({ address }) => address);
    const received = Buffer.from(receivedHeader({ ...facts, recipients: named }));
    this.#incoming = parts.delivery.begin({
      id,
      ...together(envelope.recipients),
      envelope: { sender: sender.address?.address ?? '', smtpUtf8, ret, envid, sign },
      header: () => received,
      leavingHeader: () => received,
    });
  }

  async write(chunk: Uint8Array): Promise<void> {
    try {
      await this.#incoming.write(chunk);
    } catch (error) {
      throw this.#replyError(error);
    }
  }

  async end({ octets, messageId }: ReceivedContent): Promise<readonly ReplyName[]> {
    await this.#incoming.commit();
    const { left } = this.#incoming;
    const failed = left.find(({ error }) => error !== undefined)?.error;
    const fields = {
      trace: this.#envelope.id,
      peer: this.#session.peer.remoteAddress,
      login: this.#session.account?.login,
      from: this.#envelope.sender.address?.address ?? '',
      to: left.slice(0, 20).map(({ leaving }) => leaving.recipient.address),
      octets,
      messageId,
      spool: left.map(({ spool }) => spool)[0],
    };
    if (failed !== undefined) {
      messages.inc('deferred');
      this.#parts.logger.warn({ ...fields, err: failed }, 'letter not taken');
      return [REPLIES_OF[failed.kind]];
    }
    messages.inc('accepted');
    this.#parts.logger.info(fields, 'letter taken');
    return ['delivered'];
  }

  abort(): void {
    messages.inc('refused');
    void this.#incoming.abort();
  }

  #replyError(error: unknown): unknown {
    if (!(error instanceof StoreError)) return error;
    const fields = { trace: this.#envelope.id, err: error };
    this.#parts.logger.warn(fields, 'letter not taken');
    return new ReplyError(REPLIES_OF[error.kind], { cause: error });
  }
}
