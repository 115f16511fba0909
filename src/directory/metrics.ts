import { counter } from '../metrics/metrics.ts';

/** How questions to the directory were answered. */
export const lookups = counter({
  name: 'mailfarm_directory_lookups_total',
  help: 'Questions to the directory, by what answered them.',
  label: 'answer',
  values: ['cache', 'server', 'absent', 'stale', 'unavailable'],
});

export const serverFailures = counter({
  name: 'mailfarm_directory_server_failures_total',
  help: 'Times a directory server did not give an answer that counts.',
  label: 'reason',
  values: ['connect', 'credentials', 'operation', 'not-whole'],
});

export const passwordChecks = counter({
  name: 'mailfarm_directory_password_checks_total',
  help: 'Passwords verified, by how.',
  label: 'answer',
  values: ['cache', 'accepted', 'refused', 'outage', 'unavailable'],
});

export const embeddedRequests = counter({
  name: 'mailfarm_directory_embedded_requests_total',
  help: 'Requests to the embedded directory.',
  label: 'operation',
  values: ['bind', 'search', 'add', 'modify', 'delete', 'rename', 'compare', 'extended', 'broken'],
});
