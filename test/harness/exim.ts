/**
 * Exim, the light daemon of Debian: a destination with Maildirs, and a source that takes mail for
 * every domain from this machine and sends it on by MX records of the test's own DNS.
 */
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestCertificate } from './certificate.ts';
import { MAIL_GID, MAIL_UID, runInPeers, startInPeers } from './in-peers.ts';
import { resolvFile } from './postfix.ts';
import { type Running, freePort, runOrThrow, saidBy, waitForPort } from './process.ts';

export interface EximOptions {
  /** A directory of the test's own; configuration, queue and log go to `name` in it. */
  readonly directory: string;
  /** `exim` unless there are several. */
  readonly name?: string;
  /** Its address, 127.0.0.1 by default: `ownAddress()` for those that MX records name. */
  readonly host?: string;
  readonly port?: number;
  /** Address → absolute Maildir path, written as user `mail`; other users of these domains: 550. */
  readonly maildirs?: Readonly<Record<string, string>>;
  /** Without it, nothing leaves: mail for other domains is refused. */
  readonly leaving?: {
    /** `DnsServer.resolvConf`. */
    readonly resolvConf: string;
    /** Where it finds the SMTP port of all hosts that MX records name. */
    readonly port: number;
    /** Everything goes there instead, as `host`. */
    readonly smarthost?: string;
  };
  readonly tls?: TestCertificate;
  /** Directories that it must see beside `directory`. */
  readonly bind?: readonly string[];
  /** Lines for the main part, and for the SMTP transport. */
  readonly settings?: readonly string[];
  readonly transport?: readonly string[];
}

export interface EximServer {
  readonly host: string;
  readonly smtp: number;
  readonly process: Running;
  /** mainlog so far. */
  log(): string;
  /** What `exim -bp` prints: what waits. */
  queue(): Promise<string>;
  stop(): Promise<void>;
}

const CONFIGURATION = '/etc/exim4/exim4.conf';

export async function startExim(options: EximOptions): Promise<EximServer> {
  const home = join(options.directory, options.name ?? 'exim');
  for (const name of ['spool', 'log']) mkdirSync(join(home, name), { recursive: true });
  const host = options.host ?? '127.0.0.1';
  const port = options.port ?? (await freePort(host));
  const rows = Object.entries(options.maildirs ?? {}).map(([to, path]) => {
    mkdirSync(path, { recursive: true });
    for (const at of [dirname(path), path]) chownSync(at, MAIL_UID, MAIL_GID);
    return `${to}: ${path}\n`;
  });
  writeFileSync(join(home, 'mailboxes'), rows.join(''));
  writeFileSync(join(home, 'exim4.conf'), configuration(home, host, port, options));
  await runOrThrow(['chmod', '-R', 'a+rX', home]);
  const inside = {
    bind: [options.directory, ...(options.bind ?? [])],
    files: {
      ...resolvFile(home, options.leaving?.resolvConf),
      [CONFIGURATION]: join(home, 'exim4.conf'),
    },
  };
  // It reads the key as its own user.
  if (options.tls !== undefined) copyFileSync(options.tls.key, join(home, 'spool/key.pem'));
  const own = `chown -R Debian-exim:Debian-exim ${home}/spool ${home}/log`;
  const running = startInPeers(['sh', '-c', `${own} && { exim4 -bdf -q2s & wait; }`], inside);
  await waitForPort(port, running, 120_000, host);
  const mainlog = join(home, 'log/main');
  return {
    host,
    smtp: port,
    process: running,
    log: () => (existsSync(mainlog) ? readFileSync(mainlog, 'utf8') : ''),
    queue: async () => {
      const result = await runInPeers(['exim4', '-bp'], inside);
      if (result.code !== 0) throw new Error(`exim4 -bp: ${saidBy(result)}`);
      return result.stdout.toString('utf8');
    },
    stop: () => running.stop(0), // The first process of a namespace: no SIGTERM reaches it.
  };
}

function configuration(home: string, host: string, port: number, options: EximOptions): string {
  const main = mainPart(home, host, port, options);
  return [
    main,
    accessPart(options),
    deliveryPart(home, options),
    'begin retry\n* * F,1h,2s\n',
  ].join('\n');
}

function mainPart(home: string, host: string, port: number, options: EximOptions): string {
  const domains = Object.keys(options.maildirs ?? {}).map((to) => to.split('@')[1] ?? '');
  const tls =
    options.tls === undefined
      ? ['tls_advertise_hosts =']
      : [
          'tls_advertise_hosts = *',
          `tls_certificate = ${options.tls.certificate}`,
          `tls_privatekey = ${home}/spool/key.pem`,
        ];
  return `
primary_hostname = ${options.name ?? 'exim'}.peers.test
local_interfaces = ${host}
daemon_smtp_ports = ${port}
spool_directory = ${home}/spool
log_file_path = ${home}/log/%s
pid_file_path = ${home}/spool/exim.pid
disable_ipv6 = true
dns_dnssec_ok = 1
host_lookup =
rfc1413_query_timeout = 0s
never_users =
keep_environment =
message_size_limit = 0
smtp_accept_max = 0
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
remote_max_parallel = 20
queue_run_max = 5
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
domainlist ours = ${[...new Set(domains)].join(' : ')}
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
${tls.join('\n')}
${(options.settings ?? []).join('\n')}
`;
}

const accessPart = ({ leaving }: EximOptions): string => `begin acl
rcpt:
  accept domains = +ours
         verify = recipient
  deny   domains = +ours
         message = no such mailbox
  ${leaving === undefined ? 'deny message = nothing leaves this machine' : 'accept'}
`;

function deliveryPart(home: string, { leaving, transport = [] }: EximOptions): string {
  const path = `\${lookup{$local_part@$domain}lsearch{${home}/mailboxes}}`;
  return `begin routers
mailbox:
  driver = accept
  domains = +ours
  condition = \${if !eq{${path}}{}}
  transport = maildir
nobody:
  driver = redirect
  domains = +ours
  allow_fail
  data = :fail: no such mailbox
${leaving === undefined ? '' : leavingRouter(leaving.smarthost)}

begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = ${path}
  return_path_add
  user = mail
  group = mail
remote:
  driver = smtp
  port = ${leaving?.port ?? 25}
  dnssec_request_domains = *
  hosts_try_fastopen =
${transport.map((line) => `  ${line}\n`).join('')}`;
}

const leavingRouter = (smarthost: string | undefined): string =>
  smarthost === undefined
    ? `by_mx:
  driver = dnslookup
  dnssec_request_domains = *
  transport = remote
  no_more`
    : `by_smarthost:
  driver = manualroute
  route_list = * ${smarthost} byname
  transport = remote
  no_more`;
