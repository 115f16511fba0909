import type { Envelope, MimePart } from '../message/mime/types.ts';

/** What is known of a message's content for good: its bytes never change. */
export interface Summary {
  /** Octets in wire form. */
  readonly octets: number;
  readonly envelope: Envelope;
  readonly structure: MimePart;
  /** Field References, ids in order, for threads. */
  readonly references: readonly string[];
  /** At most 200 characters of text, for lists (RFC 8970). */
  readonly preview: string;
}
