/** What the laboratory of real hosts needs of the machine beside what all laboratories do. */
import { accessSync, constants, existsSync } from 'node:fs';
import { missingForLab } from '../needs.ts';

/** Package → a program of it. */
const FARM_PACKAGES: Readonly<Record<string, string>> = {
  debootstrap: 'debootstrap',
  'ansible-core': 'ansible-playbook',
  'ansible-lint': 'ansible-lint',
  'openssh-client': 'ssh',
  'util-linux': 'nsenter',
  nftables: 'nft',
};
const PLACES = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const TUN = '/dev/net/tun';

/** Packages whose program is not here. */
export const missingForFarm = (): string[] => [
  ...missingForLab(),
  ...Object.entries(FARM_PACKAGES)
    .filter(([, program]) => !PLACES.some((place) => existsSync(`${place}/${program}`)))
    .map(([name]) => name),
];

/** @returns why hosts cannot be had here, packages apart, or '' */
export function forbiddenForFarm(): string {
  if (process.getuid?.() !== 0) return 'it makes networks and disks, and so wants root';
  try {
    accessSync(TUN, constants.R_OK | constants.W_OK);
    return '';
  } catch {
    return `${TUN} is missing: no cables can be laid`;
  }
}

/** @returns why the laboratory cannot run here, or '' */
export function whyNoFarm(): string {
  const absent = missingForFarm();
  return absent.length > 0 ? `missing here: ${absent.join(', ')}` : forbiddenForFarm();
}
