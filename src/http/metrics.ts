import { counter } from '../metrics/metrics.ts';

export const httpRequests = counter({
  name: 'mailfarm_http_requests_total',
  help: 'Requests to the server for health and metrics',
  label: 'route',
  values: ['live', 'ready', 'metrics', 'days', 'invalidate', 'other'],
});
