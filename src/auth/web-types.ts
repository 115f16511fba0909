import type { Account } from '../directory/types.ts';

/** Who a web request is of. */
export interface WebUser {
  readonly account: Account;
  /** As the user signed in, in lower case and with a domain. */
  readonly login: string;
  /** The sign-in that the cookie is of; undefined for Basic, which has none. */
  readonly session: string | undefined;
  /** When somebody signed in, in ms since 1970; undefined for Basic. */
  readonly begunAt?: number;
  /**
   * For LDAP as the user; never logged. Undefined with an app password, which changes nothing in
   * the directory.
   */
  readonly password: string | undefined;
}

/** What of a request says who it is of, and whether a page of another site made it. */
export interface WebRequest {
  readonly method: string;
  readonly cookie?: string | undefined;
  readonly authorization?: string | undefined;
  /** The headers of these names, for unsafe methods. */
  readonly origin?: string | undefined;
  readonly secFetchSite?: string | undefined;
  readonly host?: string | undefined;
  readonly contentType?: string | undefined;
  /** The client's, IPv4 in its plain form. */
  readonly address: string;
  /** Whether it came over TLS: cookies are then `__Host-` ones. */
  readonly secure: boolean;
}

/**
 * Who it is, or why nobody can say. `unknown`: no or wrong credentials, or a session that has ended
 * (`setCookie` then takes a dead cookie away). `foreign`: an unsafe request that a page of another
 * site may have made. `unavailable` is never the end of a session.
 */
export type WebVerdict =
  | { readonly kind: 'known'; readonly user: WebUser; readonly setCookie?: string }
  | { readonly kind: 'unknown'; readonly setCookie?: string }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'suspended' }
  | { readonly kind: 'throttled'; readonly retryAfterMs: number }
  | { readonly kind: 'unavailable' };

export interface SignIn {
  readonly login: string;
  readonly password: string;
  /** Six digits of the second factor, or a recovery code; left out at the first try. */
  readonly code?: string | undefined;
  readonly address: string;
  /** The browser, as it says. */
  readonly agent: string;
  readonly secure: boolean;
}

/**
 * `code-needed`: the password is right and this user has a second factor; the same sign-in is sent
 * again with a code. `code-refused`: wrong, too old, or used before.
 */
export type SignInVerdict =
  | { readonly kind: 'signed-in'; readonly user: WebUser; readonly setCookie: string }
  | { readonly kind: 'code-needed' }
  | { readonly kind: 'code-refused' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'suspended' }
  | { readonly kind: 'throttled'; readonly retryAfterMs: number }
  | { readonly kind: 'unavailable' };

/** `none`: this user has no second factor. */
export type Proof =
  | { readonly kind: 'proven' }
  | { readonly kind: 'none' }
  | { readonly kind: 'code-needed' }
  | { readonly kind: 'code-refused' }
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'throttled'; readonly retryAfterMs: number };

export interface SignedOut {
  /** A Set-Cookie that takes the cookie away. */
  readonly setCookie: string;
  /**
   * false: it could not be written down, and a copy of the cookie is good until its time is over.
   */
  readonly isEnded: boolean;
}

/** Sign-ins and requests of browsers, and of JMAP clients with Basic (RFC 7617). */
export interface WebAuthenticator {
  authenticate(request: WebRequest): Promise<WebVerdict>;
  signIn(attempt: SignIn): Promise<SignInVerdict>;
  /** Ends the sign-in of this cookie; the browser is signed out in any case. */
  signOut(request: WebRequest): Promise<SignedOut>;
  /**
   * The cookie of a user who has just changed the password: the same sign-in with the new one.
   * All others end within `auth.web.recheck`.
   */
  passwordChanged(user: WebUser, password: string, secure: boolean): Promise<string>;
  /**
   * Whether this is a code of the user's second factor; each counts once.
   * @throws DirectoryUnavailable
   */
  prove(user: WebUser, code: string, address: string): Promise<Proof>;
  /** The same for who has just turned the second factor on: sessions of before end. */
  secondFactorTurnedOn(user: WebUser, secure: boolean): Promise<string>;
}
