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
  'MF-AUTH-003': {
    what: 'There is no key to seal sessions of the webmail with',
    means: 'Nobody can sign in at the webmail. Mail, POP3, IMAP and SMTP do not need it.',
    mend: 'Make one: `mailfarm secret rotate web`; see that nodes may read it (rights of ou=secrets).',
  },
  'MF-AUTH-004': {
    what: 'Codes of a second factor are guessed by somebody who knows the password',
    means: 'The attempts are held up; the account is still closed to whoever guesses.',
    mend: 'Tell the user to change the password: it is known to somebody else.',
  },
} as const;
