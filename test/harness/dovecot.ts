import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestCertificate } from './certificate.ts';
import { MAIL_GID, MAIL_UID, startInPeers } from './in-peers.ts';
import { type Running, freePort, waitForPort } from './process.ts';

export interface DovecotOptions {
  /** A directory of the test's own; configuration, sockets and log go to `dovecot` in it. */
  readonly directory: string;
  /** Where mail is, with Dovecot's variables: `/dir/%u` or one path for everyone. */
  readonly maildir: string;
  /** Login name → password. */
  readonly users: Readonly<Record<string, string>>;
  /** Directories that it must see beside `directory`. */
  readonly bind?: readonly string[];
  /**
   * Processes kept and shared instead of one per connection, and syncs as often as Dovecot thinks
   * best: what a benchmark compares with. `hibernating` lets IDLE sessions sleep in a process that
   * holds them all, which saves memory and costs time.
   */
  readonly tuned?: boolean | 'hibernating';
  readonly tls?: TestCertificate;
  /** Lines of configuration that a test needs. */
  readonly settings?: string;
}

export interface DovecotServer {
  readonly imap: number;
  readonly pop3: number;
  readonly lmtp: number;
  /** Implicit TLS; 0 without a certificate. */
  readonly imaps: number;
  readonly pop3s: number;
  readonly process: Running;
  stop(): Promise<void>;
}

/** Starts Dovecot on 127.0.0.1 and waits until it accepts. */
export async function startDovecot(options: DovecotOptions): Promise<DovecotServer> {
  const home = join(options.directory, 'dovecot');
  mkdirSync(home, { recursive: true });
  const port = { imap: await freePort(), pop3: await freePort(), lmtp: await freePort() };
  const secure = options.tls !== undefined;
  const tlsPort = {
    imaps: secure ? await freePort() : 0,
    pop3s: secure ? await freePort() : 0,
  };
  const passwd = Object.entries(options.users).map(([name, secret]) => `${name}:{PLAIN}${secret}`);
  writeFileSync(join(home, 'passwd'), `${passwd.join('\n')}\n`, { mode: 0o644 });
  const file = join(home, 'dovecot.conf');
  writeFileSync(file, configuration(home, options, { ...port, ...tlsPort }));
  const running = startInPeers(['/usr/sbin/dovecot', '-F', '-c', file], {
    bind: [options.directory, ...(options.bind ?? [])],
  });
  const wanted = [port.imap, port.pop3, port.lmtp, ...(secure ? Object.values(tlsPort) : [])];
  for (const each of wanted) await waitForPort(each, running);
  return { ...port, ...tlsPort, process: running, stop: () => running.stop() };
}

type Ports = Readonly<Record<'imap' | 'pop3' | 'lmtp' | 'imaps' | 'pop3s', number>>;

function configuration(home: string, options: DovecotOptions, port: Ports): string {
  const tls = options.tls;
  const tuned = options.tuned !== undefined && options.tuned !== false;
  return `
base_dir = ${home}/run
state_dir = ${home}/state
log_path = ${home}/log
protocols = imap pop3 lmtp
listen = 127.0.0.1
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
first_valid_uid = ${MAIL_UID}
mail_location = maildir:${options.maildir}
mail_max_userip_connections = 100000
mail_fsync = ${tuned ? 'optimized' : 'always'}
ssl = ${tls === undefined ? 'no' : 'yes'}
${tls === undefined ? '' : `ssl_cert = <${tls.certificate}\nssl_key = <${tls.key}`}
passdb {
  driver = passwd-file
  args = username_format=%u ${home}/passwd
}
userdb {
  driver = static
  args = uid=${MAIL_UID} gid=${MAIL_GID} home=${home}/home/%u allow_all_users=yes
}
namespace inbox {
  inbox = yes
  separator = /
}
${login('imap', port.imap, port.imaps, tuned)}
${login('pop3', port.pop3, port.pop3s, tuned)}
service lmtp {
  inet_listener lmtp {
    port = ${port.lmtp}
  }
}
protocol lmtp {
  auth_username_format = %Lu
}
${tuned ? TUNED : ''}
${options.tuned === 'hibernating' ? HIBERNATING : ''}
${options.settings ?? ''}
`;
}

const KEPT = `service_count = 0
  process_min_avail = 2
  process_limit = 2
  client_limit = 5000`;

/**
 * Sessions handled by processes that stay: six times the polls per second of the default. Sizes
 * from names alone, and no flags written for what POP3 has read.
 */
const TUNED = `
service imap {
  ${KEPT}
}
service pop3 {
  ${KEPT}
}
service anvil {
  client_limit = 20000
}
service auth {
  client_limit = 20000
}
maildir_very_dirty_syncs = yes
pop3_fast_size_lookups = yes
pop3_no_flag_updates = yes
verbose_proctitle = no
`;

/**
 * The sleeping ones are held by one process of Dovecot's own user; those of `imap` are mail's. They
 * end after some, as a process that is kept keeps its memory too, and are not one for each: a user
 * may have 128 instances of inotify.
 */
const HIBERNATING = `
imap_hibernate_timeout = 1s
service imap {
  service_count = 50
  client_limit = 50
  process_limit = 100
  unix_listener imap-master {
    user = dovecot
  }
}
service imap-hibernate {
  client_limit = 20000
  unix_listener imap-hibernate {
    mode = 0660
    user = mail
  }
}
`;

const login = (protocol: string, plain: number, secure: number, tuned: boolean): string => `
service ${protocol}-login {
  inet_listener ${protocol} {
    port = ${plain}
  }
  inet_listener ${protocol}s {
    port = ${secure}
    ${secure === 0 ? '' : 'ssl = yes'}
  }
  ${tuned ? KEPT : ''}
}
`;
