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
    what: 'A recipient leads out of this farm, and this node has no spool for what leaves.',
    means: 'Mail for that address is deferred. Nothing is lost while its sender keeps trying.',
    mend: 'Add a spool volume (`mailfarm volume add --use spool`) that this node mounts.',
  },
  'MF-MX-004': {
    what: 'Members of a list have no room, so a letter to the list went to the others only.',
    means:
      'The sender is not told: to try again would double it for those who have it. The log names ' +
      'the first 20 of them.',
    mend: 'Raise their quota, or tell them; mailfarm_mx_expanded_total counts them all.',
  },
  'MF-MX-005': {
    what: 'A letter came back to a list that has sent it before, so it was not sent again.',
    means:
      'A member forwards to the list, or two lists are members of each other. Nothing is lost: all ' +
      'members have it. The sender was told (554 5.4.6) where the list was its only recipient.',
    mend: 'Find the way back (the Received lines of the letter name it) and take it out.',
  },
} as const;
