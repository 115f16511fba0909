/** Conditions of IMAP that an operator acts upon. */
export const IMAP_ERRORS = {
  'MF-IMAP-001': {
    what: 'An IMAP command failed in a way that the program does not know.',
    means: 'The client got UNAVAILABLE with the trace id and was disconnected; no mail is lost.',
    mend: 'Report the log line with its stack; it is a fault of the program.',
  },
} as const;
