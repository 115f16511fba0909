/**
 * How lines of the stored file end in wire form: `every-lf`: each LF is a CRLF there; `bare-lf`:
 * the file may carry CRLF already, and only an LF that no CR precedes is completed.
 */
export type LineEnds = 'every-lf' | 'bare-lf';

/** An address as it stands in a field. */
export interface MailAddress {
  /** Undefined: none was there. Without its quotes; encoded words as they are (`decodeWords`). */
  readonly name: string | undefined;
  /** Local part, without quotes. A group's name at its begin; undefined at its end. */
  readonly local: string | undefined;
  /** Undefined for both ends of a group (RFC 9051 §7.5.2); '' where an address has none. */
  readonly domain: string | undefined;
}

/**
 * RFC 9051 §7.5.2. Texts as they came, unfolded, not decoded; undefined: the field is not there.
 * `sender` and `replyTo` are [] where the field is not there: IMAP shows `from` in their place.
 */
export interface Envelope {
  readonly date: string | undefined;
  readonly subject: string | undefined;
  readonly from: readonly MailAddress[];
  readonly sender: readonly MailAddress[];
  readonly replyTo: readonly MailAddress[];
  readonly to: readonly MailAddress[];
  readonly cc: readonly MailAddress[];
  readonly bcc: readonly MailAddress[];
  readonly inReplyTo: string | undefined;
  readonly messageId: string | undefined;
}

/** Where octets lie: in the stored file, and how many they are in wire form. */
export interface Extent {
  readonly offset: number;
  readonly end: number;
  readonly wireOctets: number;
}

export interface Parameters {
  readonly value: string;
  /** Names in lower case, values decoded (RFC 2231). */
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

/** A MIME part (RFC 2045 to 2049), the whole message being the first. */
export interface MimePart {
  /** Lower case: `text`, `multipart`, `message`. */
  readonly type: string;
  readonly subtype: string;
  readonly parameters: readonly (readonly [name: string, value: string])[];
  readonly id: string | undefined;
  readonly description: string | undefined;
  /** Lower case; `7bit` where nothing is said. */
  readonly encoding: string;
  readonly md5: string | undefined;
  readonly disposition: Parameters | undefined;
  readonly languages: readonly string[];
  readonly location: string | undefined;
  /** With the blank line at its end. */
  readonly header: Extent;
  readonly body: Extent;
  /** Lines of the body. */
  readonly lines: number;
  /** Of a multipart; bounded in depth and number, so a multipart may have none. */
  readonly parts: readonly MimePart[];
  /** Of message/rfc822 and message/global; undefined where these lie too deep in each other. */
  readonly message: { readonly envelope: Envelope; readonly part: MimePart } | undefined;
}
