import type { RuleName } from '../../src/journal/rules.ts';

/** Which scenario shows that a rule is needed: without it some schedule breaks a promise. */
export const NEEDED_FOR: Readonly<Record<RuleName, string>> = {
  'own-id': 'two set keywords on one message',
  covered: 'one sleeps for hours in a commit while others commit and clean up',
  'newest-start': 'one sleeps for hours in a commit and dies when it wakes',
  'snapshot-first': 'one dies anywhere in a snapshot',
  'keep-previous': 'one opens a folder while another makes snapshots and removes what they cover',
  'list-again': 'one opens a folder while another makes snapshots and removes what they cover',
  'torn-empty': 'power is cut while flags, a letter and a keyword are committed: half is left',
  'follows-on': 'other commits stand where those were that one remembers',
  witness: 'the newest commit is deleted, its witness is not',
  'new-validity': 'all that the journal wrote is deleted while two work',
  'validity-record': 'a folder is removed and made again within one second',
  'own-inode': 'last night’s copy is put in the place of the folder',
  settle: 'two begin a journal',
  fsync: 'power is cut while flags, a letter and a keyword are committed: nothing is left',
  'log-before-files': 'one expunges while another looks and flags',
  'start-over': 'two expunge one message, a third numbers a new one',
  'two-listings': 'mutt renames while two look',
  'proof-of-absence': 'a letter renamed again and again is missed by listings and not gone',
  'expunge-commit': 'one expunges while another looks and flags',
  clear: 'one dies anywhere while it expunges, another takes over',
};
