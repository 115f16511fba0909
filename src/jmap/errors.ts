/** Conditions of JMAP that an operator acts upon. */
export const JMAP_ERRORS = {
  'MF-JMAP-001': {
    what: 'A method of JMAP failed in a way that the program does not know.',
    means: 'The client got serverFail with the trace id; no mail is lost.',
    mend: 'Report the log line with its stack; it is a fault of the program.',
  },
} as const;
