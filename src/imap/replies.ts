/**
 * Response codes we send with OK, NO, BAD and BYE. RFC 9051 §7.1 and Appendix of RFC 5530 unless
 * another is named.
 */
export type Code =
  | ''
  | 'ALERT'
  | 'ALREADYEXISTS'
  | 'AUTHENTICATIONFAILED'
  | 'AUTHORIZATIONFAILED'
  | 'CANNOT'
  | 'CLIENTBUG'
  | 'CLOSED'
  | 'COMPRESSIONACTIVE' // RFC 4978 §3.
  | 'EXPUNGEISSUED'
  | 'HASCHILDREN'
  | 'INUSE'
  | 'LIMIT'
  | 'NONEXISTENT'
  | 'NOPERM'
  | 'NOTIFICATIONOVERFLOW' // RFC 5465 §5.8.
  | 'NOTSAVED'
  | 'OVERQUOTA'
  | 'PRIVACYREQUIRED'
  | 'READ-ONLY'
  | 'READ-WRITE'
  | 'SERVERBUG'
  | 'TOOBIG' // RFC 4469 §4.2.
  | 'TRYCREATE'
  | 'UNAVAILABLE'
  | 'UNKNOWN-CTE'
  | 'USEATTR' // RFC 6154 §3.
  | `APPENDUID ${string}`
  | `BADCHARSET (${string})`
  | `BADEVENT (${string})` // RFC 5465 §5.
  | `CAPABILITY ${string}`
  | `COPYUID ${string}`
  | `HIGHESTMODSEQ ${number}`
  | `MODIFIED ${string}`
  | `METADATA ${string}`;

/** The command cannot be done: NO with a code. The text is for the user. */
export class Refusal extends Error {
  readonly code: Code;
  constructor(code: Code, text: string) {
    super(text);
    this.code = code;
  }
}

/** `[CODE] text`, or the text alone. */
export const coded = (code: Code, text: string): string =>
  code === '' ? text : `[${code}] ${text}`;
