/** Errors of this module that an operator acts upon. */
export const SENDER_ERRORS = {
  'MF-REL-101': {
    what: 'A host does not keep what its MTA-STS or DANE policy promises, or what relay.tls wants',
    means:
      'Its letters wait and are tried again; none goes there without the TLS that was promised',
    mend: 'Mostly the other side’s to mend: tell its postmaster. For all hosts: look at dns.servers',
  },
  'MF-REL-102': {
    what: 'The host that takes all letters refuses our login',
    means: 'What goes through it waits and is tried again; nothing is lost',
    mend: 'Look at relay.next.login and the secret of that host (`mailfarm secret`)',
  },
  'MF-REL-103': {
    what: 'The source address that this node is to send from cannot be used',
    means: 'This node sends nothing over that address family; other nodes do',
    mend: 'Correct the source address of the node; `ip addr` shows what the machine has',
  },
  'MF-REL-104': {
    what: 'What became of a letter could not be written to the spool',
    means: 'It may be sent a second time, when its claim has run out; it is not lost',
    mend: 'Look at the spool volume that the line names',
  },
  'MF-REL-105': {
    what: 'A letter in the spool has no message any more',
    means: 'It is held: nothing can be sent',
    mend: 'Look at the letter with `mailfarm queue show`, restore the file or delete the letter',
  },
} as const;
