/** What an operator has to act upon; errors.md is made from it. */
export const MAILBOX_ERRORS = {
  'MF-MBX-001': {
    what: 'A stored message is shorter than its name says.',
    means:
      'The file was damaged or changed by another tool. Whoever fetches it gets a broken ' +
      'connection and not a short message that looks whole. A file that another tool ' +
      'delivered is served as it is from the next session on.',
    mend: 'Restore the file that the log line names from a backup, or remove it.',
  },
} as const;
