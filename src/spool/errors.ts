/** What an operator has to act upon; errors.md is made from it. */
export const SPOOL_ERRORS = {
  'MF-SPL-001': {
    what: 'The envelope of a letter that leaves cannot be read: damaged, or of a newer release.',
    means: 'The letter is held as it is, for the reason `damaged`; it is neither sent nor bounced.',
    mend:
      'Look at it with `mailfarm queue show ID --message`; restore its files from a backup of the ' +
      'spool volume and release it (`mailfarm queue release ID`), or delete it.',
  },
} as const;
