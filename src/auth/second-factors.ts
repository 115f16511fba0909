/**
 * Codes of the second factor, and recovery codes instead of them.
 *
 * How often somebody may guess is counted twice. Each worker has a throttle of its own, that
 * answers at once and tells networks apart. Above it refusals are counted over the farm, by marks
 * that nodes tell each other: the limit is one, however many nodes and workers a balancer hands
 * guesses to.
 *
 * Invariant: a guess that was refused is told before its answer goes out, so whoever waits for an
 * answer meets a node that knows of it.
 *
 * Races: guesses at many workers at once look before any of them is told. A worker checks one code
 * of a user at a time, so what gets through beyond the limit is one guess for each worker.
 *
 * Who was let in from a network within the day is not shut out there by what others guess: else
 * whoever knows the password could keep its user away. There only the worker's throttle counts.
 *
 * While no spool volume answers nothing is known of other nodes, and the worker's throttle alone
 * counts: the same as for passwords, and better than to let nobody in.
 */
import type { Clock } from '../base/clock.ts';
import { defaults, type OptionValues } from '../config/options.ts';
import { DirectoryUnavailable } from '../directory/types.ts';
import type { Account, Directory, SecondFactor } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { StoreError } from '../volumes/error.ts';
import { AUTH_OPTIONS } from './options.ts';
import type { SignInBook } from './sign-in-book.ts';
import { networkOf, Throttle } from './throttle.ts';
import { plainCode, secretHash, totpStep } from './totp.ts';
import type { Proof, SignIn } from './web-types.ts';

/**
 * Takes the hash of a recovery code out of the entry, bound as its user: false where it is not
 * there any more. @throws DirectoryUnavailable
 */
export type UseRecoveryCode = (
  account: Account,
  password: string,
  hash: string,
) => Promise<boolean>;

/**
 * What nodes tell each other: `Marks` of the spool. Both throw StoreError when none can be told.
 */
export interface FarmCounts {
  add(mark: { readonly kind: string; readonly key: string }): Promise<void>;
  /** Over all nodes, within the last so many ms. */
  sum(mark: { readonly kind: string; readonly key: string }, withinMs: number): Promise<number>;
}

export interface SecondFactorParts {
  readonly directory: Pick<Directory, 'secondFactor'>;
  readonly book: Pick<SignInBook, 'firstUse'>;
  readonly counts: FarmCounts;
  readonly useRecoveryCode: UseRecoveryCode;
  readonly options: OptionValues<typeof AUTH_OPTIONS>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Of a million codes three are right at any moment, and whoever guesses here knows the password:
 * few guesses are free, and a day brings a couple of dozen more, from wherever they come.
 */
const CODE_THROTTLE = {
  'auth.throttle.pair.free': 5,
  'auth.throttle.address.free': 15,
  'auth.throttle.account.free': 15,
  'auth.throttle.delay.max': 3_600_000,
  'auth.throttle.decay': 86_400_000,
} as const;
const HOUR_MS = 3_600_000;
/** Refused codes of an account over the farm: so many, and the next one waits. */
const FARM_LIMITS = [
  { max: 15, withinMs: HOUR_MS },
  { max: 40, withinMs: 24 * HOUR_MS },
] as const;
const WARNED_MAX = 10_000;
const REFUSED = 'codes-refused';
const RIGHT = 'codes-right';
const CODE_LENGTH_MAX = 40;

/** See the essay above. */
export class SecondFactors {
  readonly #parts: SecondFactorParts;
  readonly #throttle: Throttle;
  readonly #turns = new Map<string, Promise<unknown>>();
  /** When the log last said of an account that its codes are guessed. */
  readonly #warned = new Map<string, number>();

  constructor(parts: SecondFactorParts) {
    this.#parts = parts;
    const exempt = parts.options['auth.throttle.exempt'];
    const options = {
      ...defaults(AUTH_OPTIONS),
      ...CODE_THROTTLE,
      'auth.throttle.exempt': exempt,
    };
    this.#throttle = new Throttle({ options, clock: parts.clock });
  }

