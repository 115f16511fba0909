import type { Settings } from './options.ts';
import type { Violation } from './violation.ts';

/** How an attempt ended for a recipient. */
export type End =
  /** Accepted: 250 after the data. */
  | 'acked'
  /** Refused for now, after the data: parts of it may have been done. */
  | 'temporary'
  /** Nobody told: it may be there, or come. */
  | 'unclear'
  /** Refused for good, which is wrong: all recipients exist. */
  | 'permanent';

/**
 * What stands in the ledger, a line each. What the witness knows is these records applied in
 * order, live and after a restart alike. `at` is in milliseconds since 1970; users by login.
 */
export type Entry =
  | {
      readonly kind: 'begin';
      readonly at: number;
      readonly series: string;
      /** Counts the starts on this ledger: letters of another start have other numbers. */
      readonly start: number;
      readonly settings: Settings;
    }
  | { readonly kind: 'phase'; readonly at: number; readonly name: string }
  /** Messages that were in a mailbox before the first letter. */
  | { readonly kind: 'before'; readonly box: string; readonly uidls: readonly string[] }
  | {
      readonly kind: 'letter';
      readonly id: string;
      readonly to: readonly string[];
      readonly octets: number;
      readonly hash: string;
      readonly body: string;
    }
  /** The end of the data is about to be sent for these recipients; durable before it is. */
  | {
      readonly kind: 'try';
      readonly id: string;
      readonly n: number;
      readonly at: number;
      readonly frontEnd: string;
      readonly to: readonly string[];
    }
  | {
      readonly kind: 'end';
      readonly id: string;
      readonly n: number;
      readonly at: number;
      readonly end: End;
      readonly to: readonly string[];
      readonly reply: string;
      /** Acknowledged while the farm may park. */
      readonly parking?: true;
    }
  /** A message was fetched whole: which letter it is. `at`: the end of the listing it was in. */
  | {
      readonly kind: 'seen';
      readonly box: string;
      readonly uidl: string;
      readonly id: string;
      readonly octets: number;
      readonly at: number;
    }
  /** QUIT is about to be sent after DELE of these; durable before it is. */
  | {
      readonly kind: 'ask';
      readonly box: string;
      readonly uidls: readonly string[];
      readonly at: number;
    }
  /** That QUIT was answered with +OK. */
  | {
      readonly kind: 'deleted';
      readonly box: string;
      readonly uidls: readonly string[];
      readonly at: number;
    }
  | { readonly kind: 'violation'; readonly violation: Violation };
