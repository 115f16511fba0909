import { counter } from '../metrics/metrics.ts';

/** How questions to the directory were answered. */
export const lookups = counter({
  name: 'mailfarm_directory_lookups_total',
  help: 'Questions to the directory, by what answered them.',
  label: 'answer',
  values: ['cache', 'server', 'absent', 'stale', 'unavailable'],
});

/** An expansion goes on without them: the others of a list do not wait for a corrected entry. */
export const leftOut = counter({
  name: 'mailfarm_directory_left_out_total',
  help: 'Addresses that a list, forward or catch-all names and that got nothing, by reason',
  label: 'reason',
  values: ['unknown', 'malformed', 'refused', 'too-many'],
});

export const serverFailures = counter({
  name: 'mailfarm_directory_server_failures_total',
  help: 'Times a directory server did not give an answer that counts.',
  label: 'reason',
  values: ['connect', 'credentials', 'operation', 'not-whole', 'behind'],
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
