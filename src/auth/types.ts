import type { Account, AccountService } from '../directory/types.ts';

/** One attempt to log in. `password` never reaches a log, a metric or an error. */
export interface Attempt {
  /** As the client sent it, with or without a domain. */
  readonly login: string;
  readonly password: string;
  /** The client's address, IPv4 in its plain form. */
  readonly address: string;
  readonly service: AccountService;
  /**
   * `follows`: the caller asks for the second factor itself, so that the password alone is accepted
   * where there is one, and app passwords are not. Else a second factor leaves app passwords only.
   */
  readonly secondFactor?: 'follows';
}

/**
 * Every answer there is. An unknown user and a wrong password are both `refused`, after the same
 * time. `suspended` is said only to whom knows the password. `throttled` was not checked at all.
 */
export type Verdict =
  | {
      readonly kind: 'accepted';
      readonly account: Account;
      /** Id of the app password that was given; undefined: it was the password. */
      readonly appPassword?: string;
    }
  | { readonly kind: 'refused' }
  | { readonly kind: 'suspended' }
  | { readonly kind: 'throttled'; readonly retryAfterMs: number }
  | { readonly kind: 'unavailable' };

/** Verifies who somebody is, for every protocol. Nothing a client or the directory does throws. */
export interface Authenticator {
  verify(attempt: Attempt): Promise<Verdict>;
}
