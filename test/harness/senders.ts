/**
 * Sending with programs that others wrote. Each is given the message in wire form, in a file made
 * as that program wants it, and a home of its own, so that no user's configuration has a say.
 * `carried` tells what a program changes by itself; clients.test.ts holds it to that
 * against a reference server.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataBytes } from './chat.ts';
import { runInPeers } from './in-peers.ts';
import type { Need } from './needs.ts';
import { type RunResult, run } from './process.ts';

/** TLS as the user would ask for it: from the first byte, or by STARTTLS / STLS. */
export interface ClientTls {
  readonly mode: 'implicit' | 'starttls';
  /** PEM file of the authority; the server's name is then `localhost`. */
  readonly authority: string;
}

export interface SendOptions {
  readonly port: number;
  readonly tls?: ClientTls;
  readonly from: string;
  readonly to: readonly string[];
  readonly wire: Buffer;
  /** Temporary files go into a new directory in it. */
  readonly directory: string;
}

export interface Sender {
  readonly name: string;
  readonly need: Need;
  readonly tls: readonly ClientTls['mode'][];
  /** What this program makes of these bytes on the wire; undefined when it cannot send them. */
  carried(wire: Buffer): Buffer | undefined;
  /** Resolves with the program's result: code 0 when the server accepted. */
  send(options: SendOptions): Promise<RunResult>;
}

const CRLF = Buffer.from('\r\n');

const toLf = (wire: Buffer): Buffer =>
  Buffer.from(wire.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');

/** A new directory with the message in `form`, gone afterwards. */
async function withFile(
  options: SendOptions,
  form: Buffer,
  use: (file: string, home: string) => Promise<RunResult>,
): Promise<RunResult> {
  const home = mkdtempSync(join(options.directory, 'send-'));
  const file = join(home, 'message');
  writeFileSync(file, form);
  try {
    return await use(file, home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

const hostOf = (options: SendOptions): string =>
  options.tls === undefined ? '127.0.0.1' : 'localhost';

export const curl: Sender = {
  name: 'curl',
  need: '/usr/bin/curl',
  tls: ['implicit', 'starttls'],
  carried: (wire) => (wire.length === 0 ? undefined : wire), // It waits for ever.
  send: (options) =>
    withFile(options, options.wire, (file, home) => {
      const scheme = options.tls?.mode === 'implicit' ? 'smtps' : 'smtp';
      const url = `${scheme}://${hostOf(options)}:${options.port}/client.example`;
      const tls = options.tls === undefined ? [] : ['--cacert', options.tls.authority];
      const start = options.tls?.mode === 'starttls' ? ['--ssl-reqd'] : [];
      const to = options.to.flatMap((each) => ['--mail-rcpt', each]);
      const what = ['--mail-from', options.from, ...to, '--upload-file', file];
      const argv = ['/usr/bin/curl', '-q', '-sS', '-4', ...tls, ...start, '--url', url, ...what];
      return run(argv, { env: { HOME: home } });
    }),
};

/** With --no-data-fixup it sends our bytes as they are: dots and the end are ours too. */
export const swaks: Sender = {
  name: 'swaks',
  need: '/usr/bin/swaks',
  tls: ['implicit', 'starttls'],
  carried: (wire) => (wire.length === 0 ? undefined : wire), // It takes `.` for a file name.
  send: (options) =>
    withFile(options, dataBytes(options.wire).subarray(0, -2), (file, home) => {
      const flag = options.tls?.mode === 'implicit' ? '--tlsc' : '--tls';
      const authority = options.tls?.authority ?? '';
      const tls =
        options.tls === undefined ? [] : [flag, '--tls-verify', '--tls-ca-path', authority];
      const server = ['--server', hostOf(options), '--port', String(options.port)];
      const who = ['--from', options.from, '--to', options.to.join(), '--helo', 'client.example'];
      const what = ['--no-data-fixup', '--data', `@${file}`, '--suppress-data'];
      return run(['/usr/bin/swaks', ...server, ...tls, ...who, ...what], { env: { HOME: home } });
    }),
};

/** Postfix's load generator: ends each line itself, and the message with an empty line more. */
export const smtpSource: Sender = {
  name: 'smtp-source',
  need: 'postfix',
  tls: [],
  carried: (wire) => (wire.length === 0 ? undefined : Buffer.concat([wire, CRLF])),
  send: (options) =>
    withFile(options, toLf(options.wire), (file, home) => {
      const to = ['-f', options.from, '-t', options.to[0] ?? '', '-M', 'client.example'];
      const argv = ['/usr/sbin/smtp-source', ...to, '-F', file, `127.0.0.1:${options.port}`];
      return runInPeers(argv, { bind: [home] });
    }),
};

const SMTPLIB = `
import smtplib, ssl, sys
mode, authority, port, sender, file = sys.argv[1:6]
context = ssl.create_default_context(cafile=authority) if authority else None
host = 'localhost' if authority else '127.0.0.1'
if mode == 'implicit':
    client = smtplib.SMTP_SSL(host, int(port), 'client.example', context=context)
else:
    client = smtplib.SMTP(host, int(port), 'client.example')
if mode == 'starttls':
    client.starttls(context=context)
refused = client.sendmail(sender, sys.argv[6:], open(file, 'rb').read())
client.quit()
sys.exit(1 if refused else 0)
`;

export const smtplib: Sender = {
  name: 'smtplib',
  need: '/usr/bin/python3',
  tls: ['implicit', 'starttls'],
  carried: (wire) => (wire.length === 0 ? CRLF : wire),
  send: (options) =>
    withFile(options, options.wire, (file, home) => {
      const tls = [options.tls?.mode ?? 'none', options.tls?.authority ?? ''];
      const words = [...tls, String(options.port), options.from, file, ...options.to];
      return run(['/usr/bin/python3', '-I', '-c', SMTPLIB, ...words], { env: { HOME: home } });
    }),
};

export const msmtp: Sender = {
  name: 'msmtp',
  need: '/usr/bin/msmtp',
  tls: ['implicit', 'starttls'],
  carried: (wire) => (wire.length === 0 ? undefined : wire), // It waits for ever.
  send: (options) =>
    withFile(options, options.wire, (file, home) => {
      const tls = options.tls;
      const lines = [
        'defaults',
        'account default',
        `host ${hostOf(options)}`,
        `port ${options.port}`,
        `from ${options.from}`,
        'domain client.example',
        'syslog off',
        'auto_from off',
        'set_from_header off',
        'set_date_header off',
        'set_msgid_header off',
        'remove_bcc_headers off',
        'undisclosed_recipients off',
        `tls ${tls === undefined ? 'off' : 'on'}`,
        ...(tls === undefined ? [] : [`tls_starttls ${tls.mode === 'starttls' ? 'on' : 'off'}`]),
        ...(tls === undefined ? [] : [`tls_trust_file ${tls.authority}`]),
      ];
      writeFileSync(join(home, 'msmtprc'), `${lines.join('\n')}\n`, { mode: 0o600 });
      const argv = ['/usr/bin/msmtp', '-C', join(home, 'msmtprc'), '--', ...options.to];
      return run(['sh', '-c', 'exec "$@" < "$0"', file, ...argv], { env: { HOME: home } });
    }),
};

export const SENDERS: readonly Sender[] = [curl, swaks, smtpSource, smtplib, msmtp];
