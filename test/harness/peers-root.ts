/**
 * The peers: mail daemons of Debian in a root of their own below a cache folder. The machine
 * itself never gets a mail daemon, and what CI measures does not depend on the machine's release.
 * The folder is named by a hash of the recipe, built beside it and renamed when complete, so that
 * a root is whole or not there. Courier conflicts with Dovecot and Exim with Postfix by package:
 * their packages are unpacked, not installed, and of files that both have the first one's stay.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run, runOrThrow } from './process.ts';

const SUITE = 'bookworm';
const INSTALLED = [
  'postfix',
  'dovecot-imapd',
  'dovecot-pop3d',
  'dovecot-lmtpd',
  'slapd',
  // What Courier's programs load.
  'libcourier-unicode4',
  'libgamin0',
  'libgdbm6',
  'libidn12',
  'libltdl7',
  'libpcre3',
  // What Exim's program loads.
  'libdb5.3',
  'libgnutls-dane0',
  'libpcre2-8-0',
];
const UNPACKED = [
  'courier-authlib',
  'courier-base',
  'courier-imap',
  'courier-pop',
  'maildrop',
  'exim4-base',
  'exim4-daemon-light',
];

/** Runs in namespaces of its own: mounts and whatever a package starts vanish with it. */
const BUILD = `
set -e
root=$1; mirror=$2; suite=$3; installed=$4; unpacked=$5
debootstrap --variant=minbase "$suite" "$root" "$mirror"
printf '#!/bin/sh\\nexit 101\\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot "$root" apt-get install -q -y --no-install-recommends $installed
mkdir -p "$root/var/cache/unpacked"
chroot "$root" sh -ec 'cd /var/cache/unpacked
  apt-get -o APT::Sandbox::User=root download -q "$@"
  for deb in *.deb; do
    dpkg --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --skip-old-files -C /
  done' sh $unpacked
chroot "$root" useradd --system --no-create-home --user-group Debian-exim
mkdir -p "$root/etc/exim4"
: > "$root/etc/exim4/exim4.conf"
chroot "$root" apt-get clean
rm -rf "$root/var/lib/apt/lists" "$root/var/cache/unpacked" "$root/usr/share/doc"
`;

const recipe = createHash('sha256')
  .update(JSON.stringify([SUITE, INSTALLED, UNPACKED, BUILD]))
  .digest('hex')
  .slice(0, 12);

/** Where the root is, or will be. */
export const peersRoot: string = join(
  process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  'mailfarm',
  `peers-${recipe}`,
);

/** Can peers run here: is the root whole, and may we enter it? */
export const peersReady = (): boolean => existsSync(peersRoot) && process.getuid?.() === 0;

/** Builds the root unless it is there. @throws Error with the end of the log. */
export async function buildPeersRoot(): Promise<void> {
  if (existsSync(peersRoot)) return;
  const building = `${peersRoot}.${process.pid}`;
  const log = `${peersRoot}.log`;
  mkdirSync(building, { recursive: true });
  try {
    const what = [building, await mirror(), SUITE, INSTALLED.join(' '), UNPACKED.join(' ')];
    const enter = ['unshare', '--mount', '--pid', '--fork', '--kill-child'];
    const argv = [...enter, 'bash', '-c', BUILD, 'build', ...what];
    const result = await run(argv, { ms: 900_000, withParent: 'KILL' });
    const said = result.stdout.toString('utf8') + result.stderr;
    writeFileSync(log, said);
    if (result.code !== 0) {
      throw new Error(`building the peers failed, see ${log}\n${said.slice(-1500)}`);
    }
    renameSync(building, peersRoot);
  } catch (error) {
    if (!existsSync(peersRoot)) throw error; // Someone else was first: fine.
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

/** The Debian mirror of this machine's apt, whose lists may have to be fetched first. */
export async function mirror(): Promise<string> {
  const found = await knownMirror();
  if (found !== undefined) return found;
  await run(['apt-get', 'update', '-q'], { ms: 300_000 });
  const fetched = await knownMirror();
  if (fetched === undefined) throw new Error("apt's sources name no Debian mirror");
  return fetched;
}

async function knownMirror(): Promise<string | undefined> {
  const format = '$(ORIGIN) $(LABEL) $(REPO_URI)';
  const targets = await runOrThrow(['apt-get', 'indextargets', '--format', format]);
  for (const line of targets.toString('utf8').split('\n')) {
    const [origin, label, uri] = line.split(' ');
    if (origin === 'Debian' && label === 'Debian' && uri !== undefined) return uri;
  }
  return undefined;
}
