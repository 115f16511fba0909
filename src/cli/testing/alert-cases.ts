/**
 * For each alert series with which it fires, and series with which it does not: what `promtool test
 * rules` reads as `values`, a sample a minute. `a+bxN` rises by b N times, `axN` stays.
 */
export interface AlertCase {
  readonly fires: Series;
  readonly rests: Series;
  /** Minutes after which it is looked at; 30 where nothing is said. */
  readonly minutes?: number;
}
type Series = Readonly<Record<string, string>>;

const at = (name: string, labels = ''): string => `${name}{job="mailfarm",node="mx1"${labels}}`;
const other = (name: string, labels = ''): string => `${name}{job="mailfarm",node="mx2"${labels}}`;
const label = (name: string, value: string): string => `,${name}="${value}"`;
const mail1 = label('volume', 'mail1');

/** A gauge that is at one value, and at another. */
const level = (series: string, fires: number, rests: number): AlertCase => ({
  fires: { [series]: `${fires}x60` },
  rests: { [series]: `${rests}x60` },
});

/** A counter that rises, and one that stands where it is. */
const rise = (series: string, by = 1): AlertCase => ({
  fires: { [series]: `0+${by}x60` },
  rests: { [series]: '5x60' },
});

/** Of a whole that grows by 100 a minute, a part that grows by so much. */
const share = (part: string, rest: string, fires: number, rests: number): AlertCase => ({
  fires: { [part]: `0+${fires}x60`, [rest]: `0+${100 - fires}x60` },
  rests: { [part]: `0+${rests}x60`, [rest]: `0+${100 - rests}x60` },
});

const buckets = (fast: number): Series => ({
  [at('mailfarm_volume_operation_seconds_bucket', `${mail1},le="0.1"`)]: `0+${fast}x60`,
  [at('mailfarm_volume_operation_seconds_bucket', `${mail1},le="1"`)]: `0+${fast}x60`,
  [at('mailfarm_volume_operation_seconds_bucket', `${mail1},le="10"`)]: '0+100x60',
  [at('mailfarm_volume_operation_seconds_bucket', `${mail1},le="+Inf"`)]: '0+100x60',
});

const logins = (verdict: string): string =>
  at('mailfarm_auth_attempts_total', label('verdict', verdict));
const sent = (result: string): string =>
  at('mailfarm_sender_recipients_total', label('result', result));
const delivered = (result: string): string =>
  at('mailfarm_delivery_recipients_total', label('result', result));
const lookups = (answer: string): string =>
  at('mailfarm_directory_lookups_total', label('answer', answer));
const UP = 'mailfarm_volume_up';
const DAY = 86_400;

