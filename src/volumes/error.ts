/**
 * Storage failures are a closed set; each protocol maps it once, totally (a new kind breaks the
 * build there).
 */
export const STORE_ERROR_KINDS = [
  'volume-down', // Not mounted, no or wrong sentinel, deadline passed, EIO, ESTALE: try later.
  'volume-full', // ENOSPC: space or inodes.
  'volume-busy', // Too many operations in flight: try later.
  'mailbox-missing', // The placement is stored, the directory is not there: never a new one.
  'over-quota', // The user's own limit.
  'message-gone', // The message was deleted by another session.
] as const;
export type StoreErrorKind = (typeof STORE_ERROR_KINDS)[number];

/** `message` is for the log and names volume and path; a client is told the kind only. */
export class StoreError extends Error {
  readonly kind: StoreErrorKind;
  constructor(kind: StoreErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
    this.kind = kind;
  }
}
