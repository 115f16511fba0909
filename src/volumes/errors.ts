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
    mend:
      'Free or add space, or raise the quota of the export; close the volume to new users (state ' +
      'closed). It takes mail again by itself.',
  },
  'MF-VOL-006': {
    what: 'A volume is read-only: mounted so, exported so, or turned so after an error of its disk.',
    means: 'New mail for its users is deferred (451); they can still fetch.',
    mend:
      'Look at the file server\u2019s log for errors of the disk, then mount or export it ' +
      'writable. It takes mail again by itself.',
  },
  'MF-VOL-007': {
    what: 'There are so many volumes that a process has few threads for each.',
    means:
      'All volumes could hang at once and the process would go on, but each runs fewer operations ' +
      'at once than volume.inflight.max says.',
    mend:
      'Set UV_THREADPOOL_SIZE in the node\u2019s environment to (volumes x ' +
      '(volume.inflight.max + 1)) + 16, or add workers.',
  },
} as const;
