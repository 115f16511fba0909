/**
 * Running Debian's mail daemons inside the root of peers. Each process gets namespaces for mounts
 * and processes: whatever it mounts or forks is gone when it ends. It sees the machine's network
 * (everything listens on 127.0.0.0/8), the test's own directories under their own names, and
 * the root itself read-only.
 */
import { peersRoot } from './peers-root.ts';
import { type Running, type RunResult, run, start } from './process.ts';

/** Debian's user `mail`: owner of the mailboxes that peers write; Dovecot refuses root's. */
export const MAIL_UID = 8;
export const MAIL_GID = 8;

export interface InPeers {
  /** Directories that the process sees under the same path, writable. */
  readonly bind?: readonly string[];
  /** Files of the root that look otherwise to it: path in the root → file of the test. */
  readonly files?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Runs as `mail` instead of root. */
  readonly asMail?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

const ENTER = `
set -e
root=$1; user=$2; cwd=$3; binds=$4; files=$5; shift 5
mount --bind "$root" "$root"
for at in $binds; do case $at in /tmp/*) ;; *) mkdir -p "$root$at" ;; esac; done
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
chmod 1777 "$root/tmp"
for at in $binds; do mkdir -p "$root$at"; mount --bind "$at" "$root$at"; done
for pair in $files; do mount --bind "\${pair#*=}" "$root\${pair%%=*}"; done
exec chroot --userspec="$user" "$root" env -C "$cwd" "$@"
`;

/**
 * For a program that becomes another user: that would cancel its death with the test's process. As
 * a child it ends with the shell, which is the first process of its namespace.
 */
export const asChild = (argv: readonly string[]): string[] => [
  'sh',
  '-c',
  '"$@" & wait',
  'sh',
  ...argv,
];

/** Runs a program of the root to its end. */
export const runInPeers = (
  argv: readonly string[],
  options: InPeers & { readonly input?: Uint8Array; readonly ms?: number } = {},
): Promise<RunResult> =>
  run(enter(argv, options), {
    withParent: 'KILL',
    env: { LC_ALL: 'C.UTF-8', ...options.env },
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.ms === undefined ? {} : { ms: options.ms }),
  });

/** Starts a program of the root that stays. */
export const startInPeers = (argv: readonly string[], options: InPeers = {}): Running =>
  start(enter(argv, options), {
    withParent: 'KILL',
    env: { LC_ALL: 'C.UTF-8', ...options.env },
  });

/** The command line that enters the root: for those who need the streams themselves. */
export function enter(argv: readonly string[], options: InPeers): string[] {
  const binds = options.bind ?? [];
  const files = Object.entries(options.files ?? {}).map(([at, file]) => `${at}=${file}`);
  for (const at of [...binds, ...files])
    if (/[\s*?[]/.test(at)) throw new Error(`not a plain path: ${at}`);
  const user = options.asMail ? `${MAIL_UID}:${MAIL_GID}` : '0:0';
  const namespaces = ['unshare', '--mount', '--pid', '--fork', '--kill-child'];
  const words = ['enter', peersRoot, user, options.cwd ?? '/', binds.join(' '), files.join(' ')];
  return [...namespaces, 'bash', '-c', ENTER, ...words, ...argv];
}
