import type { Account } from '../directory/types.ts';
import type { Mail } from './mail.ts';

/**
 * What protocols see of storage. Two stores implement it (memory, Maildir) and pass one
 * conformance suite. All methods throw StoreError.
 */
export interface MailStore {
  /** A snapshot of INBOX for one POP3 session (RFC 1939 §3). Moves and locks nothing. */
  openMaildrop(account: Account): Promise<Maildrop>;
  /** All folders of the user, to work in. `close` it when done. */
  openMail(account: Account): Promise<Mail>;
  /** Octets in use, as quota counts them (sum of S= over names). */
  usage(account: Account): Promise<number>;
}

/**
 * The snapshot: message numbers are indices from 0. It stays as it was taken: later deliveries
 * are not in it, and a message that another session deletes keeps its place and its sizes.
 * Compact on purpose: 100,000 messages are one array of names.
 */
export interface Maildrop {
  /** The same object for snapshots of the same messages: what is computed of them may be kept. */
  readonly listing: object;
  readonly count: number;
  /** Octets of the message as RETR sends it, CRLF line ends, without dot-stuffing. */
  octets(index: number): number;
  /** Unique id, 1 to 70 octets of 0x21 to 0x7e, stable over sessions and flags (RFC 1939 §7). */
  uidl(index: number): string;
  /**
   * The message in wire form (CRLF line ends, not dot-stuffed), in chunks of at most
   * READ_CHUNK_BYTES of the stored file each. A chunk may be used until the next is asked for.
   * @throws StoreError 'message-gone'.
   */
  read(index: number): AsyncIterable<Buffer>;
  /** Deletes; a message that is already gone counts as removed. @returns indices that failed. */
  remove(indices: readonly number[]): Promise<readonly number[]>;
}
