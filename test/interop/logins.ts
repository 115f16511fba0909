/**
 * Mail programs that log in and send, each as its users set it up: over TLS from the first byte or
 * by STARTTLS, with the mechanism that it is told or chooses.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import type { ClientTls } from '../harness/senders.ts';
import type { Need } from '../harness/needs.ts';
import { run, type RunResult } from '../harness/process.ts';

export interface Login {
  readonly port: number;
  readonly tls: ClientTls;
  readonly mechanism: 'PLAIN' | 'LOGIN';
  readonly user: string;
  readonly password: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly message: string;
  /** Files go into a new directory in it. */
  readonly directory: string;
}

export interface LoginProgram {
  readonly name: string;
  readonly need: Need | undefined;
  readonly mechanisms: readonly Login['mechanism'][];
  /** Resolves with code 0 when the server took it. */
  send(login: Login): Promise<RunResult>;
}

async function inHome(
  login: Login,
  use: (home: string, file: string) => Promise<RunResult>,
): Promise<RunResult> {
  const home = mkdtempSync(join(login.directory, 'login-'));
  const file = join(home, 'message');
  writeFileSync(file, login.message);
  try {
    return await use(home, file);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

const curl: LoginProgram = {
  name: 'curl',
  need: '/usr/bin/curl',
  mechanisms: ['PLAIN', 'LOGIN'],
  send: (login) =>
    inHome(login, (home, file) => {
      writeFileSync(file, login.message.replaceAll('\n', '\r\n'));
      const scheme = login.tls.mode === 'implicit' ? 'smtps' : 'smtp';
      const url = `${scheme}://localhost:${login.port}/client.example`;
      const tls = ['--cacert', login.tls.authority, '--ssl-reqd'];
      const who = ['--user', `${login.user}:${login.password}`];
      const how = ['--login-options', `AUTH=${login.mechanism}`, '--mail-from', login.from];
      const to = login.to.flatMap((one) => ['--mail-rcpt', one]);
      const argv = ['-q', '-sS', '-4', ...tls, ...who, ...how, ...to, '--upload-file', file, url];
      return run(['/usr/bin/curl', ...argv], { env: { HOME: home } });
    }),
};

const swaks: LoginProgram = {
  name: 'swaks',
  need: '/usr/bin/swaks',
  mechanisms: ['PLAIN', 'LOGIN'],
  send: (login) =>
    inHome(login, (home, file) => {
      const flag = login.tls.mode === 'implicit' ? '--tlsc' : '--tls';
      const tls = [flag, '--tls-verify', '--tls-ca-path', login.tls.authority];
      const server = ['--server', 'localhost', '--port', String(login.port), '-4'];
      const who = ['--auth', login.mechanism, '-au', login.user, '-ap', login.password];
      const what = ['--from', login.from, '--to', login.to.join(), '--helo', 'client.example'];
      const argv = [...server, ...tls, ...who, ...what, '--data', `@${file}`, '--suppress-data'];
      return run(['/usr/bin/swaks', ...argv], { env: { HOME: home } });
    }),
};

const SMTPLIB = `
import smtplib, ssl, sys
mode, authority, port, mechanism, user, password, sender, file = sys.argv[1:9]
context = ssl.create_default_context(cafile=authority)
if mode == 'implicit':
    client = smtplib.SMTP_SSL('localhost', int(port), 'client.example', context=context)
else:
    client = smtplib.SMTP('localhost', int(port), 'client.example')
    client.starttls(context=context)
client.ehlo()
client.user, client.password = user, password
client.auth(mechanism, getattr(client, 'auth_' + mechanism.lower()))
options = ['RET=HDRS', 'ENVID=x1'] if client.has_extn('dsn') else []
notify = ['NOTIFY=FAILURE,DELAY', 'ORCPT=rfc822;bob+2B@example.test'] if options else []
refused = client.sendmail(sender, sys.argv[9:], open(file).read(), options, notify)
client.quit()
sys.exit(1 if refused else 0)
`;

const smtplib: LoginProgram = {
  name: 'smtplib',
  need: '/usr/bin/python3',
  mechanisms: ['PLAIN', 'LOGIN'],
  send: (login) =>
    inHome(login, (home, file) => {
      const tls = [login.tls.mode, login.tls.authority, String(login.port)];
      const who = [login.mechanism, login.user, login.password, login.from, file, ...login.to];
      return run(['/usr/bin/python3', '-I', '-c', SMTPLIB, ...tls, ...who], {
        env: { HOME: home },
      });
    }),
};

const msmtp: LoginProgram = {
  name: 'msmtp',
  need: '/usr/bin/msmtp',
  mechanisms: ['PLAIN', 'LOGIN'],
  send: (login) =>
    inHome(login, (home, file) => {
      const lines = [
        'defaults',
        'account default',
        'host localhost',
        `port ${login.port}`,
        `from ${login.from}`,
        'domain client.example',
        'syslog off',
        'tls on',
        `tls_starttls ${login.tls.mode === 'starttls' ? 'on' : 'off'}`,
        `tls_trust_file ${login.tls.authority}`,
        `auth ${login.mechanism.toLowerCase()}`,
        `user ${login.user}`,
        `password ${login.password}`,
      ];
      writeFileSync(join(home, 'msmtprc'), `${lines.join('\n')}\n`, { mode: 0o600 });
      const argv = ['/usr/bin/msmtp', '-C', join(home, 'msmtprc'), '--', ...login.to];
      return run(['sh', '-c', 'exec "$@" < "$0"', file, ...argv], { env: { HOME: home } });
    }),
};

/** Writes a message of its own around the text: header, Message-ID and all. */
const mutt: LoginProgram = {
  name: 'mutt',
  need: '/usr/bin/mutt',
  mechanisms: ['PLAIN', 'LOGIN'],
  send: (login) =>
    inHome(login, (home, file) => {
      const scheme = login.tls.mode === 'implicit' ? 'smtps' : 'smtp';
      const name = encodeURIComponent(login.user);
      const lines = [
        `set smtp_url="${scheme}://${name}@localhost:${login.port}/"`,
        `set smtp_pass="${login.password}"`,
        `set smtp_authenticators="${login.mechanism.toLowerCase()}"`,
        `set from="${login.from}" use_from=yes use_envelope_from=yes`,
        'set ssl_starttls=yes ssl_force_tls=yes ssl_use_inet6=no',
        `set certificate_file="${login.tls.authority}"`,
        'set copy=no record="" hostname="client.example"',
      ];
      writeFileSync(join(home, 'muttrc'), `${lines.join('\n')}\n`);
      const body = login.message.slice(login.message.indexOf('\n\n') + 2);
      writeFileSync(file, body);
      const subject = /^Subject: (.*)$/m.exec(login.message)?.[1] ?? '';
      const argv = ['/usr/bin/mutt', '-n', '-F', join(home, 'muttrc'), '-s', subject];
      const script = 'exec "$@" < "$0"';
      return run(['sh', '-c', script, file, ...argv, '--', ...login.to], { env: { HOME: home } });
    }),
};

const nodemailer: LoginProgram = {
  name: 'nodemailer',
  need: undefined,
  mechanisms: ['PLAIN', 'LOGIN'],
  send: async (login) => {
    const transport = createTransport({
      host: 'localhost',
      port: login.port,
      name: 'client.example',
      secure: login.tls.mode === 'implicit',
      requireTLS: login.tls.mode === 'starttls',
      authMethod: login.mechanism,
      auth: { user: login.user, pass: login.password },
      tls: { ca: readFileSync(login.tls.authority) },
    });
    try {
      await transport.sendMail({
        envelope: { from: login.from, to: [...login.to] },
        raw: login.message,
        dsn: { id: 'x+1', return: 'headers', notify: ['failure', 'delay'], recipient: login.from },
      });
      return { code: 0, stdout: Buffer.alloc(0), stderr: '' };
    } catch (error) {
      return { code: 1, stdout: Buffer.alloc(0), stderr: String(error) };
    } finally {
      transport.close();
    }
  },
};

export const LOGIN_PROGRAMS: readonly LoginProgram[] = [
  curl,
  swaks,
  smtplib,
  msmtp,
  mutt,
  nodemailer,
];
