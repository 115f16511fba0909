import { counter, gauge } from '../metrics/metrics.ts';

/** By the first digit of the status; `broken`: the client went away, or an answer broke off. */
export const webRequests = counter({
  name: 'mailfarm_web_requests_total',
  help: 'Requests to the services http and https, by the kind of their answer. Alert on 5xx',
  label: 'answer',
  values: ['2xx', '3xx', '4xx', '5xx', 'broken'],
});

/** Connections of the web services of this process. */
export const webConnections = { count: 0 };
gauge({
  name: 'mailfarm_web_connections',
  help: 'Connections to the services http and https open now',
  read: () => webConnections.count,
});
