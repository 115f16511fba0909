/** What trouble below JMAP is called here; a new kind breaks the build until it has a name. */
import { DirectoryUnavailable } from '../directory/types.ts';
import type { Problem } from '../http/web-types.ts';
import { MailError, type MailErrorKind } from '../mailbox/mail.ts';
import { StoreError, type StoreErrorKind } from '../volumes/error.ts';
import { BlobError, MethodError, type MethodErrorType } from './types.ts';

const STORE: Readonly<Record<StoreErrorKind, readonly [status: number, text: string]>> = {
  'volume-down': [503, 'Your mail cannot be reached at the moment. Nothing is lost; try again'],
  'volume-full': [503, 'Mail storage is full at the moment. Reading and deleting work'],
  'volume-busy': [503, 'Mail storage is busy. Try again'],
  'mailbox-missing': [503, 'Your mail cannot be reached at the moment. Nothing is lost; try again'],
  'over-quota': [507, 'The mailbox is full. Delete something first'],
  'message-gone': [404, 'The message was deleted meanwhile'],
};

const MAIL: Readonly<Record<MailErrorKind, readonly [status: number, type: MethodErrorType]>> = {
  'no-such-folder': [404, 'invalidArguments'],
  'folder-exists': [409, 'invalidArguments'],
  'bad-name': [400, 'invalidArguments'],
  'has-children': [409, 'invalidArguments'],
  'over-quota': [507, 'forbidden'],
  'too-many-folders': [507, 'forbidden'],
  'too-large': [413, 'requestTooLarge'],
  'too-costly': [400, 'unsupportedFilter'],
  'not-possible': [400, 'invalidArguments'],
};

const AWAY = 'The directory does not answer at the moment. Try again';

/** As an answer of HTTP; undefined: it is a bug. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof StoreError) {
    const [status, title] = STORE[error.kind];
    return { status, title };
  }
  if (error instanceof MailError) return { status: MAIL[error.kind][0], title: error.message };
  if (error instanceof DirectoryUnavailable) return { status: 503, title: AWAY };
  return undefined;
}

/** As the error of a call (RFC 8620 §3.6.2); undefined: it is a bug. */
export function methodErrorOf(error: unknown): MethodError | undefined {
  if (error instanceof MethodError) return error;
  if (error instanceof StoreError) {
    return new MethodError('serverUnavailable', STORE[error.kind][1]);
  }
  if (error instanceof MailError) return new MethodError(MAIL[error.kind][1], error.message);
  if (error instanceof BlobError) return new MethodError('requestTooLarge', error.message);
  if (error instanceof DirectoryUnavailable) return new MethodError('serverUnavailable', AWAY);
  return undefined;
}
