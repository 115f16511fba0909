/** Conditions an operator acts upon. src/errors.md is made from these rows. */
export const AUTH_ERRORS = {
  'MF-AUTH-001': {
    what: 'An address guesses passwords',
    means: 'Its attempts are held up longer and longer. Users at other addresses notice nothing.',
    mend: 'If it is a proxy of yours, add it to auth.throttle.exempt; else block it if you like.',
  },
  'MF-AUTH-002': {
    what: 'The password of one account is guessed from many addresses',
    means: 'Attempts from addresses that never knew the password are held up.',
    mend: 'Tell the user; see that the password is a good one.',
  },
} as const;
