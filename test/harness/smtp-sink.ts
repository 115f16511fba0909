/** Postfix's smtp-sink and smtp-source: load without a mail system, and a few simple failures. */
import { chownSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { asChild, MAIL_GID, MAIL_UID, runInPeers, startInPeers } from './in-peers.ts';
import { type Running, type RunResult, freePort, waitForPort } from './process.ts';

export interface SinkOptions {
  readonly host?: string;
  readonly port?: number;
  /**
   * More of its flags: `-L` LMTP, `-e` no ESMTP, `-p` no PIPELINING, `-8` no 8BITMIME, `-w 1`
   * a second before each reply to data, `-q mail`, `-r rcpt`, `-s data`, `-f ehlo` (disconnect,
   * soft error, …: see its manual page).
   */
  readonly flags?: readonly string[];
  /** Each transaction becomes a file in this directory of the test's own: `SmtpSink.letters`. */
  readonly dumps?: string;
}

export interface SmtpSink {
  readonly host: string;
  readonly port: number;
  readonly process: Running;
  /** Dumps so far, in no order: X-Client-…, X-Mail-Args, X-Rcpt-Args lines, then the message. */
  letters(): Buffer[];
  stop(): Promise<void>;
}

export async function startSmtpSink(options: SinkOptions = {}): Promise<SmtpSink> {
  const host = options.host ?? '127.0.0.1';
  const port = options.port ?? (await freePort(host));
  const dumps = options.dumps;
  if (dumps !== undefined) {
    mkdirSync(dumps, { recursive: true });
    chownSync(dumps, MAIL_UID, MAIL_GID);
  }
  const dumping = dumps === undefined ? [] : ['-d', join(dumps, 'letter.')];
  const argv = [
    'smtp-sink',
    '-u',
    'mail',
    ...dumping,
    ...(options.flags ?? []),
    `${host}:${port}`,
    '1000',
  ];
  const bind = dumps === undefined ? [] : [dumps];
  const running = startInPeers(asChild(argv), { bind });
  await waitForPort(port, running, 120_000, host);
  const names = (): string[] =>
    dumps === undefined ? [] : readdirSync(dumps).filter((name) => name.startsWith('letter.'));
  return {
    host,
    port,
    process: running,
    letters: () => names().map((name) => readFileSync(join(dumps ?? '', name))),
    stop: () => running.stop(0), // The first process of a namespace: no SIGTERM reaches it.
  };
}

export interface SourceLoad {
  readonly host: string;
  readonly port: number;
  readonly from: string;
  readonly to: string;
  /** Letters in all, and connections at a time. */
  readonly letters: number;
  readonly sessions: number;
  readonly octets?: number;
  /** More of its flags: `-d` keeps connections, `-N` numbers the recipients. */
  readonly flags?: readonly string[];
}

/** Sends letters with smtp-source; it stops at the first reply that it does not like. */
export const runSmtpSource = (load: SourceLoad): Promise<RunResult> => {
  const amount = ['-m', String(load.letters), '-s', String(load.sessions)];
  const size = load.octets === undefined ? [] : ['-l', String(load.octets)];
  const who = ['-f', load.from, '-t', load.to, '-M', 'source.example'];
  const words = [...amount, ...size, ...who, ...(load.flags ?? []), `${load.host}:${load.port}`];
  return runInPeers(['smtp-source', ...words], { ms: 900_000 });
};
