import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestCertificate } from './certificate.ts';
import { MAIL_GID, MAIL_UID, runInPeers, startInPeers } from './in-peers.ts';
import { type Running, freePort, saidBy, waitForPort } from './process.ts';

export interface PostfixOptions {
  /** A directory of the test's own; configuration, queue and log go to `name` in it. */
  readonly directory: string;
  /** `postfix` unless there are several. */
  readonly name?: string;
  /**
   * Its address, 127.0.0.1 by default: `ownAddress()` for those that MX records name. It takes
   * 127.0.0.1 for itself whatever this is: what it sends to has another one.
   */
  readonly host?: string;
  readonly port?: number;
  /** Address → absolute Maildir path, delivered by virtual(8) as user `mail`. */
  readonly maildirs?: Readonly<Record<string, string>>;
  /** Without it, nothing leaves: mail for other domains is refused. */
  readonly leaving?: PostfixLeaving;
  /** STARTTLS, offered to clients. */
  readonly tls?: TestCertificate;
  /** Directories that it must see beside `directory`. */
  readonly bind?: readonly string[];
  /** main.cf lines that come last and so win. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Postfix as a source: it takes mail for all domains and sends it on. */
export interface PostfixLeaving {
  /** `DnsServer.resolvConf`; MX records and addresses come from there and from nowhere else. */
  readonly resolvConf: string;
  /** Where it finds the SMTP port of all hosts that MX records name. */
  readonly port: number;
  /** Relay map: domain → `smtp:[host]:port`, `lmtp:inet:host:port`, …; the others go by MX. */
  readonly transports?: Readonly<Record<string, string>>;
}

export interface PostfixServer {
  readonly host: string;
  readonly smtp: number;
  readonly process: Running;
  /** maillog so far. */
  log(): string;
  /** Lines of `postqueue -j`: what waits, with the reasons. */
  queue(): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/** Starts Postfix as an MX that delivers to virtual Maildirs; it relays what `leaving` tells. */
export async function startPostfix(options: PostfixOptions): Promise<PostfixServer> {
  const home = join(options.directory, options.name ?? 'postfix');
  for (const name of ['etc', 'queue', 'data']) mkdirSync(join(home, name), { recursive: true });
  const host = options.host ?? '127.0.0.1';
  const port = options.port ?? (await freePort(host));
  writeTable(home, 'mailboxes', makeMaildirs(options.maildirs ?? {}));
  writeTable(home, 'transports', options.leaving?.transports ?? {});
  writeFileSync(join(home, 'etc/main.cf'), mainCf(home, host, options));
  writeFileSync(join(home, 'etc/master.cf'), masterCf(`${host}:${port}`));
  const inside = {
    bind: [options.directory, ...(options.bind ?? [])],
    files: resolvFile(home, options.leaving?.resolvConf),
  };
  // start-fg checks and makes the queue's directories, then becomes master(8) in the foreground.
  const argv = ['sh', '-c', `chown postfix ${home}/data && exec postfix -c ${home}/etc start-fg`];
  const running = startInPeers(argv, inside);
  await waitForPort(port, running, 120_000, host);
  return {
    host,
    smtp: port,
    process: running,
    log: () => (existsSync(join(home, 'log')) ? readFileSync(join(home, 'log'), 'utf8') : ''),
    queue: async () => {
      const result = await runInPeers(['postqueue', '-c', join(home, 'etc'), '-j'], inside);
      if (result.code !== 0) throw new Error(`postqueue: ${saidBy(result)}`);
      return result.stdout.toString('utf8').split('\n').filter(Boolean);
    },
    stop: () => running.stop(),
  };
}

/** Makes the Maildirs' directories for user `mail`. @returns address → path below / */
function makeMaildirs(maildirs: Readonly<Record<string, string>>): Record<string, string> {
  for (const path of Object.values(maildirs)) {
    mkdirSync(path, { recursive: true });
    for (const at of [dirname(path), path]) chownSync(at, MAIL_UID, MAIL_GID);
  }
  return Object.fromEntries(Object.entries(maildirs).map(([to, at]) => [to, `${at.slice(1)}/`]));
}

function writeTable(home: string, name: string, rows: Readonly<Record<string, string>>): void {
  const lines = Object.entries(rows).map(([key, value]) => `${key} ${value}\n`);
  writeFileSync(join(home, 'etc', name), lines.join(''));
}

/** What `files` of in-peers.ts wants for a resolver of the test's own. */
export function resolvFile(home: string, text: string | undefined): Record<string, string> {
  if (text === undefined) return {};
  writeFileSync(join(home, 'resolv.conf'), text, { mode: 0o644 });
  return { '/etc/resolv.conf': join(home, 'resolv.conf') };
}

function mainCf(home: string, host: string, options: PostfixOptions): string {
  const domains = new Set(Object.keys(options.maildirs ?? {}).map((to) => to.split('@')[1] ?? ''));
  const settings = {
    compatibility_level: '3.6',
    queue_directory: `${home}/queue`,
    data_directory: `${home}/data`,
    maillog_file: `${home}/log`,
    maillog_file_prefixes: home,
    myhostname: 'postfix.peers.test',
    mydestination: '',
    local_recipient_maps: '',
    // It wants an address of an interface; that of the listener comes from master.cf.
    inet_interfaces: '127.0.0.1',
    proxy_interfaces: host,
    inet_protocols: 'ipv4',
    mynetworks: '127.0.0.0/8',
    local_transport: 'error:no local users',
    alias_maps: '',
    alias_database: '',
    virtual_mailbox_domains: [...domains].join(' '),
    virtual_mailbox_base: '/',
    virtual_mailbox_maps: `texthash:${home}/etc/mailboxes`,
    virtual_uid_maps: `static:${MAIL_UID}`,
    virtual_gid_maps: `static:${MAIL_GID}`,
    virtual_minimum_uid: '1',
    virtual_mailbox_limit: '0',
    message_size_limit: '0',
    smtpd_peername_lookup: 'no',
    smtpd_client_connection_count_limit: '0',
    in_flow_delay: '0',
    ...leavingSettings(home, host, options.leaving),
    ...tlsSettings(options.tls),
    ...options.settings,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('');
}

function leavingSettings(home: string, host: string, leaving: PostfixLeaving | undefined) {
  if (leaving === undefined) return { default_transport: 'error:nothing leaves this machine' };
  return {
    default_transport: 'smtp',
    transport_maps: `texthash:${home}/etc/transports`,
    smtp_tcp_port: String(leaving.port),
    smtp_host_lookup: 'dns',
    smtp_bind_address: host,
    smtp_tls_security_level: 'may',
    smtpd_relay_restrictions: 'permit_mynetworks, reject',
    queue_run_delay: '2s',
    minimal_backoff_time: '2s',
    maximal_backoff_time: '4s',
  };
}

function tlsSettings(tls: TestCertificate | undefined): Record<string, string> {
  if (tls === undefined) return {};
  return {
    smtpd_tls_security_level: 'may',
    smtpd_tls_cert_file: tls.certificate,
    smtpd_tls_key_file: tls.key,
    smtpd_tls_received_header: 'yes',
  };
}

const masterCf = (listener: string): string => `
${listener} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
error unix - - n - - error
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
tlsmgr unix - - n 1000? 1 tlsmgr
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;
