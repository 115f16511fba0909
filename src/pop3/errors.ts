/** Conditions of POP3 that an operator acts upon. */
export const POP3_ERRORS = {
  'MF-POP-001': {
    what: 'A POP3 command failed in a way that the program does not know.',
    means: 'The client got [SYS/TEMP] with the trace id and was disconnected; no mail is touched.',
    mend: 'Report the log line with its stack; it is a fault of the program.',
  },
  'MF-POP-002': {
    what: 'The directory of the locks for exclusive sessions cannot be used.',
    means: 'Users log in all the same; two sessions on one mailbox are possible and harmless.',
    mend: 'Make the directory of the log line writable for the service user, on a local disk.',
  },
} as const;
