/** What can go wrong for an administrator; the text says what, without a full stop. */
export const ADMIN_ERROR_KINDS = [
  'exists',
  'not-found',
  'invalid',
  'denied',
  'unavailable',
  /** The entry was changed by somebody else since it was read. */
  'conflict',
  /** Somebody of the same or a higher level is at work on the entry. */
  'claimed',
  /** The session was closed. */
  'closed',
  /** The connection was lost during a change: it is made, or it is not. */
  'uncertain',
] as const;
export type AdminErrorKind = (typeof ADMIN_ERROR_KINDS)[number];

/** One attribute that somebody else changed, and what we wanted of it. */
export interface FieldChange {
  readonly name: string;
  readonly before: readonly string[];
  readonly now: readonly string[];
  /** What our own change wanted it to be; undefined where ours leaves it alone. */
  readonly wanted: readonly string[] | undefined;
}

export class AdminError extends Error {
  readonly kind: AdminErrorKind;
  /** Of a conflict: what changed meanwhile. */
  readonly changes: readonly FieldChange[];
  constructor(
    kind: AdminErrorKind,
    message: string,
    options?: ErrorOptions & { readonly changes?: readonly FieldChange[] },
  ) {
    super(message, options);
    this.name = 'AdminError';
    this.kind = kind;
    this.changes = options?.changes ?? [];
  }
}

export const isKind = (error: unknown, kind: AdminErrorKind): error is AdminError =>
  error instanceof AdminError && error.kind === kind;
