/**
 * A search as IMAP and JMAP ask it (RFC 9051 §6.4.4, RFC 8621 §4.4.1). Texts are Unicode and
 * compared without case (i;unicode-casemap).
 */
export type Query =
  | { readonly kind: 'all' }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Query[] }
  | { readonly kind: 'not'; readonly of: Query }
  /** Ascending ranges, both ends in. */
  | { readonly kind: 'uids'; readonly ranges: readonly (readonly [from: number, to: number])[] }
  /** One of D F P R S T. */
  | { readonly kind: 'letter'; readonly letter: string }
  | { readonly kind: 'keyword'; readonly keyword: string }
  /** `text` '' asks whether the field is there. */
  | { readonly kind: 'header'; readonly field: string; readonly text: string }
  | { readonly kind: 'body' | 'text'; readonly text: string }
  | { readonly kind: 'larger' | 'smaller'; readonly octets: number }
  /**
   * Milliseconds since 1970; `from` is in, `before` is not. `sent` is the Date field's day, zone
   * left out.
   */
  | {
      readonly kind: 'date';
      readonly which: 'internal' | 'sent';
      readonly from: number;
      readonly before: number;
    }
  | { readonly kind: 'modseq'; readonly min: number };
