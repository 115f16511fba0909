/**
 * What methods of JMAP (RFC 8620, RFC 8621) are written against: a row of the table in
 * `methods.ts`, the request that a call is part of, and what other modules do for it. Methods know
 * no HTTP; the core knows no mail.
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Account, Vacation } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { MailView } from '../mailbox/view.ts';

export const CAPABILITIES = {
  core: 'urn:ietf:params:jmap:core',
  mail: 'urn:ietf:params:jmap:mail',
  submission: 'urn:ietf:params:jmap:submission',
  vacation: 'urn:ietf:params:jmap:vacationresponse',
} as const;
export type Capability = (typeof CAPABILITIES)[keyof typeof CAPABILITIES];

/** Arguments of a call or of a response; a JSON object that was checked to be one. */
export type Args = Readonly<Record<string, unknown>>;

/** One of several responses of a call (RFC 8620 §3.4): the name may be that of another method. */
export interface Response {
  readonly name: string;
  readonly args: Args;
}

/**
 * A method: one response with the name of the call, or several in their order. `accountId` has been
 * checked when it runs; result references are resolved.
 *
 * @throws MethodError; StoreError becomes `serverUnavailable`, MailError `invalidArguments` or what
 * fits; anything else is a bug: `serverFail` with the trace id.
 */
export interface MethodRow {
  readonly capability: Capability;
  readonly run: (args: Args, context: JmapContext) => Promise<Args | readonly Response[]>;
}

