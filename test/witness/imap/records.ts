/** What the judge is given: every command of every client, with all that was answered, and when. */
import type { Answer } from './wire.ts';

export type FlagHow = 'add' | 'remove' | 'replace';

/** What a client asked for, by meaning. UIDs are those that it meant. */
export type Op =
  | { readonly kind: 'select' | 'noop' | 'expunge' }
  /** Rows of all messages, or of those it does not know yet. */
  | { readonly kind: 'fetch'; readonly by: 'sequence' | 'uid' }
  | { readonly kind: 'append'; readonly serial: string; readonly flags: readonly string[] }
  | {
      readonly kind: 'store';
      readonly by: 'sequence' | 'uid';
      readonly uids: readonly number[];
      readonly how: FlagHow;
      readonly flags: readonly string[];
    }
  | { readonly kind: 'uid-expunge'; readonly uids: readonly number[] }
  | { readonly kind: 'copy' | 'move'; readonly uids: readonly number[]; readonly to: string };

export interface Exchange {
  readonly client: string;
  readonly op: Op;
  readonly answer: Answer;
  /** Asked after everybody had stopped. */
  readonly final: boolean;
}

/** What others than IMAP clients did to the folder: an MX, a session of POP3. */
export interface Other {
  readonly kind: 'delivery' | 'removal';
  readonly who: string;
  readonly serial: string;
  readonly sentAt: number;
  /** Undefined: no answer came, it may have happened or not. */
  readonly doneAt: number | undefined;
}

/** A message as a file holds it. */
export interface Filed {
  readonly serial: string;
  /** System flags, sorted. */
  readonly flags: readonly string[];
}

export interface Sessions {
  /** In the order in which each client made them. */
  readonly exchanges: readonly Exchange[];
  /** What lies in the folder at the end; undefined where nobody can look. */
  readonly files: readonly Filed[] | undefined;
  readonly others?: readonly Other[];
}

export const VIOLATIONS = {
  view: 'sequence numbers, UIDs and EXISTS of one session contradict each other',
  'expunge-forbidden': 'EXPUNGE during FETCH, STORE or SEARCH (RFC 9051 §7.5.1)',
  'uid-reused': 'a UID means two messages',
  'uid-order': 'UIDs do not ascend, or a new one is below UIDNEXT',
  uidvalidity: 'UIDVALIDITY changed though nothing was lost',
  'two-truths': 'a message has different flags at one MODSEQ',
  'modseq-back': 'a MODSEQ or HIGHESTMODSEQ went back',
  hole: 'a view shows a later change and not an earlier one',
  'flag-lost': 'a flag that was set is gone, and nobody took it away',
  'flag-invented': 'a flag that nobody set',
  'flag-stuck': 'a flag that was taken away is there, and nobody set it',
  'phantom-expunge': 'a message went that nobody expunged',
  'message-lost': 'a message that nobody expunged is not shown',
  'came-back': 'an expunged message is shown to a session that began later, or to all in the end',
  'wrong-uid': 'APPENDUID or COPYUID names another message',
  doubled: 'a message is there more often than it was put there',
  'wrong-answer': 'an answer that a good command must not get',
  'views-differ': 'clients differ in the end',
  'files-differ': 'the files are not what the clients are shown in the end',
} as const;
export type ViolationKind = keyof typeof VIOLATIONS;

export interface Violation {
  readonly kind: ViolationKind;
  readonly client: string;
  readonly at: number;
  readonly text: string;
}
