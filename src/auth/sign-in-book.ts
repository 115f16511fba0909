import type { Account } from '../directory/types.ts';

/** A sign-in of a browser, as its user sees it in a list. */
export interface SignInRecord {
  /** Of 128 random bits, in base64url. */
  readonly id: string;
  /** ms since 1970. */
  readonly at: number;
  readonly address: string;
  /** The browser, as it says: of any content. */
  readonly agent: string;
}

/**
 * Sign-ins as facts of the user, which every node reads and writes; no node keeps another list.
 * All methods throw StoreError where the user's volume does not answer.
 */
export interface SignInBook {
  begin(account: Account, record: SignInRecord): Promise<void>;
  /** `ended`: it was begun, and somebody removed it. */
  state(account: Account, id: string): Promise<'open' | 'ended'>;
  /** Newest first. */
  list(account: Account): Promise<readonly SignInRecord[]>;
  /** Absent is fine. */
  end(account: Account, id: string): Promise<void>;
  /**
   * Whether nobody has used the code of this step before, on any node: of all who ask, at most one
   * hears yes.
   */
  firstUse(account: Account, step: number): Promise<boolean>;
}
