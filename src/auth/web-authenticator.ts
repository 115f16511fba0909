/**
 * Who a request of a browser is of. No node keeps a session: what there is of one is sealed in its
 * cookie (web-cookie.ts), so the next request may go to any node, and a node that dies ends none.
 *
 * What must hold, and why it does:
 *
 * - A changed password ends all sessions, whoever changed it by whatever tool: the cookie carries
 *   the password, and each worker binds with it again after `auth.web.recheck`, at the first
 *   request after that. Nothing is told to anybody, so nothing can be missed. What is believed in
 *   between is in the memory of one worker, for that time, and never a refusal of our own trouble.
 * - A sign-in that is ended in the list is ended everywhere by the same look: its fact in the
 *   mailbox is gone. A cookie whose sign-in could not be written there (`booked` is no) is not
 *   ended by that, and is written down when the cookie is renewed. While the volume does not
 *   answer sessions go on: their user sees that the mail is away, which says more than a sign-in
 *   page would.
 * - A code of the second factor works once: `SignInBook.firstUse`. Where the volume does not answer
 *   nobody can tell, and nobody gets in by a code: `unavailable`. A recovery code is taken out of
 *   the entry by the directory itself, which lets one of all who try succeed.
 * - Who turns a second factor on ends the sessions of before: they were opened without it.
 *
 * Races:
 *
 * - Password changed here, and a replica that has not heard of it is asked with the new one: it
 *   refuses, and the session would end that made the change. Within FRESH_PASSWORD_MS a refusal is
 *   our own trouble.
 * - Two requests renew the cookie at once: both cookies are good, the browser keeps one of them.
 * - A request is under way while its user signs out: its answer may bring a fresh cookie after the
 *   one that took it away. The sign-in has ended all the same: here at once, elsewhere at the look.
 * - A look is under way while its user signs out, and saw the fact before it was taken away: what
 *   was remembered meanwhile, that the session has ended, is not overwritten by it.
 * - Keys are rotated: what the previous one sealed is opened and sealed again. After two rotations
 *   within `auth.web.idle` who was away in between signs in again.
 */
import { createHmac } from 'node:crypto';
import { withDeadline } from '../base/deadline.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { OptionValues } from '../config/options.ts';
import { DirectoryUnavailable, type Account, type Directory } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { webRechecks, webSignIns } from './metrics.ts';
import type { AUTH_OPTIONS } from './options.ts';
import { mayBeForeign } from './same-origin.ts';
import { SecondFactors, type FarmCounts, type UseRecoveryCode } from './second-factors.ts';
import type { SignInBook } from './sign-in-book.ts';
import type { Authenticator } from './types.ts';
import { cookieIn, seal, sealedBy, setCookie, unseal } from './web-cookie.ts';
import type { SealedSession } from './web-cookie.ts';
import { WebKeys } from './web-keys.ts';
import type {
  Proof,
  SignIn,
  SignedOut,
  SignInVerdict,
  WebAuthenticator,
  WebRequest,
  WebUser,
  WebVerdict,
} from './web-types.ts';

export interface WebAuthenticatorParts {
  readonly directory: Directory;
  readonly auth: Authenticator;
  readonly book: SignInBook;
  /** Codes that were refused, over the farm. */
  readonly counts: FarmCounts;
  /** Takes a recovery code out of its user's entry, as that user. */
  readonly useRecoveryCode: UseRecoveryCode;
  readonly options: OptionValues<typeof AUTH_OPTIONS>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What was last seen of a session; of a cookie with another password or proof it is another. */
interface Seen {
  readonly at: number;
  readonly result: Checked;
}

type Checked =
  | { readonly kind: 'known'; readonly account: Account }
  | { readonly kind: 'suspended' }
  | { readonly kind: 'ended' };

const SESSIONS_REMEMBERED = 50_000;
/** A cookie is renewed at most so often, and at least so often that it outlives `idle` in use. */
const RENEW_MS_MAX = 600_000;
const RENEWALS_IN_IDLE = 8;
/** How long a replica may lag behind a password that was changed through us. */
const FRESH_PASSWORD_MS = 20_000;
/** A volume that takes longer ends no session. */
const BOOK_MS_MAX = 2_000;
const AGENT_LENGTH_MAX = 300;
const ID_BYTES = 16;

/** See the essay above. */
export function createWebAuthenticator(parts: WebAuthenticatorParts): WebAuthenticator {
  return new CookieAuthenticator(parts);
}

class CookieAuthenticator implements WebAuthenticator {
  readonly #parts: WebAuthenticatorParts;
  readonly #keys: WebKeys;
  readonly #factors: SecondFactors;
  readonly #macKey: Uint8Array;
  /** By session and password, the least recently seen first. */
  readonly #seen = new Map<string, Seen>();
  readonly #looking = new Map<string, Promise<Checked>>();