/** What a call may use. Made for each request; the view is shared by all requests of a user. */
export interface JmapContext {
  readonly account: Account;
  /** As the user signed in. */
  readonly login: string;
  /** Trace id of the request, for Received and the log. */
  readonly trace: string;
  /** The client's, IPv4 in its plain form. */
  readonly address: string;
  readonly view: MailView;
  /** Creation id to id, of all calls of the request before this one (RFC 8620 §3.3). */
  readonly createdIds: Map<string, string>;
  readonly limits: JmapLimits;
  readonly blobs: Blobs;
  readonly submitter: Submitter;
  readonly affairs: OwnAffairs;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** RFC 8620 §2, RFC 8621 §1.3. Octets and counts. */
export interface JmapLimits {
  readonly maxSizeUpload: number;
  readonly maxConcurrentUpload: number;
  readonly maxSizeRequest: number;
  readonly maxConcurrentRequests: number;
  readonly maxCallsInRequest: number;
  readonly maxObjectsInGet: number;
  readonly maxObjectsInSet: number;
  /** Of the attachments of one Email, and of a message as the store takes it. */
  readonly maxSizeAttachmentsPerEmail: number;
  readonly maxSizeMessage: number;
  readonly maxMailboxDepth: number;
  /** Octets of UTF-8. */
  readonly maxSizeMailboxName: number;
  /** Of one Email/query, in milliseconds: then it tells what it has found so far. */
  readonly searchMs: number;
  /** Answers that tell of threads wait so long for heads to be read, in milliseconds. */
  readonly threadsMs: number;
}

/** Method-level errors (RFC 8620 §3.6.2, §5; RFC 8621). */
export const METHOD_ERRORS = [
  'serverUnavailable',
  'serverFail',
  'serverPartialFail',
  'unknownMethod',
  'invalidArguments',
  'invalidResultReference',
  'forbidden',
  'accountNotFound',
  'accountNotSupportedByMethod',
  'accountReadOnly',
  'requestTooLarge',
  'stateMismatch',
  'cannotCalculateChanges',
  'tooManyChanges',
  'unsupportedSort',
  'unsupportedFilter',
  'anchorNotFound',
  'fromAccountNotFound',
  'fromAccountNotSupportedByMethod',
] as const;
export type MethodErrorType = (typeof METHOD_ERRORS)[number];

/** Why a call did nothing. The description is for whoever writes the client. */
export class MethodError extends Error {
  readonly type: MethodErrorType;
  /** More properties of the error response, such as `arguments`. */
  readonly extra: Args;
  constructor(type: MethodErrorType, description: string, extra: Args = {}) {
    super(description);
    this.name = 'MethodError';
    this.type = type;
    this.extra = extra;
  }
}

/** Why one object of a `/set` was not made, changed or destroyed (RFC 8620 §5.3, RFC 8621). */
export interface SetError {
  readonly type:
    | 'forbidden'
    | 'overQuota'
    | 'tooLarge'
    | 'rateLimit'
    | 'notFound'
    | 'invalidPatch'
    | 'willDestroy'
    | 'invalidProperties'
    | 'singleton'
    | 'alreadyExists'
    | 'serverUnavailable'
    | 'mailboxHasChild'
    | 'mailboxHasEmail'
    | 'blobNotFound'
    | 'tooManyKeywords'
    | 'tooManyMailboxes'
    | 'invalidEmail'
    | 'tooManyRecipients'
    | 'noRecipients'
    | 'invalidRecipients'
    | 'forbiddenMailFrom'
    | 'forbiddenFrom'
    | 'forbiddenToSend'
    | 'cannotUnsend';
  readonly description?: string;
  readonly properties?: readonly string[];
  readonly [more: string]: unknown;
}

/** Content of a blob that can be read now. */
export interface OpenBlob {
  /** Octets, after decoding; undefined where only reading tells. */
  readonly octets: number | undefined;
  /** Media type as the message or the uploader says; never trusted. */
  readonly type: string;
  /** Of the part; undefined where it has none. */
  readonly name: string | undefined;
  /** Wire form (CRLF) of messages, decoded content of parts. Pieces may be kept by nobody. */
  read(): AsyncIterable<Uint8Array>;
}

/** Where the content of a part lies, as the structure of its message says. */
export interface BlobPart {
  /** Positions in the stored file (`Extent`). */
  readonly offset: number;
  readonly end: number;
  /** Content-Transfer-Encoding, in lower case. */
  readonly encoding: string;
}

/** Blobs of one account (RFC 8620 §6). Any node reads what any other gave an id. */
export interface Blobs {
  /** Blob id of a whole message. */
  ofEmail(emailId: string): string;
  /** Blob id of the decoded content of a part. */
  ofPart(emailId: string, part: BlobPart): string;
  /**
   * Undefined: there is no such blob of this account (any more). An id of a part is held against
   * the structure of its message. @throws StoreError
   */
  open(blobId: string): Promise<OpenBlob | undefined>;
  /**
   * Keeps content for a day. @throws StoreError; BlobError where it is too large or there is too
   * much of it
   */
  keep(content: AsyncIterable<Uint8Array>, type: string): Promise<KeptBlob>;
}

/** Why content is not kept: one file is too large, or all of them together. */
export class BlobError extends Error {
  readonly kind: 'too-large' | 'too-much';
  constructor(kind: 'too-large' | 'too-much', message: string) {
    super(message);
    this.name = 'BlobError';
    this.kind = kind;
  }
}

export interface KeptBlob {
  readonly blobId: string;
  readonly type: string;
  readonly size: number;
}

export interface SubmissionAddress {
  readonly address: string;
  /** Parameters of MAIL or RCPT in upper case (RFC 8621 §7); null: without a value. */
  readonly parameters: Readonly<Record<string, string | null>>;
}

export interface Submission {
  readonly account: Account;
  readonly from: SubmissionAddress;
  readonly recipients: readonly SubmissionAddress[];
  /** Wire form, Bcc and all. Asked for once. */
  readonly message: () => AsyncIterable<Uint8Array>;
  /** The session's trace id, for Received and the log. */
  readonly trace: string;
  /** The client's, IPv4 in its plain form. */
  readonly address: string;
}

/** A reply of SMTP (RFC 5321 §4.2, RFC 3463), as DeliveryStatus.smtpReply shows it. */
export interface SubmitReply {
  readonly code: number;
  readonly enhanced: string;
  readonly text: string;
}

/**
 * `accepted`: committed for every recipient, as a 250 of submission. `refused`: for none of them.
 * Why, for each address that is at fault: none where the whole letter is.
 */
export type SubmitVerdict =
  | { readonly kind: 'accepted'; readonly reply: SubmitReply }
  | {
      readonly kind: 'refused';
      readonly error: SetError;
      readonly recipients: ReadonlyMap<string, SubmitReply>;
    }
  /** Our own trouble: nothing was accepted, and the same may be tried again. */
  | { readonly kind: 'unavailable'; readonly text: string };

/** The same policy as port 587: who may write as whom, limits, header repair, local and spool. */
export interface Submitter {
  submit(submission: Submission): Promise<SubmitVerdict>;
}

/** What `setVacation` did. `locked`: signed in with an app password, which changes nothing. */
export type AffairsVerdict =
  | { readonly kind: 'done' }
  | { readonly kind: 'locked' }
  | { readonly kind: 'refused'; readonly text: string }
  | { readonly kind: 'unavailable' };

/** What users change of themselves in the directory, as themselves. */
export interface OwnAffairs {
  /** Undefined: none is kept. @throws DirectoryUnavailable */
  vacation(): Promise<Vacation | undefined>;
  /** Undefined: no answer is sent any more. */
  setVacation(vacation: Vacation | undefined): Promise<AffairsVerdict>;
}
