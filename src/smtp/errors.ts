/** What an operator has to act upon; errors.md is made from it. */
export const SMTP_ERRORS = {
  'MF-SMTP-001': {
    what: 'A command or a message met an error nobody expected.',
    means: 'The client got 451 with the trace id and will try again; nothing was acknowledged.',
    mend: 'It is a bug of ours: report it with the log line, which has the whole story.',
  },
  'MF-SMTP-002': {
    what: 'A message was received but not made durable in time (`smtp.commit.timeout`).',
    means:
      'The client got 451 and will send it again. The first attempt may still succeed later, ' +
      'so some mailboxes may get it twice.',
    mend: 'See which volume is slow: the lines of the same trace id name it.',
  },
} as const;
