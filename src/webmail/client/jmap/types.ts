/** What the client uses of RFC 8620 and RFC 8621: names are theirs. */

export interface Session {
  readonly capabilities: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly primaryAccounts: Readonly<Record<string, string>>;
  readonly username: string;
  readonly apiUrl: string;
  readonly downloadUrl: string;
  readonly uploadUrl: string;
  readonly eventSourceUrl: string;
  readonly state: string;
}

export type Role = 'inbox' | 'archive' | 'drafts' | 'sent' | 'trash' | 'junk' | 'all' | 'flagged';

export interface Mailbox {
  readonly id: string;
  readonly name: string;
  readonly parentId: string | null;
  readonly role: Role | null;
  readonly sortOrder: number;
  readonly totalEmails: number;
  readonly unreadEmails: number;
  readonly totalThreads: number;
  readonly unreadThreads: number;
  readonly myRights: Readonly<Record<string, boolean>>;
}

export interface Address {
  readonly name: string | null;
  readonly email: string;
}

export type Flags = Readonly<Record<string, boolean>>;

/** What a list shows of an email. */
export interface ListEmail {
  readonly id: string;
  readonly threadId: string;
  readonly mailboxIds: Flags;
  readonly keywords: Flags;
  readonly from: readonly Address[] | null;
  readonly to: readonly Address[] | null;
  readonly subject: string | null;
  readonly receivedAt: string;
  readonly size: number;
  readonly preview: string;
  readonly hasAttachment: boolean;
}

/** Of an email what a deed has to know. */
export type Placed = Pick<ListEmail, 'id' | 'threadId' | 'mailboxIds' | 'keywords'>;

export const LIST_PROPERTIES: readonly (keyof ListEmail)[] = [
  'id',
  'threadId',
  'mailboxIds',
  'keywords',
  'from',
  'to',
  'subject',
  'receivedAt',
  'size',
  'preview',
  'hasAttachment',
];

export interface BodyPart {
  readonly partId: string | null;
  readonly blobId: string | null;
  readonly size: number;
  readonly name: string | null;
  readonly type: string;
  readonly charset: string | null;
  readonly disposition: string | null;
  readonly cid: string | null;
}

export interface BodyValue {
  readonly value: string;
  readonly isEncodingProblem: boolean;
  readonly isTruncated: boolean;
}

/** An email with what it says. */
export interface FullEmail extends ListEmail {
  readonly blobId: string;
  readonly messageId: readonly string[] | null;
  readonly inReplyTo: readonly string[] | null;
  readonly references: readonly string[] | null;
  readonly cc: readonly Address[] | null;
  readonly bcc: readonly Address[] | null;
  readonly replyTo: readonly Address[] | null;
  readonly sentAt: string | null;
  readonly textBody: readonly BodyPart[];
  readonly htmlBody: readonly BodyPart[];
  readonly attachments: readonly BodyPart[];
  readonly bodyValues: Readonly<Record<string, BodyValue>>;
}

export const FULL_PROPERTIES: readonly (keyof FullEmail)[] = [
  ...LIST_PROPERTIES,
  'blobId',
  'messageId',
  'inReplyTo',
  'references',
  'cc',
  'bcc',
  'replyTo',
  'sentAt',
  'textBody',
  'htmlBody',
  'attachments',
  'bodyValues',
];

export interface Thread {
  readonly id: string;
  readonly emailIds: readonly string[];
}

export interface FilterCondition {
  readonly inMailbox?: string;
  readonly inMailboxOtherThan?: readonly string[];
  readonly before?: string;
  readonly after?: string;
  readonly minSize?: number;
  readonly maxSize?: number;
  readonly hasKeyword?: string;
  readonly notKeyword?: string;
  readonly hasAttachment?: boolean;
  readonly text?: string;
  readonly from?: string;
  readonly to?: string;
  readonly cc?: string;
  readonly bcc?: string;
  readonly subject?: string;
  readonly body?: string;
}

export type Filter =
  | FilterCondition
  | { readonly operator: 'AND' | 'OR' | 'NOT'; readonly conditions: readonly Filter[] };

export interface GetResponse<T> {
  readonly state: string;
  readonly list: readonly T[];
  readonly notFound: readonly string[];
}

export interface ChangesResponse {
  readonly oldState: string;
  readonly newState: string;
  readonly hasMoreChanges: boolean;
  readonly created: readonly string[];
  readonly updated: readonly string[];
  readonly destroyed: readonly string[];
}

export interface QueryResponse {
  readonly queryState: string;
  readonly position: number;
  readonly ids: readonly string[];
  readonly total?: number;
  /** Time was up: there may be more than this. */
  readonly 'mailfarm:incomplete'?: boolean;
  /** A UTCDate: older mail was not searched; null: the server cannot say. */
  readonly 'mailfarm:searchedBackTo'?: string | null;
}

export interface SetError {
  readonly type: string;
  readonly description?: string | null;
  /** Of blobNotFound (RFC 8621 §4.6). */
  readonly notFound?: readonly string[];
}

export interface SetResponse {
  readonly oldState: string | null;
  readonly newState: string;
  readonly created?: Readonly<Record<string, { readonly id: string }>> | null;
  readonly updated?: Readonly<Record<string, unknown>> | null;
  readonly destroyed?: readonly string[] | null;
  readonly notCreated?: Readonly<Record<string, SetError>> | null;
  readonly notUpdated?: Readonly<Record<string, SetError>> | null;
  readonly notDestroyed?: Readonly<Record<string, SetError>> | null;
}

/** What each method answers. A later part of the client adds its own by declaration merging. */
export interface Responses {
  'Mailbox/get': GetResponse<Mailbox>;
  'Mailbox/changes': ChangesResponse & { readonly updatedProperties: readonly string[] | null };
  'Mailbox/set': SetResponse;
  'Email/query': QueryResponse;
  'Email/get': GetResponse<FullEmail>;
  'Email/changes': ChangesResponse;
  'Email/set': SetResponse;
  'Thread/get': GetResponse<Thread>;
}
