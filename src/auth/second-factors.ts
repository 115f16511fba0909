import type { Clock } from '../base/clock.ts';
import { defaults, type OptionValues } from '../config/options.ts';
import { DirectoryUnavailable } from '../directory/types.ts';
import type { Account, Directory, SecondFactor } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { StoreError } from '../volumes/error.ts';
import { AUTH_OPTIONS } from './options.ts';
import type { SignInBook } from './sign-in-book.ts';
import { Throttle } from './throttle.ts';
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

export interface SecondFactorParts {
  readonly directory: Pick<Directory, 'secondFactor'>;
  readonly book: Pick<SignInBook, 'firstUse'>;
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
const CODE_LENGTH_MAX = 40;

/** Codes of the second factor, and recovery codes instead of them. */
export class SecondFactors {
  readonly #parts: SecondFactorParts;
  readonly #throttle: Throttle;
  readonly #turns = new Map<string, Promise<unknown>>();

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
      const retryAfterMs = this.#throttle.waitMs(account.id, address);
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
      return { kind: 'proven' };
    }
    this.#refused(account, address, plain);
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

  #refused({ id }: Account, address: string, code: string): void {
    const guessing = this.#throttle.failed(id, address, code);
    if (guessing === 'none') return;
    this.#parts.logger.warn({ account: id, address }, 'MF-AUTH-004 codes are guessed');
  }
}
