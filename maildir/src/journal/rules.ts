/**
 * The rules of the protocol that a test can switch off, one by one, to see that it breaks. Their
 * meaning and their races are in the essay at the head of journal.ts, under these names.
 */
export const RULES = [
  'own-id',
  'covered',
  'newest-start',
  'snapshot-first',
  'keep-previous',
  'list-again',
  'torn-empty',
  'follows-on',
  'witness',
  'new-validity',
  'validity-record',
  'own-inode',
  'settle',
  'fsync',
  'log-before-files',
  'start-over',
  'two-listings',
  'proof-of-absence',
  'expunge-commit',
  'clear',
  'numbered-once',
] as const;
export type RuleName = (typeof RULES)[number];

/** For tests only. */
export interface Rules {
  /** The rule that is left out. */
  readonly without?: RuleName;
  /** Commits between snapshots. */
  readonly snapshotEvery?: number;
  /** Names in log/ that a snapshot may cover and that are younger than an hour. */
  readonly namesMax?: number;
}
