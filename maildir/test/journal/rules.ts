import type { RuleName } from '../../src/journal/rules.ts';

/**
 * Rules without which the model holds too, because others catch what they are for. newest-start: a
 * log with a commit at a number that a snapshot covers has a gap after it or a broken chain: a
 * process of before applies it and then opens the folder anew (list-again, follows-on).
 * keep-previous: a listing that lasts while a snapshot takes the place of all shows nothing, and is
 * taken again (list-again); it would take four such listings one after the other.
 */
export const CAUGHT_TWICE: ReadonlySet<RuleName> = new Set<RuleName>([
  'newest-start',
  'keep-previous',
]);

/** Which scenario shows that a rule is needed: without it some schedule breaks a promise. */
export const NEEDED_FOR: Readonly<Record<RuleName, string>> = {
  'own-id': 'two set keywords on one message',
  covered: 'one sleeps for hours in a commit while others commit and clean up',
  'newest-start': 'one sleeps for hours in a commit and dies when it wakes',
  'snapshot-first': 'one dies anywhere in a snapshot',
  'keep-previous': 'a listing of the log lasts while a snapshot takes the place of commits',
  'list-again': 'one opens a folder, and twice another removes what it has listed',
  'torn-empty': 'power is cut while flags, a letter and a keyword are committed: half is left',
  'follows-on': 'other commits stand where those were that one remembers',
  witness: 'the newest commit is deleted, its witness is not',
  'new-validity': 'commits are lost of an import whose UIDVALIDITY is ahead of all clocks',
  'validity-record': 'a folder is removed and made again within one second',
  'own-inode': 'last night’s copy is put in the place of the folder',
  settle: 'a journal is emptied in the second in which it was begun',
  fsync: 'power is cut while flags, a letter and a keyword are committed: nothing is left',
  'log-before-files': 'one expunges while another looks and flags',
  'start-over': 'one numbers while another expunges',
  'two-listings': 'a letter that others rename is missed by listings and not gone',
  'proof-of-absence': 'a letter that others rename is missed by listings and not gone',
  'expunge-commit': 'one expunges while another looks and flags',
  'numbered-once': 'an append that another numbers and expunges before its commit, 3 in the log',
  clear: 'one dies anywhere while it expunges, another takes over',
};
