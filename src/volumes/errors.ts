/** What an operator has to act upon; errors.md is made from it. */
export const VOLUME_ERRORS = {
  'MF-VOL-001': {
    what: 'A volume has no sentinel, or that of another volume.',
    means:
      'It is not mounted, or the wrong one is. Nothing is read or written there; mail for its ' +
      'users is deferred (451), their POP3 logins get [SYS/TEMP].',
    mend:
      'Mount the right volume at its path. A new volume gets its sentinel from `mailfarm ' +
      'volume add --init`.',
  },
  'MF-VOL-002': {
    what: 'A volume does not answer, or answers with errors.',
    means:
      'Its users get temporary failures; the users of other volumes do not notice. It is used ' +
      'again by itself when its sentinel can be read.',
    mend:
      'See whether the server and the network to it are up; the log line has the error. ' +
      'Nothing has to be restarted here.',
  },
  'MF-VOL-003': {
    what: 'A mailbox whose volume is stored in the directory is not on that volume.',
    means:
      'Mail for this user is deferred (451) and POP3 says [SYS/TEMP]: an empty mailbox is ' +
      'never made in place of one that is lost.',
    mend:
      'Restore the mailbox, or correct the volume or path of the entry, or make the ' +
      'directories by `mailfarm user` if the mailbox never existed.',
  },
  'MF-VOL-004': {
    what: 'A volume or a placement in the directory cannot be used.',
    means:
      'A path is not absolute and below one volume, or an id or a volume is not valid. Mail ' +
      'of that user is deferred.',
    mend: 'Correct the entry; the log line says what is wrong with it.',
  },
  'MF-VOL-005': {
    what: 'A volume is full: too little space or too few inodes are left.',
    means: 'Mail for its users is deferred (452 4.3.1); they can still fetch and delete.',
    mend: 'Free or add space; close the volume to new users (state closed).',
  },
} as const;
