/** What the laboratory takes from the machine. */
import { existsSync } from 'node:fs';

/** Debian package → a program of it. */
export const LAB_PACKAGES: Readonly<Record<string, string>> = {
  'nfs-kernel-server': '/usr/sbin/rpc.mountd',
  'nfs-common': '/usr/sbin/mount.nfs4',
  kmod: '/usr/sbin/modprobe',
  e2fsprogs: '/usr/sbin/mkfs.ext4',
  patchelf: '/usr/bin/patchelf',
  iproute2: '/usr/sbin/ip',
  mount: '/usr/bin/mount',
};

/** Packages whose program is not here; Debian of before 2024 has some in /sbin only. */
export const missingForLab = (): string[] =>
  Object.entries(LAB_PACKAGES)
    .filter(([, program]) => !existsSync(program) && !existsSync(program.replace('/usr', '')))
    .map(([name]) => name);
