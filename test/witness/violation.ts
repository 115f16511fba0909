/** What a farm must never do, each with the plain words that the report uses. */
export const VIOLATIONS = {
  lost: 'an acknowledged letter is not there in the end',
  missing: 'a session did not show a message that had to be there',
  empty: 'a session showed an empty mailbox that was not empty',
  doubled: 'a letter is there more often than attempts could bring it',
  'uidl-changed': 'a message got another unique id',
  'uidl-reused': 'a unique id means two messages',
  'came-back': 'a deleted message is back',
  corrupt: 'a message is not what was sent',
  truncated: 'a message ends early, with a clean end',
  'wrong-body': 'a letter has the content of another',
  foreign: 'a message that nobody sent',
  size: 'sizes disagree',
  listing: 'STAT, LIST and UIDL disagree',
  'wrong-5xx': 'a letter for a good recipient was refused for good',
  'wrong-login': 'a right password was called wrong',
  'wrong-answer': 'an answer that the protocol does not have, or no temporary failure by its code',
  'views-differ': 'front ends show a mailbox differently in the end',
  unreadable: 'a mailbox could not be read in the end',
  'disk-differs': 'the Maildir on disk is not what the front ends show',
} as const;
export type ViolationKind = keyof typeof VIOLATIONS;

export interface Violation {
  readonly kind: ViolationKind;
  readonly at: number;
  readonly phase: string;
  /** Login of the mailbox's owner. */
  readonly mailbox?: string | undefined;
  readonly letter?: string | undefined;
  readonly uidl?: string | undefined;
  readonly frontEnd?: string | undefined;
  /** What was expected, and what came. */
  readonly text: string;
}

export function sentence(violation: Violation): string {
  const { kind, at, phase, mailbox, letter, uidl, frontEnd, text } = violation;
  const where = [
    letter && `letter ${letter}`,
    mailbox && `mailbox ${mailbox}`,
    uidl && `uidl ${uidl}`,
    frontEnd && `at ${frontEnd}`,
    `${new Date(at).toISOString().slice(11, 23)} in ${phase}`,
  ];
  return `${kind}: ${text} (${where.filter(Boolean).join(', ')})`;
}
