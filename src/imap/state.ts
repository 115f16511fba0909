import type { Account } from '../directory/types.ts';
import type { Folder, Mail } from '../mailbox/mail.ts';
import type { View } from './view.ts';

/** RFC 9051 §3: what exists in each state is what its type has. */
export type SessionState =
  | { readonly name: 'not-authenticated' }
  | Authenticated
  | Selected
  | { readonly name: 'logout' };

export interface Authenticated {
  readonly name: 'authenticated';
  readonly account: Account;
  readonly mail: Mail;
}

export interface Selected {
  readonly name: 'selected';
  readonly account: Account;
  readonly mail: Mail;
  readonly folder: Folder;
  /** EXAMINE, or SELECT of what cannot be written. */
  readonly access: 'read-write' | 'read-only';
  readonly view: View;
  /** UIDs, ascending, of the last SEARCH that saved: `$` (RFC 9051 §6.4.4.1). */
  saved: readonly number[];
}

/** One object for the thousands that have sent nothing yet. */
export const START: SessionState = { name: 'not-authenticated' };
export const OVER: SessionState = { name: 'logout' };

/** What ENABLE or a parameter switched on, for the rest of the session (RFC 9051 §6.3.1). */
export interface Enabled {
  condstore: boolean; // RFC 7162 §3.1; QRESYNC has it with it.
  qresync: boolean; // RFC 7162 §3.2.
  rev2: boolean; // RFC 9051 Appendix A.
  utf8: boolean; // RFC 6855 §3; IMAP4rev2 has it with it.
  utf8Accept: boolean; // RFC 6855 §3, by its own name.
}