  constructor(parts: WebAuthenticatorParts) {
    this.#parts = parts;
    this.#keys = new WebKeys(parts);
    this.#factors = new SecondFactors(parts);
    this.#macKey = parts.random.bytes(32);
  }

  async authenticate(request: WebRequest): Promise<WebVerdict> {
    if (request.authorization !== undefined) return await this.#basic(request);
    const text = cookieIn(request.cookie, request.secure);
    if (text === undefined || text === '') return { kind: 'unknown' };
    if (mayBeForeign(request, 'cookie')) return { kind: 'foreign' };
    try {
      return await this.#ofCookie(text, request.secure);
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      webRechecks.inc('unavailable');
      return { kind: 'unavailable' };
    }
  }

  async signIn(attempt: SignIn): Promise<SignInVerdict> {
    const verdict = await this.#signIn(attempt);
    webSignIns.inc(verdict.kind);
    return verdict;
  }

  async signOut(request: WebRequest): Promise<SignedOut> {
    const gone = { setCookie: setCookie(request.secure), isEnded: true };
    try {
      const opened = await this.#open(cookieIn(request.cookie, request.secure) ?? '');
      if (opened === undefined) return gone;
      const { session } = opened;
      this.#remember(this.#keyOf(session), { kind: 'ended' });
      const account = await this.#accountOf(session);
      if (account) await this.#parts.book.end(account, session.id);
    } catch (error) {
      this.#parts.logger.info({ err: error }, 'a sign-out could not be written down');
      return { ...gone, isEnded: false };
    }
    return gone;
  }

  async passwordChanged(user: WebUser, password: string, secure: boolean): Promise<string> {
    return await this.#resumed(user, { password }, secure);
  }

  async prove(user: WebUser, code: string, address: string): Promise<Proof> {
    const password = user.password ?? '';
    return await this.#factors.prove(user.account, { password, code, address });
  }

  async secondFactorTurnedOn(user: WebUser, secure: boolean): Promise<string> {
    return await this.#resumed(user, { proven: true }, secure);
  }

  async #resumed(
    user: WebUser,
    change: { readonly password?: string; readonly proven?: true },
    secure: boolean,
  ): Promise<string> {
    const now = this.#parts.clock.now();
    const session: SealedSession = {
      id: user.session ?? '',
      accountId: user.account.id,
      login: user.login,
      password: change.password ?? user.password ?? '',
      proven: change.proven ?? user.account.hasSecondFactor === true,
      begunAt: user.begunAt ?? now,
      sealedAt: now,
      passwordAt: now,
      booked: true,
    };
    this.#remember(this.#keyOf(session), { kind: 'known', account: user.account });
    return (await this.#cookie(session, secure)) ?? setCookie(secure);
  }

  /** RFC 7617, for programs: an app password, or the password where there is no second factor. */
  async #basic(request: WebRequest): Promise<WebVerdict> {
    if (mayBeForeign(request, 'basic')) return { kind: 'foreign' };
    const given = basicIn(request.authorization ?? '');
    if (given === undefined) return { kind: 'unknown' };
    const { address } = request;
    const verdict = await this.#parts.auth.verify({ ...given, address, service: 'webmail' });
    if (verdict.kind === 'refused') return { kind: 'unknown' };
    if (verdict.kind !== 'accepted') return verdict;
    const { account, appPassword } = verdict;
    const password = appPassword === undefined ? given.password : undefined;
    const user = { account, login: account.login, session: undefined, password };
    return { kind: 'known', user };
  }

