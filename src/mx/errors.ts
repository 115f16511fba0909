/** What an operator has to act upon; errors.md is made from it. */
export const MX_ERRORS = {
  'MF-MX-001': {
    what: 'A message was stored for some of its recipients and not for all.',
    means:
      'SMTP has one reply for all, so the client got 451 and will send it to everybody again: ' +
      'those who have it get it twice.',
    mend: 'Mend the volume that the lines with the same trace id name; nothing else is to do.',
  },
} as const;
