/** What an operator has to act upon; errors.md is made from it. */
export const SUBMISSION_ERRORS = {
  'MF-SUB-001': {
    what: 'A message of a user was stored or queued for some of its recipients and not for all.',
    means:
      'SMTP has one reply for all, so the mail program was told 451 and its user will send it ' +
      'again: those who have it get it twice.',
    mend: 'Mend the volume that the lines with the same trace id name; nothing else is to do.',
  },
  'MF-SUB-002': {
    what: 'A user reached a limit of what may be sent (`submission.messages.…`, `….recipients.…`).',
    means: 'The mail program was told which limit, and until when. Others are not concerned.',
    mend:
      'See what was sent: the lines of that login. If the account is in the hands of somebody ' +
      'else, suspend its service `submission` and change the password; else raise the limit.',
  },
  'MF-SUB-003': {
    what: 'What users sent cannot be counted: no spool volume answers.',
    means: 'Nothing leaves the farm meanwhile. Mail between its users is taken without limits.',
    mend: 'Mend the spool volumes; the doctor names what is wrong with them.',
  },
} as const;
