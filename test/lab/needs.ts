/** What the laboratory takes from the machine, all of it Debian's. */
import { existsSync } from 'node:fs';

/** Package → a program of it. */
export const LAB_PACKAGES: Readonly<Record<string, string>> = {
  'nfs-kernel-server': 'rpc.mountd',
  'nfs-common': 'mount.nfs4',
  kmod: 'modprobe',
  e2fsprogs: 'mkfs.ext4',
  iproute2: 'ip',
  patchelf: 'patchelf',
  python3: 'python3',
  'debian-archive-keyring': '',
};
const PLACES = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];
export const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

const isHere = (program: string): boolean =>
  program === '' ? existsSync(KEYRING) : PLACES.some((place) => existsSync(`${place}/${program}`));

/** Packages whose program is not here. */
export const missingForLab = (): string[] =>
  Object.entries(LAB_PACKAGES)
    .filter(([, program]) => !isHere(program))
    .map(([name]) => name);
