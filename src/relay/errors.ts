/** What an operator has to act upon; errors.md is made from it. */
export const RELAY_ERRORS = {
  'MF-REL-001': {
    what: 'A letter for a domain that is not ours would have come back to this farm.',
    means:
      'It is not sent: its sender gets a notice (5.4.6). The MX of the domain names an address ' +
      'of ours, or a host that answers with our cookie.',
    mend:
      'Add the domain (`mailfarm domain add`) if it is ours; else tell whoever keeps its DNS. Or ' +
      'correct `farm.addresses`.',
  },
  'MF-REL-002': {
    what: 'A DKIM key may be read by others than the service user, so it is not used.',
    means: 'Letters of the domain wait. None is sent without its signature.',
    mend: '`chmod 600` for the file, and make a new key: this one may be known.',
  },
  'MF-REL-003': {
    what: 'A DKIM key is missing or cannot be read.',
    means: 'Letters of the domain wait. None is sent without its signature.',
    mend: 'Store the key under the selector that the domain names, or take the selector away.',
  },
  'MF-REL-004': {
    what: 'A notice (of delivery, delay or failure) could not be put anywhere yet.',
    means: 'The letter that it is about stays in the spool, and the notice is tried again.',
    mend: 'Mend the volume or directory that the line names; nothing else is to do.',
  },
  'MF-REL-005': {
    what: 'A notice itself cannot be delivered.',
    means: 'It is dropped: nobody is told that a notice failed (RFC 5321 §4.5.5).',
    mend: 'Nothing, unless it happens often: then look at who sends with addresses of others.',
  },
  'MF-REL-006': {
    what: 'A relay with a spool of its own was not reached to be told that a domain is to be sent.',
    means: 'Its letters for that domain go at their own time.',
    mend: 'Look at the node that the line names.',
  },
  'MF-REL-007': {
    what: '`relay.next` or a line of `relay.routes` cannot be read.',
    means: 'What it may concern waits, and nothing takes another way.',
    mend: 'Correct the setting: HOST, HOST:PORT or [ADDRESS]:PORT.',
  },
  'MF-REL-008': {
    what: 'The password for relay.next is not in the directory, or this node may not read it.',
    means: 'All that leaves waits.',
    mend: '`mailfarm secret add smarthost HOST`, or let the node into the group of senders.',
  },
  'MF-REL-009': {
    what: 'The directory did not answer at start: who is in the farm is what it said last.',
    means:
      'Mail goes out. A node that came since then is known by the cookie only; letters to be ' +
      'signed wait until their keys can be read.',
    mend: 'Bring a directory replica back; the node asks every few seconds.',
  },
  'MF-REL-010': {
    what: 'The directory has not yet said who is in the farm, and nothing is kept from before.',
    means: 'This node sends nothing: it could not tell its own farm from others. Others may.',
    mend: 'Bring a directory replica back; the node asks every few seconds.',
  },
} as const;
