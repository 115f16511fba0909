/** What an operator has to act upon; errors.md is made from it. */
export const DELIVERY_ERRORS = {
  'MF-DLV-001': {
    what: 'A spool volume is down, so that mail cannot be parked or landed there.',
    means:
      'Mail for users whose own volume is down too is deferred (451) if no other spool volume is ' +
      'up. What is parked on the spool volume stays there and lands when it is back.',
    mend: 'Mend the volume as any other (MF-VOL-001, MF-VOL-002); nothing has to be restarted.',
  },
  'MF-DLV-002': {
    what: 'No spool volume has room for a letter that would be parked.',
    means: 'Mail for users whose volume is down is deferred with 452 4.3.1. Nothing is lost.',
    mend: 'Free space on the spool volumes, add one, or bring the volume back that is down.',
  },
  'MF-DLV-003': {
    what: 'A parked letter cannot be landed: its account or its mailbox is not there any more.',
    means:
      'The letter was accepted and is kept on the spool; it is neither bounced nor lost. The log ' +
      'line names it and the reason; `mailfarm queue list --state failed` lists all.',
    mend:
      'Restore the user or the mailbox: it lands by itself within delivery.land.retry, or at once ' +
      'after `mailfarm queue retry ID`. What nobody wants: `mailfarm queue delete ID`.',
  },
  'MF-DLV-004': {
    what: 'A parked letter is damaged: its message or its envelope cannot be read as written.',
    means: 'It is kept on the spool as it is and will not be delivered by itself.',
    mend:
      'Look at it with `mailfarm queue show ID`; restore its files from a backup of the spool ' +
      'volume and retry it, or delete it.',
  },
  'MF-DLV-007': {
    what: 'A letter to a moderated list, approved, could not be sent to the members.',
    means:
      'It is kept on the spool. Where delivery failed it is tried again; where the process died ' +
      'amid it, the letter is held again, since some members may have it.',
    mend: 'See the reason in the line; for those held again, `mailfarm list held` and approve or reject.',
  },
  'MF-DLV-006': {
    what: 'A forward has to leave with a sender of ours, and there is no secret to make one with.',
    means: 'Mail to users who forward elsewhere, and bounces of forwards, are deferred (451).',
    mend:
      'Write a secret (`mailfarm secret add srs forward`), or turn ' +
      'forward.srs off. Every node that has joined the directory reads secrets of this kind.',
  },
} as const;
