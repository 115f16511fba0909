import { counter, gauge } from '../metrics/metrics.ts';

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

/** What a client knows of the servers that it may ask. */
export interface ServersKnown {
  readonly down: number;
  /** They answer, and lack changes that another has. */
  readonly behind: number;
}

/** Clients of this process. */
export const clients = new Set<() => ServersKnown>();

const worst = (what: keyof ServersKnown): number =>
  Math.max(0, ...[...clients].map((known) => known()[what]));

gauge({
  name: 'mailfarm_directory_servers_down',
  help: 'Directory servers that do not answer, as the process sees it that sees most',
  aggregation: 'max',
  read: () => worst('down'),
});
gauge({
  name: 'mailfarm_directory_servers_behind',
  help: 'Directory servers that lack changes which another has, as the process that sees most',
  aggregation: 'max',
  read: () => worst('behind'),
});
