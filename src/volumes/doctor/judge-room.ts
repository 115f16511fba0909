/** Room for mail: space, inodes, quota, and whether it may be written at all. */
import { error, sh, size, warning } from './complain.ts';
import { isNfs, mountAnew } from './mounts.ts';
import type { Check, Complaint, FarmFacts, Verdict, VolumeFacts } from './types.ts';

export const ROOM_CHECKS: readonly Check[] = [
  { id: 'writable', judge: writable },
  { id: 'space', judge: space },
  { id: 'inodes', judge: inodes },
];

const WARN = 0.95;
const FULL = 0.99;
const REFUSED = 'Mail for its users is deferred (452 4.3.1); they can fetch and delete';

function writable(volume: VolumeFacts): Verdict {
  const { mount, failed, path } = volume;
  const readOnly = failed.some(({ code }) => code === 'EROFS');
  const mail = 'Mail for its users is deferred (451); they can read and not delete.';
  if (mount?.options.has('ro') === true && isNfs(mount)) {
    return [
      error(
        `${path} is mounted read-only here`,
        mail,
        `mount -o remount,rw ${sh(path)}`,
        ...fstab(volume),
      ),
    ];
  }
  if (!readOnly) return volume.trial && 'writable';
  return [
    error(
      `${path} is read-only${isNfs(mount) ? ' on the server' : ''} (EROFS)`,
      mail,
      ...(isNfs(mount)
        ? [
            'on the server: exportfs -v; the line of this host must have rw; exportfs -ra',
            'on the server: dmesg | tail; a disk with errors is made read-only: fsck it',
          ]
        : [`dmesg | tail; mount -o remount,rw ${sh(mount?.point ?? path)}`]),
    ),
  ];
}

const fstab = ({ mount }: VolumeFacts): readonly string[] =>
  mount ? mountAnew(mount).slice(1) : [];

function space(volume: VolumeFacts, farm: FarmFacts): Verdict {
  const { room, failed, name, path } = volume;
  const refused = failed.find(({ code }) => code === 'EDQUOT' || code === 'ENOSPC');
  if (refused?.code === 'EDQUOT') {
    return [
      error(
        `The quota of ${farm.userName(farm.uid)} on the server is used up (EDQUOT)`,
        `${REFUSED}.`,
        `on the server: repquota -a; setquota -u ${farm.uid} 0 0 0 0 FILESYSTEM`,
      ),
    ];
  }
  if (room === undefined) return undefined;
  const used = room.totalBytes === 0 ? 0 : 1 - room.freeBytes / room.totalBytes;
  const percent = `${Math.floor(used * 100)} %`;
  const free = `${size(room.freeBytes)} of ${size(room.totalBytes)} free`;
  const mend = [
    `mailfarm volume set ${sh(name)} --state closed   (no new users)`,
    `du -sh ${sh(path)}/??/??/* | sort -h | tail   (who has most); or make the file system larger`,
  ];
  const below = room.freeBytes < farm.reserve.bytes;
  if (used >= FULL || below || refused) {
    const reserve = below
      ? `; deliveries leave ${size(farm.reserve.bytes)} free (volume.reserve.bytes)`
      : '';
    return [error(`Full: ${percent} used, ${free}${reserve}`, `${REFUSED}.`, ...mend)];
  }
  if (used < WARN) return `${free}`;
  return [warning(`${percent} used, ${free}`, `Soon full. Then: ${REFUSED}.`, ...mend)];
}

function inodes(volume: VolumeFacts, farm: FarmFacts): Verdict {
  const { room, name } = volume;
  if (room === undefined || room.totalInodes === 0) return undefined;
  const used = 1 - room.freeInodes / room.totalInodes;
  const text = `${Math.floor(used * 100)} % of inodes used, ${room.freeInodes} free`;
  const mend = [
    `mailfarm volume set ${sh(name)} --state closed   (no new users)`,
    'each letter is a file: make the file system anew with more (mkfs.ext4 -N), or use XFS',
  ];
  const found: Complaint[] = [];
  if (used >= FULL || room.freeInodes <= farm.reserve.inodes) {
    found.push(error(`Full: ${text}`, `${REFUSED}.`, ...mend));
  } else if (used >= WARN) {
    found.push(warning(text, `Soon full. Then: ${REFUSED}.`, ...mend));
  }
  return found.length > 0 ? found : `${room.freeInodes} inodes free`;
}
