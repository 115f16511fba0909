import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MAIL_GID, MAIL_UID, startInPeers } from './in-peers.ts';
import { type Running, freePort, waitForPort } from './process.ts';

export interface PostfixOptions {
  /** A directory of the test's own; configuration, queue and log go to `postfix` in it. */
  readonly directory: string;
  /** Address → absolute Maildir path, delivered by virtual(8) as user `mail`. */
  readonly maildirs: Readonly<Record<string, string>>;
  /** Directories that it must see beside `directory`. */
  readonly bind?: readonly string[];
  /** main.cf lines that come last and so win. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface PostfixServer {
  readonly smtp: number;
  readonly process: Running;
  stop(): Promise<void>;
}

/** Starts Postfix as an MX that delivers to virtual Maildirs on 127.0.0.1. It relays nothing. */
export async function startPostfix(options: PostfixOptions): Promise<PostfixServer> {
  const home = join(options.directory, 'postfix');
  for (const name of ['etc', 'queue', 'data']) mkdirSync(join(home, name), { recursive: true });
  const port = await freePort();
  const table = Object.entries(options.maildirs).map(([to, path]) => `${to} ${path.slice(1)}/`);
  for (const path of Object.values(options.maildirs)) {
    mkdirSync(path, { recursive: true });
    for (const at of [dirname(path), path]) chownSync(at, MAIL_UID, MAIL_GID);
  }
  writeFileSync(join(home, 'etc/mailboxes'), `${table.join('\n')}\n`);
  writeFileSync(join(home, 'etc/main.cf'), mainCf(home, options));
  writeFileSync(join(home, 'etc/master.cf'), masterCf(port));
  // start-fg checks and makes the queue's directories, then becomes master(8) in the foreground.
  const argv = ['sh', '-c', `chown postfix ${home}/data && exec postfix -c ${home}/etc start-fg`];
  const running = startInPeers(argv, { bind: [options.directory, ...(options.bind ?? [])] });
  await waitForPort(port, running);
  return { smtp: port, process: running, stop: () => running.stop() };
}

function mainCf(home: string, options: PostfixOptions): string {
  const domains = new Set(Object.keys(options.maildirs).map((to) => to.split('@')[1] ?? ''));
  const settings = {
    compatibility_level: '3.6',
    queue_directory: `${home}/queue`,
    data_directory: `${home}/data`,
    maillog_file: `${home}/log`,
    maillog_file_prefixes: home,
    myhostname: 'postfix.peers.test',
    mydestination: '',
    local_recipient_maps: '',
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    mynetworks: '127.0.0.0/8',
    default_transport: 'error:nothing leaves this machine',
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
    ...options.settings,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('');
}

const masterCf = (port: number): string => `
127.0.0.1:${port} inet n - n - - smtpd
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
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;
