import { systemClock, type Clock } from '../base/clock.ts';
import { defaults } from '../config/options.ts';
import { addressKey, keyText } from '../directory/address.ts';
import { DirectoryUnavailable } from '../directory/types.ts';
import type { Account, AppPassword, Directory } from '../directory/types.ts';
import { silentLogger, type Logger } from '../log/types.ts';
import { appPasswordOf } from './app-password.ts';
import { attempts } from './metrics.ts';
import { AUTH_OPTIONS } from './options.ts';
import { Throttle, type Advice, type ThrottleOptions } from './throttle.ts';
import type { Attempt, Authenticator, Verdict } from './types.ts';

export interface AuthenticatorOptions {
  readonly directory: Directory;
  /** Shared by the authenticators of a process; made from the options when left out. */
  readonly throttle?: Throttle;
  readonly options?: Partial<ThrottleOptions>;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** An authenticator whose throttle can be told of what other processes saw, and tells them. */
export interface Authentication extends Authenticator {
  /** @returns how to stop listening */
  onAdvice(listener: (advice: Advice) => void): () => void;
  /** Takes advice of another process. */
  note(advice: Advice): void;
}

/** Longer logins are nobody's. */
const LOGIN_LENGTH_MAX = 512;
/** Attempts at once for one account from one address that has not known the password. */
const UNPROVEN_AT_ONCE = 4;
/** Refusals whose time is remembered, to make those of unknown users alike. */
const REFUSALS_REMEMBERED = 32;

/**
 * What an unknown login is verified against. No entry has this name, so the directory refuses,
 * and an embedded one spends as much work on it as on a real one.
 */
const NOBODY: Account = {
  id: 'nobody',
  dn: 'cn=nobody',
  login: '',
  uid: 0,
  addresses: [],
  suspended: [],
  quotaBytes: 0,
  volume: undefined,
  path: undefined,
  forwards: [],
  keepsForwarded: false,
  site: undefined,
  vacation: undefined,
};

/** Verifies logins against the directory: throttled, without telling who exists. */
export function createAuthenticator(options: AuthenticatorOptions): Authentication {
  return new DirectoryAuthenticator(options);
}

class DirectoryAuthenticator implements Authentication {
  readonly #directory: Directory;
  readonly #options: ThrottleOptions;
  readonly #throttle: Throttle;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #turns = new Map<string, { running: number; waiting: (() => void)[] }>();
  /** Durations of the last refusals of known users, in milliseconds. */
  readonly #refusals: number[] = [];

  constructor(init: AuthenticatorOptions) {
    this.#directory = init.directory;
    this.#options = { ...defaults(AUTH_OPTIONS), ...init.options };
    this.#clock = init.clock ?? systemClock;
    this.#throttle = init.throttle ?? new Throttle({ options: this.#options, clock: this.#clock });
    this.#logger = init.logger ?? silentLogger;
  }

  async verify(attempt: Attempt): Promise<Verdict> {
    const verdict = await this.#verify(attempt);
    attempts.inc(verdict.kind);
    return verdict;
  }

