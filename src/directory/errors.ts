/** Conditions an operator acts upon. src/errors.md is made from these rows. */
export const DIRECTORY_ERRORS = {
  'MF-DIR-001': {
    what: 'No directory server answers',
    means:
      'Users seen lately are served from memory; others get a temporary failure. No mail is lost.',
    mend: 'Start the directory, or mend the network; check directory.urls and the credentials.',
  },
  'MF-DIR-002': {
    what: 'A directory server answers, but shows no cn=farm',
    means: 'It may be empty or half built. Its "no such user" is not believed; others are asked.',
    mend: 'Finish loading that replica, or take it out of directory.urls.',
  },
  'MF-DIR-003': {
    what: 'The directory refuses the credentials of this node',
    means: 'As if that server did not answer.',
    mend: 'Give the node the password of its service identity (cn=frontend).',
  },
  'MF-DIR-004': {
    what: 'An entry of the directory is damaged',
    means: 'The user gets a temporary failure until the entry is right.',
    mend: 'The log names the entry and the attribute; correct it.',
  },
  'MF-DIR-005': {
    what: 'Nobody receives the mail for postmaster',
    means: 'Mail to postmaster is deferred. RFC 5321 §4.5.1 wants it accepted.',
    mend: 'mailfarm config set postmaster NAME@DOMAIN, with the login of a user.',
  },
  'MF-DIR-006': {
    what: 'Two users hold the same address',
    means: 'Mail for that address is deferred.',
    mend: 'Take the alias from one of them; the log names both.',
  },
  'MF-DIR-014': {
    what: 'The snapshot of the directory cannot be used',
    means: 'The one before stays in use; without one, users get a temporary failure.',
    mend: 'The log says what is wrong with it. Export it again, and copy it whole, then rename it.',
  },
  'MF-DIR-015': {
    what: 'The snapshot of the directory is too old',
    means: 'Users get a temporary failure.',
    mend: 'See why mailfarm directory export does not run; directory.snapshot.stale is the limit.',
  },
  'MF-DIR-016': {
    what: 'A snapshot with password hashes is on a node that does not need them',
    means: 'The node does not start with it: no MX, no relay, nor one that has directory.urls.',
    mend: 'Export one for such nodes without --with-passwords.',
  },
  'MF-DIR-007': {
    what: 'A directory server is behind the others, or does not say what it has',
    means: 'Its "no such user" and its "wrong password" are not believed; others are asked first.',
    mend: 'Wait until it is filled; check its replication (syncrepl, and syncprov for contextCSN).',
  },
  'MF-DIR-008': {
    what: 'The filter of a list is no LDAP filter',
    means: 'Mail to the list is deferred.',
    mend: 'Correct mwMemberFilter of the list that the log names (RFC 4515).',
  },
  'MF-DIR-009': {
    what: 'A user of a site’s own directory has no place for a mailbox',
    means: 'The directory is not written to, so nothing else can say where the mail lies.',
    mend: 'Give the user the path or volume attribute of the map, or write a rule to a volume.',
  },
  'MF-DIR-020': {
    what: 'An address expands beyond the limit',
    means: 'Mail to it is deferred. Parts of a list would be a wrong answer.',
    mend: 'The log names the list; make it smaller, or raise directory.expansion.max.',
  },
  'MF-DIR-021': {
    what: 'A rule is bad',
    means:
      'Addresses without an entry, and users without a volume, that come to it are deferred; ' +
      'it never falls through to the next rule.',
    mend: 'The log names the rule; correct mwPattern or mwTarget, or remove it.',
  },
  'MF-DIR-022': {
    what: 'A domain points to one that is not ours, or its catch-all to nobody',
    means: 'Mail for addresses of the domain that have no entry of their own is deferred.',
    mend: 'Correct mwAliasOf or mwCatchAll of the domain that the log names.',
  },
  'MF-DIR-023': {
    what: 'A user has more than 100 forwards',
    means: 'None of them is followed; the mail of that user stays in the mailbox.',
    mend: 'Take forwards from the user that the log names, or make a list of them.',
  },
  'MF-DIR-010': {
    what: 'The last record of the directory journal was torn and was dropped',
    means: 'The host stopped while a change was written. That change had not been acknowledged.',
    mend: 'Nothing.',
  },
  'MF-DIR-011': {
    what: 'The data of the embedded directory is damaged',
    means: 'It does not start, so that nothing is overwritten.',
    mend: 'Restore directory.ldif and its changes file from a backup, or mend the named line.',
  },
  'MF-DIR-012': {
    what: 'Another process serves this directory data',
    means: 'This one does not start; two writers would destroy the data.',
    mend: 'Stop the other one, or give this one another data directory.',
  },
  'MF-DIR-013': {
    what: 'The embedded directory cannot write its journal',
    means: 'Changes are refused; look-ups go on.',
    mend: 'Make room on the disk, or mend it, and restart the directory.',
  },
} as const;
