import { counter, gauge } from '../metrics/metrics.ts';
import { PROXY_FAULTS } from './proxy-header.ts';

/** What became of a connection at the gate. Alert on refused-no-worker. */
export const gateOutcomes = counter({
  name: 'mailfarm_net_connections_total',
  help: 'Connections accepted by the process that listens, by what became of them',
  label: 'outcome',
  values: [
    'handed', // To a worker.
    'refused-total',
    'refused-address',
    'refused-rate',
    'refused-no-worker',
    'vanished', // The client was gone before anything could be done.
  ],
});

export const acceptErrors = counter({
  name: 'mailfarm_net_accept_errors_total',
  help: 'Failures of accept(2), such as no free file descriptor',
  label: 'kind',
  values: ['files', 'other'],
});

export const proxyHeaders = counter({
  name: 'mailfarm_net_proxy_headers_total',
  help: 'PROXY protocol headers of balancers',
  label: 'result',
  values: ['accepted', 'local', ...PROXY_FAULTS],
});

export const tlsHandshakes = counter({
  name: 'mailfarm_net_tls_handshakes_total',
  help: 'Handshakes of implicit TLS',
  label: 'result',
  values: ['ok', 'failed', 'timeout', 'no-certificate'],
});

export const tlsReloads = counter({
  name: 'mailfarm_net_tls_reloads_total',
  help: 'TLS files read again because they changed. Alert on failed',
  label: 'result',
  values: ['loaded', 'failed'],
});

export const hintDatagrams = counter({
  name: 'mailfarm_net_hints_total',
  help: 'Datagrams between nodes that say which folders changed. Alert on refused: not of this farm',
  label: 'event',
  values: [
    'sent', // To one node.
    'received',
    'refused', // No datagram of this farm: no right MAC, no text, too long.
    'dropped', // Beyond the rate.
  ],
});

/** What this process has at present; gates and stores keep it. */
export const netNow = {
  connections: 0,
  held: 0,
  addresses: 0,
  /** Seconds since 1970 when the first certificate in use expires; 0 where there is none. */
  certificateExpiry: 0,
};

gauge({
  name: 'mailfarm_net_connections',
  help: 'Connections open at present, as the process that listens counts them',
  read: () => netNow.connections,
});
gauge({
  name: 'mailfarm_net_connections_held',
  help: 'Connections that wait for a worker',
  read: () => netNow.held,
});
gauge({
  name: 'mailfarm_net_limit_entries',
  help: 'Addresses that limits keep in memory',
  read: () => netNow.addresses,
});
gauge({
  name: 'mailfarm_net_certificate_expiry_timestamp_seconds',
  help: 'When the first of the certificates in use expires. Alert two weeks before',
  aggregation: 'max',
  read: () => netNow.certificateExpiry,
});
