/**
 * The disk that every host of the farm begins with: Debian as its installer leaves it, with the
 * packages that the roles ask for (the hosts have no network to fetch them from), nothing of
 * Mailfarm and no service of the farm running. Made once, in a folder below the cache that is named
 * by a hash of the recipe; built beside it and renamed when complete, so that two builds at once
 * end with one image and nobody sees half of one.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { mirror } from '../../harness/peers-root.ts';
import { start } from '../../harness/process.ts';
import type { Kernel } from '../kernel.ts';

const SUITE = 'bookworm';
const BUILD_MS = 1_800_000;

/** What Debian's installer gives, and `openssh-server` with `python3`, which ansible asks for. */
const BASE: readonly string[] = (
  'systemd systemd-sysv udev dbus kmod init iproute2 iputils-ping openssh-server python3 ' +
  'sudo ca-certificates procps less netbase'
).split(' ');

/** What the roles of ansible/ ask apt for: what is not here, they cannot install. */
export const ROLE_PACKAGES: readonly string[] = (
  'python3-apt curl openssl nftables chrony e2fsprogs xfsprogs parted nfs-common ' +
  'nfs-kernel-server rpcbind acl attr quota rsync tar gzip xz-utils zstd slapd ' +
  'ldap-utils haproxy keepalived prometheus nginx-light prometheus-node-exporter ' +
  'prometheus-alertmanager logrotate cron jq socat bind9 dnsutils python3-cryptography ' +
  'python3-ldap ssl-cert lsb-release'
).split(' ');

/** Runs in namespaces of its own: mounts and whatever a package starts vanish with it. */
const BUILD = `
set -e
folder=$1; mirror=$2; suite=$3; base=$4; packages=$5; modules=$6
root=$folder/root
debootstrap --variant=minbase --include="$base" "$suite" "$root" "$mirror"
printf '#!/bin/sh\\nexit 101\\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot "$root" apt-get install -q -y --no-install-recommends $packages
chroot "$root" apt-get clean
umount -l "$root/dev" "$root/proc"
rm "$root/usr/sbin/policy-rc.d"
# The farm's services are started by the roles, not by their packages.
for unit in $(ls "$root"/etc/systemd/system/multi-user.target.wants) slapd; do
  case $unit in ssh.service|remote-fs.target|e2scrub_reap.service) continue ;; esac
  chroot "$root" systemctl disable "$unit"
done
chroot "$root" systemctl disable rpcbind.socket named.service nfs-client.target
chroot "$root" systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
  man-db.timer dpkg-db-backup.timer fstrim.timer getty@tty1.service console-getty.service \
  systemd-firstboot.service serial-getty@tty0.service
chroot "$root" systemctl enable systemd-networkd ssh
rm -rf "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/* \
  "$root"/usr/share/locale/* "$root"/var/lib/slapd "$root"/etc/hostname "$root"/var/log/*.log
: > "$root/etc/machine-id"
: > "$root/etc/apt/sources.list"
: > "$root/etc/resolv.conf"
cp -a "$modules" "$root/usr/lib/"
install -D -m 755 "$folder/lab-network" "$root/usr/local/sbin/lab-network"
install -D -m 644 "$folder/lab-network.service" "$root/etc/systemd/system/lab-network.service"
chroot "$root" systemctl enable lab-network
install -D -m 644 "$folder/lab-disks.rules" "$root/etc/udev/rules.d/60-lab-disks.rules"
# Node's io_uring rings corrupt the page table of this kernel.
echo 'kernel.io_uring_disabled = 2' > "$root/etc/sysctl.d/00-lab.conf"
ssh-keygen -q -t ed25519 -N '' -C lab -f "$folder/key"
install -d -m 700 "$root/root/.ssh"
install -m 600 "$folder/key.pub" "$root/root/.ssh/authorized_keys"
rm -f "$root"/etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -C lab -f "$root/etc/ssh/ssh_host_ed25519_key"
cp "$root/etc/ssh/ssh_host_ed25519_key.pub" "$folder/host-key.pub"
truncate -s 6G "$folder/root.img"
mkfs.ext4 -q -F -m 0 -E lazy_itable_init=1 -d "$root" "$folder/root.img"
chroot "$root" dpkg-query -W > "$folder/packages.txt"
rm -rf "$root"
`;