  /** After the password was right. @throws DirectoryUnavailable */
  async prove(
    account: Account,
    { password, code, address }: Pick<SignIn, 'password' | 'code' | 'address'>,
  ): Promise<Proof> {
    // What is cached of the account may be of before: only the entry says that there is none.
    const factor = await this.#parts.directory.secondFactor(account);
    if (factor === undefined) {
      if (account.hasSecondFactor !== true) return { kind: 'none' };
      throw new DirectoryUnavailable('The second factor was just turned off: try again');
    }
    if (code === undefined || code.trim() === '') return { kind: 'code-needed' };
    const plain = plainCode(code.slice(0, CODE_LENGTH_MAX));
    return await this.#inTurn(account.id, async () => {
      const here = this.#throttle.waitMs(account.id, address);
      const retryAfterMs = here > 0 ? here : await this.#farmWaitMs(account, address);
      if (retryAfterMs > 0) return { kind: 'throttled', retryAfterMs };
      return await this.#proveBy(account, { password, address, plain, factor });
    });
  }

  async #proveBy(
    account: Account,
    given: {
      readonly password: string;
      readonly address: string;
      readonly plain: string;
      readonly factor: SecondFactor;
    },
  ): Promise<Proof> {
    const { password, address, plain, factor } = given;
    const hash = secretHash(plain);
    const step = totpStep(factor.totp, plain, this.#parts.clock.now());
    const known = factor.recoveryCodes.includes(hash);
    const right =
      step === undefined
        ? known && (await this.#parts.useRecoveryCode(account, password, hash))
        : await this.#firstUse(account, step);
    if (right === undefined) return { kind: 'unavailable' };
    if (right) {
      this.#throttle.succeeded(account.id, address);
      await this.#told({ kind: RIGHT, key: placeOf(account, address) });
      return { kind: 'proven' };
    }
    await this.#refused(account, address, plain);
    return { kind: 'code-refused' };
  }

  /** One after the other for a user: a burst of guesses is not checked before the first counts. */
  async #inTurn(id: string, work: () => Promise<Proof>): Promise<Proof> {
    const before = this.#turns.get(id) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#turns.set(id, mine);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(id) === mine) this.#turns.delete(id);
    }
  }

  /** Undefined: the volume does not tell, and a code that may have been used opens nothing. */
  async #firstUse(account: Account, step: number): Promise<boolean | undefined> {
    try {
      return await this.#parts.book.firstUse(account, step);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#parts.logger.info({ err: error }, 'whether a code was used is not known');
      return undefined;
    }
  }

  /** 0: may be tried. What is told is at most an hour: the window moves on meanwhile. */
  async #farmWaitMs(account: Account, address: string): Promise<number> {
    const { counts } = this.#parts;
    try {
      const refused = FARM_LIMITS.map(async ({ max, withinMs }) => {
        return (await counts.sum({ kind: REFUSED, key: account.id }, withinMs)) >= max;
      });
      if (!(await Promise.all(refused)).includes(true)) return 0;
      const place = { kind: RIGHT, key: placeOf(account, address) };
      this.#warnOf(account.id, address);
      return (await counts.sum(place, 24 * HOUR_MS)) > 0 ? 0 : HOUR_MS;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#parts.logger.info({ err: error }, 'codes that other nodes refused are not known');
      return 0;
    }
  }

  async #told(mark: { readonly kind: string; readonly key: string }): Promise<void> {
    try {
      await this.#parts.counts.add(mark);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#parts.logger.info({ err: error }, 'other nodes could not be told of a code');
    }
  }

  async #refused(account: Account, address: string, code: string): Promise<void> {
    const { id } = account;
    await this.#told({ kind: REFUSED, key: id });
    const guessing = this.#throttle.failed(id, address, code);
    if (guessing === 'none') return;
    this.#warnOf(id, address);
  }

  /** Once an hour for an account: who guesses does not fill the log. */
  #warnOf(id: string, address: string): void {
    const now = this.#parts.clock.now();
    if (now - (this.#warned.get(id) ?? -Infinity) < HOUR_MS) return;
    if (this.#warned.size >= WARNED_MAX) this.#warned.clear();
    this.#warned.set(id, now);
    this.#parts.logger.warn({ account: id, address }, 'MF-AUTH-004 codes are guessed');
  }
}

const placeOf = ({ id }: Account, address: string): string => `${id} ${networkOf(address)}`;
