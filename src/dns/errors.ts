/** Errors of this module that an operator acts upon. */
export const DNS_ERRORS = {
  'MF-DNS-001': {
    what: 'A name could not be looked up: resolvers do not answer, or answer with an error',
    means: 'Letters for it wait and are tried again; none is refused for it',
    mend: 'For one name: its DNS is broken, nothing is to do. For all: look at dns.servers',
  },
} as const;
