/**
 * Fetching with programs that others wrote, each with a home of its own. All leave the messages on
 * the server. Programs that write files with LF line ends give `lf`: compare them with the
 * message in that form. `exact` tells what a program changes by itself; clients.test.ts holds it
 * to that against a reference server.
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Need } from './needs.ts';
import { type RunResult, run } from './process.ts';
import type { ClientTls } from './senders.ts';

export interface FetchOptions {
  readonly port: number;
  readonly tls?: ClientTls;
  readonly user: string;
  readonly password: string;
  /** Temporary files go into a new directory in it. */
  readonly directory: string;
}

export interface Fetched {
  readonly messages: readonly Buffer[];
  readonly result: RunResult;
}

export interface Fetcher {
  readonly name: string;
  readonly need: Need;
  readonly tls: readonly ClientTls['mode'][];
  /** Line ends of what it hands over. */
  readonly form: 'wire' | 'lf';
  /** Does this program hand over exactly these bytes, but for the line ends? */
  exact(wire: Buffer): boolean;
  /** Fetches everything there is. */
  fetch(options: FetchOptions): Promise<Fetched>;
}

const hostOf = (options: FetchOptions): string =>
  options.tls === undefined ? '127.0.0.1' : 'localhost';

async function withHome(
  options: FetchOptions,
  use: (home: string) => Promise<Fetched>,
): Promise<Fetched> {
  const home = mkdtempSync(join(options.directory, 'fetch-'));
  try {
    return await use(home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** Files in a directory, in the order of their numbers or names. */
function files(directory: string): Buffer[] {
  const names = readdirSync(directory).toSorted((a, b) => parseInt(a, 10) - parseInt(b, 10));
  return names.map((name) => readFileSync(join(directory, name)));
}

/**
 * What survives a program that takes a message apart and puts it together again: whole headers on
 * lines that need no folding, a body without parts, no bare CR.
 */
function isPlain(wire: Buffer): boolean {
  const text = wire.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  if (end < 0 || /\r(?!\n)/.test(text)) return false;
  const lines = text.slice(0, end).split('\r\n');
  const fine = /^[\x21-\x39\x3b-\x7e]+:[\t\x20-\x7e\x80-\xff]{0,60}$/;
  const taken = /^(Return-Path|Delivered-To|Content-Type):/i;
  return lines.every((line) => fine.test(line) && !taken.test(line));
}

/** fetchmail reads headers by lines: NUL, dots and From_ there it drops; 8 KB is its buffer. */
function hasMildHeaders(wire: Buffer): boolean {
  const text = wire.toString('latin1');
  const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n');
  const header = text.slice(0, Math.max(end, 0));
  if (end < 0 || header.includes('\0') || /^(\.|From )/m.test(header)) return false;
  return text.split('\r\n').every((line) => line.length < 8000);
}

/** A program that keeps each message it is given in a file of its own. */
function makeKeeper(
  home: string,
  atEnd = '',
): { readonly program: string; readonly directory: string } {
  const directory = join(home, 'got');
  const program = join(home, 'keep');
  mkdirSync(directory);
  const script = `#!/bin/sh\ncat > "$(mktemp ${directory}/XXXXXXXXXX)" || exit 1\n${atEnd}\n`;
  writeFileSync(program, script, { mode: 0o755 });
  return { program, directory };
}

function makeMaildir(home: string): string {
  const maildir = join(home, 'Maildir');
  for (const name of ['tmp', 'new', 'cur']) mkdirSync(join(maildir, name), { recursive: true });
  return maildir;
}

export const curl: Fetcher = {
  name: 'curl',
  need: '/usr/bin/curl',
  tls: ['implicit', 'starttls'],
  form: 'wire',
  exact: () => true,
  fetch: (options) =>
    withHome(options, async (home) => {
      const scheme = options.tls?.mode === 'implicit' ? 'pop3s' : 'pop3';
      const url = `${scheme}://${hostOf(options)}:${options.port}/`;
      const tls = options.tls === undefined ? [] : ['--cacert', options.tls.authority];
      const start = options.tls?.mode === 'starttls' ? ['--ssl-reqd'] : [];
      const common = ['/usr/bin/curl', '-q', '-sS', '-4', ...tls, ...start];
      const who = ['-u', `${options.user}:${options.password}`];
      const env = { HOME: home };
      const list = await run([...common, ...who, '--url', url], { env });
      const count = list.stdout.toString('latin1').split('\r\n').filter(Boolean).length;
      if (list.code !== 0 || count === 0) return { messages: [], result: list };
      mkdirSync(join(home, 'got'));
      const range = ['--url', `${url}[1-${count}]`, '-o', join(home, 'got', '#1')];
      const result = await run([...common, ...who, ...range], { env, ms: 600_000 });
      return { messages: files(join(home, 'got')), result };
    }),
};

const POPLIB = `
import os, poplib, ssl, sys
poplib._MAXLINE = 1 << 30 # Its own limit of 2048 octets a line would refuse longer ones.
mode, authority, port, user, password, target = sys.argv[1:7]
context = ssl.create_default_context(cafile=authority) if authority else None
host = 'localhost' if authority else '127.0.0.1'
if mode == 'implicit':
    client = poplib.POP3_SSL(host, int(port), context=context)
else:
    client = poplib.POP3(host, int(port))
if mode == 'starttls':
    client.stls(context)
client.user(user)
client.pass_(password)
for number in range(1, client.stat()[0] + 1):
    lines = client.retr(number)[1]
    with open(os.path.join(target, str(number)), 'wb') as file:
        file.write(b''.join(line + b'\\r\\n' for line in lines))
client.quit()
`;

export const poplib: Fetcher = {
  name: 'poplib',
  need: '/usr/bin/python3',
  tls: ['implicit', 'starttls'],
  form: 'wire',
  exact: () => true,
  fetch: (options) =>
    withHome(options, async (home) => {
      mkdirSync(join(home, 'got'));
      const tls = [options.tls?.mode ?? 'none', options.tls?.authority ?? ''];
      const who = [String(options.port), options.user, options.password, join(home, 'got')];
      const argv = ['/usr/bin/python3', '-I', '-c', POPLIB, ...tls, ...who];
      const result = await run(argv, { env: { HOME: home }, ms: 600_000 });
      return { messages: files(join(home, 'got')), result };
    }),
};

export const mpop: Fetcher = {
  name: 'mpop',
  need: '/usr/bin/mpop',
  tls: ['implicit', 'starttls'],
  form: 'lf',
  exact: () => true,
  fetch: (options) =>
    withHome(options, async (home) => {
      const maildir = makeMaildir(home);
      const tls = options.tls;
      const lines = [
        'defaults',
        'account default',
        `host ${hostOf(options)}`,
        `port ${options.port}`,
        `user ${options.user}`,
        `password ${options.password}`,
        'auth user',
        'keep on',
        'received_header off',
        `delivery maildir ${maildir}`,
        `uidls_file ${join(home, 'uidls')}`,
        `tls ${tls === undefined ? 'off' : 'on'}`,
        ...(tls === undefined ? [] : [`tls_starttls ${tls.mode === 'starttls' ? 'on' : 'off'}`]),
        ...(tls === undefined ? [] : [`tls_trust_file ${tls.authority}`]),
      ];
      writeFileSync(join(home, 'mpoprc'), `${lines.join('\n')}\n`, { mode: 0o600 });
      const argv = ['/usr/bin/mpop', '-C', join(home, 'mpoprc'), '-Q'];
      const result = await run(argv, { env: { HOME: home }, ms: 600_000 });
      return { messages: files(join(maildir, 'new')), result };
    }),
};

export const fetchmail: Fetcher = {
  name: 'fetchmail',
  need: '/usr/bin/fetchmail',
  tls: ['implicit', 'starttls'],
  form: 'wire',
  exact: hasMildHeaders,
  fetch: (options) =>
    withHome(options, async (home) => {
      const keeper = makeKeeper(home);
      const mode = options.tls?.mode;
      const ssl =
        mode === 'implicit' ? 'ssl' : mode === 'starttls' ? "sslproto 'auto'" : "sslproto ''";
      const trust =
        options.tls === undefined ? '' : `sslcertck sslcertfile ${options.tls.authority}`;
      const lines = [
        'set invisible',
        'set no bouncemail',
        `poll ${hostOf(options)} port ${options.port} proto POP3 uidl bad-header accept`,
        `user '${options.user}' password '${options.password}' is 'root' here`,
        `fetchall keep no rewrite no mimedecode no stripcr pass8bits batchlimit 0 ${ssl} ${trust}`,
        `mda '${keeper.program}'`,
      ];
      writeFileSync(join(home, 'fetchmailrc'), `${lines.join('\n')}\n`, { mode: 0o600 });
      const place = ['-f', join(home, 'fetchmailrc'), '-i', join(home, 'ids')];
      const pid = ['--pidfile', join(home, 'pid'), '--nosyslog'];
      const argv = ['/usr/bin/fetchmail', ...place, ...pid];
      const env = { HOME: home, FETCHMAILHOME: home, LC_ALL: 'C' };
      const result = await run(argv, { env, ms: 600_000 });
      return { messages: files(keeper.directory), result };
    }),
};

/**
 * getmail 6 misses the end of a child that ends before it has begun to wait for it, and gives up
 * after a minute: the child stays until its parent sleeps.
 */
const UNTIL_PARENT_SLEEPS = "until grep -q '^State:.S' /proc/$PPID/status; do sleep 0.01; done";

export const getmail: Fetcher = {
  name: 'getmail',
  need: '/usr/bin/getmail',
  tls: ['implicit'],
  form: 'lf',
  exact: isPlain,
  fetch: (options) =>
    withHome(options, async (home) => {
      const keeper = makeKeeper(home, UNTIL_PARENT_SLEEPS);
      const tls = options.tls;
      const lines = [
        '[retriever]',
        `type = SimplePOP3${tls === undefined ? '' : 'SSL'}Retriever`,
        `server = ${hostOf(options)}`,
        `port = ${options.port}`,
        `username = ${options.user}`,
        `password = ${options.password}`,
        ...(tls === undefined ? [] : [`ca_certs = ${tls.authority}`]),
        '[destination]',
        'type = MDA_external',
        `path = ${keeper.program}`,
        'allow_root_commands = true',
        'unixfrom = false',
        '[options]',
        'read_all = true',
        'delete = false',
        'delivered_to = false',
        'received = false',
        'verbose = 0',
      ];
      writeFileSync(join(home, 'getmailrc'), `${lines.join('\n')}\n`, { mode: 0o600 });
      const argv = ['/usr/bin/getmail', '--getmaildir', home, '--rcfile', 'getmailrc'];
      const result = await run(argv, { env: { HOME: home }, ms: 600_000 });
      return { messages: files(keeper.directory), result };
    }),
};

export const FETCHERS: readonly Fetcher[] = [curl, poplib, mpop, fetchmail, getmail];
