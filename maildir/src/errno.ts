import { constants } from 'node:os';

const ERRNO: Readonly<Record<string, number>> = constants.errno;

/** The errors the engine tells apart. Values are the platform's. */
export type ErrnoName =
  | 'EACCES'
  | 'EAGAIN'
  | 'EDQUOT'
  | 'EEXIST'
  | 'EINVAL'
  | 'EIO'
  | 'EISDIR'
  | 'ELOOP'
  | 'EMLINK'
  | 'ENAMETOOLONG'
  | 'ENOENT'
  | 'ENOSPC'
  | 'ENOTDIR'
  | 'ENOTEMPTY'
  | 'EPERM'
  | 'EROFS'
  | 'ESTALE'
  | 'ETIMEDOUT'
  | 'EXDEV';

/**
 * Whether `error` is this system error, judged by `errno`: ESTALE, EDQUOT and ENOLCK have the
 * `code` 'Unknown system error -116' in Node, so `code` is not to be compared.
 */
export function isErrno(error: unknown, name: ErrnoName): boolean {
  return errnoOf(error) === ERRNO[name];
}

/** True when `error` is one of `names`. */
export const isOneOf = (error: unknown, names: readonly ErrnoName[]): boolean =>
  names.some((name) => isErrno(error, name));

/** The positive errno of a system error, or undefined when it is another kind of error. */
export function errnoOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errno' in error)) return undefined;
  return typeof error.errno === 'number' ? Math.abs(error.errno) : undefined;
}

/** A system error as Node would make it, for conditions that the engine finds itself. */
export function systemError(name: ErrnoName, call: string, path: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${name}: ${call} '${path}'`);
  return Object.assign(error, { code: name, errno: -(ERRNO[name] ?? 0), syscall: call, path });
}

/**
 * A call may have taken effect or not, or may yet: never to be answered with success, never to
 * be repeated under another name. `errno` and `code` are those of the call (`cause`).
 */
export class UnknownResultError extends Error {
  readonly errno: number | undefined;
  readonly code: string | undefined;
  constructor(what: string, cause: unknown) {
    super(`The result of ${what} is unknown`, { cause });
    this.name = 'UnknownResultError';
    const known = errnoOf(cause);
    this.errno = known === undefined ? undefined : -known;
    this.code = known === undefined ? undefined : (cause as NodeJS.ErrnoException).code;
  }
}

/** Any thrown value as an Error. */
export const asError = (error: unknown): Error =>
  error instanceof Error ? error : new Error(String(error));
