/** What an operator has to act upon; errors.md is made from it. */
export const MX_ERRORS = {
  'MF-MX-001': {
    what: 'A message was stored for some of its recipients and not for all.',
    means:
      'SMTP has one reply for all, so the client got 451 and will send it to everybody again: ' +
      'those who have it get it twice.',
    mend: 'Mend the volume that the lines with the same trace id name; nothing else is to do.',
  },
  'MF-MX-002': {
    what: 'A list, a rule or a catch-all leads out of this farm, and nothing leaves it yet.',
    means: 'Mail for that address is deferred. Nothing is lost while its sender keeps trying.',
    mend: 'Take the address elsewhere out of the list, rule or catch-all that the log names.',
  },
  'MF-MX-003': {
    what: 'A forward leads out of this farm, and nothing leaves it yet.',
    means: 'The letter is in the mailbox of the user whose forward it is.',
    mend: 'Nothing; tell the user, or remove the forward.',
  },
  'MF-MX-004': {
    what: 'Members of a list have no room, so a letter to the list went to the others only.',
    means:
      'The sender is not told: to try again would double it for those who have it. The log names ' +
      'the first 20 of them.',
    mend: 'Raise their quota, or tell them; mailfarm_mx_expanded_total counts them all.',
  },
} as const;
