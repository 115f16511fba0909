/** Errors of this module that an operator acts upon. */
export const NET_ERRORS = {
  'MF-NET-001': {
    what: 'An address to listen on is taken by another process',
    means: 'The service does not listen there; clients of that address go to other nodes or wait',
    mend: 'Find it with `ss -ltnp`, end it or give this node another port in its mwNode entry',
  },
  'MF-NET-002': {
    what: 'An address to listen on needs a right this process does not have (a port below 1024)',
    means: 'The service does not listen there; clients of that address go to other nodes or wait',
    mend: 'Give the service CAP_NET_BIND_SERVICE (systemd AmbientCapabilities) or a higher port',
  },
  'MF-NET-003': {
    what: 'An address to listen on is not one of this machine, or cannot be used',
    means: 'The service does not listen there; clients of that address go to other nodes or wait',
    mend: 'Correct the mwNode entry; `ip addr` shows what the machine has',
  },
  'MF-NET-004': {
    what: 'A new certificate or key could not be loaded: half written, or the two do not match',
    means: 'Nothing breaks: the old certificate stays in use until the files are right',
    mend: 'Look at the file named; write beside and rename. It is tried again every few seconds',
  },
  'MF-NET-005': {
    what: 'A certificate in use has expired',
    means: 'Senders with STARTTLS mostly go on; mail programs of users show a warning or stop',
    mend: 'Renew the certificate named; the node takes it up by itself within seconds',
  },
  'MF-NET-006': {
    what: 'A balancer sent no valid PROXY protocol header; the connection was closed',
    means: 'Clients behind that balancer are not served',
    mend: 'Turn on send-proxy or send-proxy-v2 there, or take its address out of net.proxy.from',
  },
  'MF-NET-007': {
    what: 'Connections were refused because a limit of this node is reached',
    means: 'Senders try again later; users see a temporary error',
    mend: 'See which limit the line names; raise it, exempt the address, or add a front end',
  },
  'MF-NET-008': {
    what: 'Connections were refused because no worker took them in time',
    means: 'Senders try again later; users see a temporary error',
    mend: 'Look for why workers ended or hang (MF-NODE lines before this one)',
  },
  'MF-NET-009': {
    what: 'Accepting a connection failed, mostly for want of file descriptors',
    means: 'The client waits or is dropped; connections that are open go on',
    mend: 'Raise LimitNOFILE of the service above twice net.connections.max',
  },
  'MF-NET-010': {
    what: 'Hints between nodes are off here: their UDP port cannot be bound, or farm.cookie is empty',
    means: 'Clients that wait at this node hear of what other nodes changed up to 30 s later',
    mend: 'Correct the `hints` listener of the mwNode entry, or run `mailfarm config cookie`',
  },
} as const;
