/** Errors of this module that an operator acts upon. */
export const HTTP_ERRORS = {
  'MF-HTTP-001': {
    what: 'The address for health and metrics cannot be listened on',
    means: 'Mail flows, but nobody can see how the node is: balancers may take it for dead',
    mend: 'Find who has the port (`ss -ltnp`) or give the health service another address',
  },
  'MF-HTTP-002': {
    what: 'Metrics could not be gathered from all processes in time',
    means: 'Mail flows; this scrape has no values',
    mend: 'Look for a worker that hangs or a machine that is overloaded',
  },
  'MF-HTTP-003': {
    what: 'The web services http and https could not be started in a worker',
    means: 'Its web connections are closed; mail by every other protocol flows',
    mend: 'Report the log line with its stack: a route is wrong, or the release is not whole',
  },
  'MF-HTTP-004': {
    what: 'A web request failed in a way that the program does not know',
    means: 'The client got status 500 with the trace id; no mail is lost',
    mend: 'Report the log line with its stack; it is a fault of the program',
  },
} as const;
