import { constants } from 'node:os';
import { DeadlineError } from '../base/deadline.ts';
import { errnoOf, UnknownResultError } from '#maildir';
import { StoreError, type StoreErrorKind } from './error.ts';

/**
 * What the system says, as what a client can be told. Judged by number: ESTALE, EDQUOT and
 * ENOLCK have no `code` of their own in Node. What is not in the table is 'volume-down': our own
 * trouble, temporary, and never a success.
 */
const KIND_OF_ERRNO: ReadonlyMap<number, StoreErrorKind> = new Map([
  [constants.errno.ENOSPC, 'volume-full'],
  // One service user owns all mail, so a disk quota is the volume's and never a mailbox owner's.
  [constants.errno.EDQUOT, 'volume-full'],
  [constants.errno.EIO, 'volume-down'],
  [constants.errno.ESTALE, 'volume-down'],
  [constants.errno.ETIMEDOUT, 'volume-down'],
  [constants.errno.EROFS, 'volume-down'],
  [constants.errno.EACCES, 'volume-down'],
  [constants.errno.EPERM, 'volume-down'],
  [constants.errno.ENOTCONN, 'volume-down'],
]);

const ABSENT: readonly number[] = [constants.errno.ENOENT, constants.errno.ENOTDIR];

/** What opening and reading say of a directory, a pipe, a socket or a link that ends nowhere. */
const NO_FILE: readonly number[] = [
  constants.errno.EISDIR,
  constants.errno.ESPIPE,
  constants.errno.ENXIO,
  constants.errno.ELOOP,
];

/** Whether the error says that a file or directory is not there. */
export const isAbsent = (error: unknown): boolean =>
  !(error instanceof UnknownResultError) && ABSENT.includes(errnoOf(error) ?? 0);

export interface Failed {
  /** The operation and where, for the log. */
  readonly what: string;
  /** What it means when the file or directory is not there; it depends on the operation. */
  readonly absent: StoreErrorKind;
}

/** Any failure of a volume operation as a StoreError; a StoreError stays what it is. */
export function asStoreError(error: unknown, failed: Failed): StoreError {
  if (error instanceof StoreError) return error;
  const message = `${failed.what}: ${error instanceof Error ? error.message : String(error)}`;
  return new StoreError(kindOf(error, failed.absent), message, { cause: error });
}

function kindOf(error: unknown, absent: StoreErrorKind): StoreErrorKind {
  // It may have happened or may yet: neither success nor "not there".
  if (error instanceof UnknownResultError || error instanceof DeadlineError) return 'volume-down';
  if (isAbsent(error)) return absent;
  // Not a message, whatever put it there: it must not stand in the way of those that are.
  if (absent === 'message-gone' && NO_FILE.includes(errnoOf(error) ?? 0)) return absent;
  return KIND_OF_ERRNO.get(errnoOf(error) ?? 0) ?? 'volume-down';
}