export const ALERT_CASES: Readonly<Record<string, AlertCase | 'always'>> = {
  MailfarmWatchdog: 'always',
  MailfarmNodeDown: level(at('up'), 0, 1),
  MailfarmNodesDown: {
    fires: { [at('up')]: '0x60', [other('up')]: '1x60' },
    rests: { [at('up')]: '0x60', [other('up')]: '1x60', 'up{job="mailfarm",node="mx3"}': '1x60' },
  },
  MailfarmNoWorkers: level(at('mailfarm_node_workers'), 0, 2),
  MailfarmWorkersStuck: level(at('mailfarm_node_workers_stuck'), 1, 0),
  MailfarmSettingUnknown: level(at('mailfarm_node_unknown', label('name', 'smtp.future')), 1, 0),
  MailfarmWorkersDie: rise(at('mailfarm_node_worker_deaths_total')),
  MailfarmEventLoopLag: level(at('mailfarm_process_event_loop_lag_seconds'), 2, 0.3),
  MailfarmConnectionsRefused: rise(
    at('mailfarm_net_connections_total', label('outcome', 'refused-no-worker')),
    4,
  ),
  MailfarmAcceptFails: rise(at('mailfarm_net_accept_errors_total', label('kind', 'files'))),
  MailfarmInternalErrors: {
    fires: bugs('0+1x60'),
    rests: bugs('3x60'),
  },
  MailfarmWebErrors: share(
    at('mailfarm_web_requests_total', label('answer', '5xx')),
    at('mailfarm_web_requests_total', label('answer', '2xx')),
    10,
    1,
  ),
  MailfarmCertificateExpires: level(
    at('mailfarm_net_certificate_expiry_timestamp_seconds'),
    13 * DAY,
    15 * DAY,
  ),
  MailfarmCertificateNotRead: rise(at('mailfarm_net_tls_reloads_total', label('result', 'failed'))),
  MailfarmVolumeDown: {
    fires: { [at(UP, mail1)]: '0x60', [other(UP, mail1)]: '1x60' },
    rests: { [at(UP, mail1)]: '1x60', [other(UP, mail1)]: '1x60' },
  },
  MailfarmVolumeDownOnOneNode: {
    fires: { [at(UP, mail1)]: '0x60', [other(UP, mail1)]: '1x60' },
    rests: { [at(UP, mail1)]: '0x60', [other(UP, mail1)]: '0x60' },
  },
  MailfarmVolumeSilent: level(at('mailfarm_volume_probe_age_seconds', mail1), 90, 5),
  MailfarmVolumeSlow: { fires: buckets(90), rests: buckets(99) },
  MailfarmVolumeErrors: share(
    at('mailfarm_volume_results_total', `${mail1},result="volume-busy"`),
    at('mailfarm_volume_results_total', `${mail1},result="ok"`),
    5,
    1,
  ),
  MailfarmVolumeOverdue: level(at('mailfarm_volume_overdue', mail1), 2, 0),
  MailfarmVolumeFull: level(at('mailfarm_volume_full', mail1), 1, 0),
  MailfarmVolumeFillsUp: {
    minutes: 75,
    fires: { [at('mailfarm_volume_free_bytes', mail1)]: '1000000-300x90' },
    rests: { [at('mailfarm_volume_free_bytes', mail1)]: '1000000-100x90' },
  },
  MailfarmVolumeInodes: level(at('mailfarm_volume_free_inodes', mail1), 5000, 5_000_000),
  MailfarmVolumeReadOnly: level(at('mailfarm_volume_read_only', mail1), 1, 0),
  MailfarmParkedOld: level(at('mailfarm_delivery_parked_oldest_seconds', mail1), 4000, 600),
  MailfarmDeliveriesFail: share(delivered('volume-down'), delivered('delivered'), 10, 1),
  MailfarmDeliveryPartial: rise(at('mailfarm_mx_messages_total', label('result', 'partial'))),
  MailfarmQueueOld: level(at('mailfarm_sender_oldest_seconds'), 25_000, 4000),
  MailfarmSendingFails: share(sent('failed'), sent('sent'), 50, 10),
  MailfarmSendersIdle: {
    minutes: 55,
    fires: { [at('mailfarm_sender_letters_held')]: '30x60', [sent('sent')]: '9x60' },
    rests: { [at('mailfarm_sender_letters_held')]: '30x60', [sent('sent')]: '0+9x60' },
  },
  MailfarmNoticesFail: rise(at('mailfarm_relay_notices_total', label('result', 'failed'))),
  MailfarmDirectoryUnavailable: rise(lookups('unavailable'), 3),
  MailfarmDirectoryStale: rise(lookups('stale')),
  MailfarmDirectoryServerDown: level(at('mailfarm_directory_servers_down'), 1, 0),
  MailfarmDirectoryServerBehind: level(at('mailfarm_directory_servers_behind'), 1, 0),
  MailfarmLoginsUnavailable: rise(logins('unavailable'), 5),
  MailfarmLoginsRefused: {
    minutes: 55,
    fires: { [logins('refused')]: '0+600x60', [logins('accepted')]: '0+20x60' },
    rests: { [logins('refused')]: '0+600x60', [logins('accepted')]: '0+200x60' },
  },
  MailfarmBalancerDown: level('up{job="balancer",node="lb1"}', 0, 1),
  MailfarmBackendEmpty: level(
    'haproxy_backend_active_servers{job="balancer",node="lb1",proxy="imaps"}',
    0,
    2,
  ),
  // Time begins at 0 for promtool.
  MailfarmBackupOld: level(
    'mailfarm_backup_last_success_timestamp_seconds{volume="mail1"}',
    -2 * DAY,
    0,
  ),
};

function bugs(values: string): Series {
  return {
    [at('mailfarm_smtp_bugs_total', label('where', 'data'))]: values,
    [at('mailfarm_pop3_sessions_total', label('reason', 'internal-error'))]: '0x60',
    [at('mailfarm_imap_sessions_total', label('reason', 'internal-error'))]: '0x60',
    [at('mailfarm_jmap_calls_total', label('result', 'serverFail'))]: '0x60',
  };
}
