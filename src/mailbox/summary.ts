import type { Envelope, Extent, MimePart } from '../message/mime/types.ts';

/** What the head of a message says. Its bytes never change, so neither does this. */
export interface HeadSummary {
  readonly envelope: Envelope;
  /** Field References, ids in order, for threads. */
  readonly references: readonly string[];
  /** The header says more than the envelope: fields came more than once, or were too long. */
  readonly partial: boolean;
  /** Of the message, with the blank line at its end. */
  readonly header: Extent;
}

/** What is known of a message's content for good; it takes reading all of it once. */
export interface Summary extends HeadSummary {
  /** Octets in wire form. */
  readonly octets: number;
  readonly structure: MimePart;
  /** At most 200 characters of text, for lists (RFC 8970). */
  readonly preview: string;
}

/** How much of a summary is needed: reading heads is cheap, reading messages is not. */
export type SummaryNeed = 'head' | 'all';
