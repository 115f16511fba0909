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
} as const;