/**
 * What an administrator would have put into /etc/systemd/network and /etc/resolv.conf by hand, made
 * from the kernel's command line: lab.net=vec0,192.0.2.11/24,2001:db8::11/64,… for each interface,
 * lab.gateway=192.0.2.254,2001:db8::fe for the first.
 */
const NETWORK = `#!/bin/sh
mkdir -p /run/systemd/network
list() { echo "\${1#*=}" | tr , ' '; }
for word in $(cat /proc/cmdline); do
  case $word in lab.gateway=*) gateways=$(list "$word") ;; esac
done
for gateway in $gateways; do echo "nameserver $gateway"; done > /etc/resolv.conf
for word in $(cat /proc/cmdline); do
  case $word in lab.net=*) ;; *) continue ;; esac
  set -- $(list "$word")
  interface=$1
  shift
  {
    printf '[Match]\\nName=%s\\n' "$interface"
    printf '[Network]\\nIPv6AcceptRA=no\\nLLMNR=no\\nKeepConfiguration=static\\n'
    for address in "$@"; do printf 'Address=%s\\n' "$address"; done
    for gateway in $gateways; do printf 'Gateway=%s\\n' "$gateway"; done
  } > "/run/systemd/network/10-$interface.network"
  gateways=
done
`;
/** Disks beside the first have the names that they have in Debian under KVM. */
const DISKS = ['b', 'c', 'd', 'e']
  .map((letter) => `SUBSYSTEM=="block", KERNEL=="ubd${letter}", SYMLINK+="vd${letter}"\n`)
  .join('');
const NETWORK_UNIT = `[Unit]
Description=Addresses of this host of the laboratory
DefaultDependencies=no
Before=systemd-networkd.service network-pre.target
Wants=network-pre.target
After=systemd-remount-fs.service
RequiresMountsFor=/run

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/lab-network

[Install]
WantedBy=sysinit.target
`;

export interface Image {
  /** The disk; hosts write to copies of their own beside it. */
  readonly disk: string;
  /** The private key with which root of every host is reached. */
  readonly key: string;
  /** The hosts' own key, as in a file of known hosts. */
  readonly hostKey: string;
}

const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mailfarm');

const hashOf = (kernel: Kernel): string =>
  createHash('sha256')
    .update(JSON.stringify([SUITE, BASE, ROLE_PACKAGES, BUILD, NETWORK, NETWORK_UNIT, DISKS]))
    .update(kernel.release)
    .digest('hex')
    .slice(0, 12);

/** Finds or makes it, which takes minutes. @throws Error with the end of the log */
export async function obtainImage(
  kernel: Kernel,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<Image> {
  const folder = join(cache, `farm-root-${hashOf(kernel)}`);
  if (!existsSync(folder)) {
    say('building the disk of the hosts (once, some minutes)');
    await build(folder, kernel, signal);
  }
  return {
    disk: join(folder, 'root.img'),
    key: join(folder, 'key'),
    hostKey: readFileSync(join(folder, 'host-key.pub'), 'utf8').trim(),
  };
}

async function build(folder: string, kernel: Kernel, signal?: AbortSignal): Promise<void> {
  const building = `${folder}.${process.pid}`;
  const log = `${folder}.log`;
  mkdirSync(building, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(join(building, 'lab-network'), NETWORK);
    writeFileSync(join(building, 'lab-network.service'), NETWORK_UNIT);
    writeFileSync(join(building, 'lab-disks.rules'), DISKS);
    const what = [BASE.join(','), ROLE_PACKAGES.join(' '), join(kernel.folder, 'lib/modules')];
    const enter = ['unshare', '--mount', '--pid', '--fork', '--kill-child'];
    const argv = [...enter, 'bash', '-c', BUILD, 'build', building, await mirror(), SUITE, ...what];
    const running = start(argv, { withParent: 'KILL' });
    const end = (): void => running.kill('SIGKILL');
    const timer = setTimeout(end, BUILD_MS);
    signal?.addEventListener('abort', end);
    const code = await running.exited;
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
    const said = running.output();
    writeFileSync(log, said);
    if (code !== 0) {
      throw new Error(`building the hosts' disk failed, see ${log}\n${said.slice(-1500)}`);
    }
    renameSync(building, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error; // Someone else was first: fine.
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}