  async #verify(attempt: Attempt): Promise<Verdict> {
    const login = this.#fullLogin(attempt.login);
    const counted = countedAs(login);
    const { address } = attempt;
    const wait = this.#throttle.waitMs(counted, address);
    if (wait > 0) return { kind: 'throttled', retryAfterMs: wait };
    if (this.#throttle.knows(counted, address)) return await this.#check(login, attempt);
    // A burst of guesses in parallel must not be checked before its first failure is counted.
    return await this.#inTurn(`${address} ${counted}`, async () => {
      const waitNow = this.#throttle.waitMs(counted, address);
      if (waitNow > 0) return { kind: 'throttled', retryAfterMs: waitNow };
      return await this.#check(login, attempt);
    });
  }

  onAdvice(listener: (advice: Advice) => void): () => void {
    return this.#throttle.onAdvice(listener);
  }

  note(advice: Advice): void {
    this.#throttle.note(advice);
  }

  #fullLogin(login: string): string {
    const text = login
      .slice(0, LOGIN_LENGTH_MAX + 1)
      .normalize('NFC')
      .toLowerCase();
    const domain = this.#options['auth.domain.default'];
    return text.includes('@') || domain === '' ? text : `${text}@${domain}`;
  }

  async #check(login: string, attempt: Attempt): Promise<Verdict> {
    const started = this.#clock.now();
    try {
      const known =
        login.length <= LOGIN_LENGTH_MAX ? await this.#directory.account(login) : undefined;
      const account = known ?? NOBODY;
      const program = known && attempt.secondFactor === undefined && programOf(known, attempt);
      if (known && program) {
        const verdict = this.#accepted(login, attempt, known);
        return verdict.kind === 'accepted' ? { ...verdict, appPassword: program.id } : verdict;
      }
      const answer = await this.#directory.verifyPassword(account, attempt.password);
      if (known && answer === 'accepted' && opens(known, attempt)) {
        return this.#accepted(login, attempt, known);
      }
      if (known && answer === 'accepted') {
        const { address, service } = attempt;
        this.#logger.info({ address, service, account: known.id }, WANTS_APP_PASSWORD);
      }
      await this.#alike(started, known !== undefined);
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      this.#logger.warn({ err: error, service: attempt.service }, 'cannot verify a login');
      return { kind: 'unavailable' };
    }
    this.#refused(login, attempt);
    return { kind: 'refused' };
  }

  #accepted(login: string, attempt: Attempt, account: Account): Verdict {
    this.#throttle.succeeded(countedAs(login), attempt.address);
    return account.suspended.includes(attempt.service)
      ? { kind: 'suspended' }
      : { kind: 'accepted', account };
  }

  #refused(login: string, attempt: Attempt): void {
    const { address, service, password } = attempt;
    const guessing = this.#throttle.failed(countedAs(login), address, password);
    if (guessing === 'address') {
      this.#logger.warn({ address, service }, 'MF-AUTH-001 an address guesses passwords');
    } else if (guessing === 'account') {
      // What was given as a login may be a password typed in the wrong place: it is not logged.
      this.#logger.warn({ service }, 'MF-AUTH-002 an account is guessed from many addresses');
    }
  }

  /**
   * The refusal of an unknown user takes as long as one of a known user lately did: a directory
   * that answers at once for names it does not have would tell who exists.
   */
  async #alike(started: number, known: boolean): Promise<void> {
    const took = this.#clock.now() - started;
    if (known) {
      this.#refusals.push(took);
      if (this.#refusals.length > REFUSALS_REMEMBERED) this.#refusals.shift();
      return;
    }
    const usual = this.#refusals[((took * 1_000) % this.#refusals.length) | 0] ?? 0;
    if (usual > took) await this.#clock.sleep(usual - took);
  }

  /** Runs `work` when fewer than UNPROVEN_AT_ONCE of the same kind run. */
  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = this.#turns.get(key) ?? { running: 0, waiting: [] };
    this.#turns.set(key, turn);
    if (turn.running >= UNPROVEN_AT_ONCE) {
      await new Promise<void>((resolve) => turn.waiting.push(resolve));
    }
    turn.running += 1;
    try {
      return await work();
    } finally {
      turn.running -= 1;
      const next = turn.waiting.shift();
      if (next) next();
      else if (turn.running === 0) this.#turns.delete(key);
    }
  }
}

const WANTS_APP_PASSWORD =
  'refused: the password is right, but with a second factor programs need an app password';

/** The app password that was given, where it is good for this service. */
function programOf(account: Account, { password, service }: Attempt): AppPassword | undefined {
  const program = appPasswordOf(account, password);
  return program?.services.includes(service) === true ? program : undefined;
}

/** Whether the password alone does. */
const opens = (account: Account, { secondFactor }: Attempt): boolean =>
  account.hasSecondFactor !== true || secondFactor === 'follows';

/**
 * What the throttle calls a login: as the directory compares it. `"b\ob"@example.test.` and
 * `bob@exam\u00adple.test` are bob too, and there is no end of such spellings.
 */
function countedAs(login: string): string {
  const key = addressKey(login);
  return key ? keyText(key) : login;
}
