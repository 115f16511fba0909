/** Result codes that this server sends (RFC 4511 §4.1.9, RFC 4528 §3). */
export const RESULT = {
  success: 0,
  protocolError: 2,
  sizeLimitExceeded: 4,
  compareFalse: 5,
  compareTrue: 6,
  authMethodNotSupported: 7,
  strongerAuthRequired: 8,
  unavailableCriticalExtension: 12,
  noSuchAttribute: 16,
  inappropriateMatching: 18,
  constraintViolation: 19,
  attributeOrValueExists: 20,
  invalidAttributeSyntax: 21,
  noSuchObject: 32,
  invalidDnSyntax: 34,
  invalidCredentials: 49,
  insufficientAccessRights: 50,
  busy: 51,
  unavailable: 52,
  unwillingToPerform: 53,
  namingViolation: 64,
  objectClassViolation: 65,
  notAllowedOnNonLeaf: 66,
  notAllowedOnRdn: 67,
  entryAlreadyExists: 68,
  other: 80,
  assertionFailed: 122,
} as const;
export type ResultName = keyof typeof RESULT;

/** An operation ends with this result. Anything else that is thrown is a bug of ours. */
export class LdapFailure extends Error {
  readonly result: ResultName;
  /** The nearest entry that exists, with noSuchObject. */
  readonly matched: string;
  constructor(result: ResultName, message: string, matched = '') {
    super(message);
    this.name = 'LdapFailure';
    this.result = result;
    this.matched = matched;
  }
}