  async #signIn(attempt: SignIn): Promise<SignInVerdict> {
    const { login, password, address, agent, secure } = attempt;
    const verdict = await this.#parts.auth.verify({
      login,
      password,
      address,
      service: 'webmail',
      secondFactor: 'follows',
    });
    if (verdict.kind !== 'accepted') return verdict;
    const { account } = verdict;
    try {
      const proven = await this.#factors.prove(account, attempt);
      if (proven.kind !== 'proven' && proven.kind !== 'none') return proven;
      const { clock, random } = this.#parts;
      const now = clock.now();
      const id = Buffer.from(random.bytes(ID_BYTES)).toString('base64url');
      const record = { id, at: now, address, agent: agent.slice(0, AGENT_LENGTH_MAX) };
      const booked = await this.#booked(this.#parts.book.begin(account, record));
      const session: SealedSession = {
        id,
        accountId: account.id,
        login: account.login,
        password,
        booked,
        proven: proven.kind === 'proven',
        begunAt: now,
        sealedAt: now,
        passwordAt: 0,
      };
      const cookie = await this.#cookie(session, secure);
      if (cookie === undefined) return { kind: 'unavailable' };
      this.#remember(this.#keyOf(session), { kind: 'known', account });
      return { kind: 'signed-in', user: userOf(session, account), setCookie: cookie };
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      this.#parts.logger.warn({ err: error }, 'nobody can sign in: the directory is away');
      return { kind: 'unavailable' };
    }
  }

  /** Whether the book could be written; no answer in time is no. */
  async #booked(writing: Promise<void>): Promise<boolean> {
    try {
      await withDeadline(writing, { ms: BOOK_MS_MAX, what: 'the list of sign-ins' });
      return true;
    } catch (error) {
      this.#parts.logger.info({ err: error }, 'a sign-in could not be written down yet');
      return false;
    }
  }

  /** @throws DirectoryUnavailable */
  async #ofCookie(text: string, secure: boolean): Promise<WebVerdict> {
    const opened = await this.#open(text);
    const ended = { kind: 'unknown', setCookie: setCookie(secure) } as const;
    if (opened === undefined) return ended;
    const { session } = opened;
    const { clock, options } = this.#parts;
    const idle = clock.now() - session.sealedAt > options['auth.web.idle'];
    const old = clock.now() - session.begunAt > options['auth.web.absolute'];
    if (idle || old) return ended;
    const checked = await this.#checked(session);
    if (checked.kind === 'suspended') return { kind: 'suspended' };
    if (checked.kind === 'ended') return ended;
    const { account } = checked;
    const user = userOf(session, account);
    const renewed = await this.#renewed(session, { account, current: opened.current, secure });
    return { kind: 'known', user, ...(renewed !== undefined && { setCookie: renewed }) };
  }

  /** A cookie that lasts as long again, where the one that came is not young. */
  async #renewed(
    session: SealedSession,
    of: { readonly account: Account; readonly current: boolean; readonly secure: boolean },
  ): Promise<string | undefined> {
    const { clock, options, book } = this.#parts;
    const now = clock.now();
    const every = Math.min(RENEW_MS_MAX, options['auth.web.idle'] / RENEWALS_IN_IDLE);
    if (of.current && now - session.sealedAt < every) return undefined;
    const { id, begunAt: at } = session;
    const record = { id, at, address: '', agent: '' };
    const booked = session.booked || (await this.#booked(book.begin(of.account, record)));
    return await this.#cookie({ ...session, sealedAt: now, booked }, of.secure);
  }

  async #checked(session: SealedSession): Promise<Checked> {
    const key = this.#keyOf(session);
    const seen = this.#seen.get(key);
    const { clock, options } = this.#parts;
    if (seen?.result.kind === 'ended') return seen.result;
    if (seen && clock.now() - seen.at < options['auth.web.recheck']) return seen.result;
    const running = this.#looking.get(key);
    if (running) return await running;
    const looking = this.#lookFirst(key, session).finally(() => this.#looking.delete(key));
    this.#looking.set(key, looking);
    return await looking;
  }

  /** What has ended while it was looked at has ended, whatever was still seen. */
  async #lookFirst(key: string, session: SealedSession): Promise<Checked> {
    const result = await this.#look(session);
    const meanwhile = this.#seen.get(key)?.result;
    if (meanwhile?.kind === 'ended') return meanwhile;
    this.#remember(key, result);
    return result;
  }

  /** @throws DirectoryUnavailable */
  async #look(session: SealedSession): Promise<Checked> {
    const { directory, clock } = this.#parts;
    const account = await this.#accountOf(session);
    if (account === undefined) return this.#ended('gone');
    const answer = await directory.verifyPassword(account, session.password);
    if (answer === 'refused') {
      const fresh = clock.now() - session.passwordAt < FRESH_PASSWORD_MS;
      if (fresh) throw new DirectoryUnavailable('A server has not heard of the new password yet');
      return this.#ended('password');
    }
    if (account.hasSecondFactor === true && !session.proven) return this.#ended('second-factor');
    if (session.booked && (await this.#isEnded(account, session.id))) return this.#ended('ended');
    if (account.suspended.includes('webmail')) {
      webRechecks.inc('suspended');
      return { kind: 'suspended' };
    }
    webRechecks.inc('known');
    return { kind: 'known', account };
  }

  #ended(why: 'gone' | 'password' | 'second-factor' | 'ended'): Checked {
    webRechecks.inc(why);
    return { kind: 'ended' };
  }

  async #isEnded(account: Account, id: string): Promise<boolean> {
    try {
      const looking = this.#parts.book.state(account, id);
      const what = 'the list of sign-ins';
      return (await withDeadline(looking, { ms: BOOK_MS_MAX, what })) === 'ended';
    } catch (error) {
      this.#parts.logger.debug({ err: error }, 'whether a session was ended is not known');
      return false;
    }
  }

  /** The same user, also under another login. @throws DirectoryUnavailable */
  async #accountOf({ login, accountId }: SealedSession): Promise<Account | undefined> {
    const { directory } = this.#parts;
    const named = await directory.account(login);
    return named?.id === accountId ? named : await directory.accountById(accountId);
  }

  async #open(text: string) {
    const id = await sealedBy(text);
    if (id === undefined) return undefined;
    const keys = await this.#keys.with(id);
    const opened = await unseal(text, keys);
    return opened && { session: opened.session, current: opened.key === keys[0] };
  }

  async #cookie(session: SealedSession, secure: boolean): Promise<string | undefined> {
    const [key] = await this.#keys.all();
    const { logger, options } = this.#parts;
    if (key === undefined) {
      logger.error({}, 'MF-AUTH-003 no key to seal sessions with');
      return undefined;
    }
    const value = await seal(session, key);
    const left = session.begunAt + options['auth.web.absolute'] - session.sealedAt;
    const forMs = Math.min(left, options['auth.web.idle']);
    return value === undefined ? undefined : setCookie(secure, { value, forMs });
  }

  /**
   * What memory calls a session: of its password a keyed hash. A cookie from before the second
   * factor was turned on has ended; the one that its session got then must not end with it, when a
   * stream of events that began before is asked about.
   */
  #keyOf({ id, accountId, password, proven }: SealedSession): string {
    const mac = createHmac('sha256', this.#macKey).update(`${accountId}\0${password}`);
    return `${id} ${proven ? 'proven' : 'password'} ${mac.digest('base64url')}`;
  }

  #remember(key: string, result: Checked): void {
    this.#seen.delete(key);
    this.#seen.set(key, { at: this.#parts.clock.now(), result });
    if (this.#seen.size <= SESSIONS_REMEMBERED) return;
    const [oldest] = this.#seen.keys();
    if (oldest !== undefined) this.#seen.delete(oldest);
  }
}

const userOf = ({ id, password, begunAt }: SealedSession, account: Account): WebUser => ({
  account,
  login: account.login,
  session: id,
  begunAt,
  password,
});

/** Login and password of `Basic` in UTF-8 (RFC 7617 §2); undefined: another scheme, or neither. */
function basicIn(header: string): { login: string; password: string } | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header.trim()) ?? [];
  const text = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
  const at = text.indexOf(':');
  return at < 1 ? undefined : { login: text.slice(0, at), password: text.slice(at + 1) };
}
