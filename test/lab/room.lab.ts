import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { askSpace } from '../../src/volumes/space.ts';
import { makeVolume } from '../../src/volumes/make.ts';
import { systemRandom as random } from '../../src/base/random.ts';
import { StoreError } from '../../src/volumes/error.ts';
import { MemoryPlacements, openTestVolumes, owner } from '../../src/volumes/testing/volumes.ts';
import { asRoot, mountOf } from './inside.ts';
import { SharedMaildir } from './mailboxes.ts';

// A volume that takes no new mail, on real NFS: what its users can still do, and how it ends.

const COMMON = 'sync,no_subtree_check,root_squash,fsid=2';
const MAIL2 = '10.99.0.0/24:/mnt/srv/mail2';
const MOUNT = mountOf('c3', 'mail2');

const exportAs = async (mode: 'rw' | 'ro'): Promise<void> => {
  await asRoot('exportfs', '-o', `${mode},${COMMON}`, MAIL2);
  await asRoot('exportfs', '-f');
};
afterEach(async () => {
  await asRoot('mount', '-o', 'remount,rw', MOUNT);
  await exportAs('rw');
});

async function openVolume(disk = 'mail2', mount = MOUNT) {
  const name = new SharedMaildir('mail2').name;
  const atServer = join('/mnt/srv', disk, name);
  for (const part of ['tmp', 'new', 'cur'])
    mkdirSync(join(atServer, 'u', part), { recursive: true });
  const identity = await makeVolume({ path: atServer, name: 'v1', random });
  const path = join(mount, name);
  const entry = { name: 'v1', path, identity, weight: 1, state: 'active', use: 'mail' } as const;
  const limits = {
    'volume.deadline': 20_000,
    'volume.probe.deadline': 20_000,
    'volume.reserve.bytes': 1_000_000,
    'volume.full.retry': 1_000,
  };
  const volumes = openTestVolumes(new MemoryPlacements([entry]), { limits });
  const place = await volumes.table.locate(owner('u', { path: join(path, 'u') }));
  if (place === undefined) throw new Error('not placed');
  const { volume, maildir } = place;
  await volume.ready();
  const deliver = async (): Promise<string> => {
    const base = volume.uniqueName();
    const octets = 2;
    try {
      await volume.stage({ maildir, base, offset: 0, bytes: Buffer.from('x\n'), last: true });
      await volume.publish({ maildir, base, octets, wireOctets: 3, targets: [maildir] });
      return 'stored';
    } catch (error) {
      return error instanceof StoreError ? error.kind : String(error);
    }
  };
  const becomes = (what: string): Promise<void> =>
    expect.poll(() => volume.writable, { timeout: 20_000 }).toBe(what);
  return { volume, maildir, path, deliver, becomes, close: () => volumes.close() };
}

test('[N-14] a full volume is known before a write fails; reading and deleting go on; it ends by itself', async () => {
  const { volume, maildir, deliver, becomes, close } = await openVolume();
  expect([await deliver(), volume.writable]).toEqual(['stored', 'yes']);
  const filler = '/mnt/srv/mail2/filler';
  const { bavail, bsize } = statfsSync('/mnt/srv/mail2');
  writeFileSync(filler, Buffer.alloc(bavail * bsize - 500_000));
  try {
    await becomes('full');
    expect(volume.fits(1)).toBe(false);
    const entries = await volume.list(maildir);
    expect(entries).toHaveLength(1);
    expect(await volume.remove({ maildir, entries })).toEqual([undefined]);
  } finally {
    rmSync(filler);
  }
  await becomes('yes');
  expect(await deliver()).toBe('stored');
  close();
});

test('[N-14] mounted read-only: the probe sees it; exported read-only: the first write does', async () => {
  const { volume, maildir, path, deliver, becomes, close } = await openVolume();
  await asRoot('mount', '-o', 'remount,ro', MOUNT);
  await becomes('read-only');
  expect(await volume.list(maildir)).toEqual([]);
  expect((await askSpace(path)).mode).toBe('read-only');
  await asRoot('mount', '-o', 'remount,rw', MOUNT);
  await becomes('yes');
  await exportAs('ro');
  expect(await deliver()).toBe('volume-down');
  expect([volume.writable, volume.up]).toEqual(['read-only', true]);
  expect(await volume.list(maildir)).toEqual([]);
  await exportAs('rw');
  await becomes('yes');
  await expect.poll(deliver, { timeout: 20_000 }).toBe('stored');
  close();
});

/** quotactl(2) by its number, since nothing here has setquota(8): a user's octets on a disk. */
const SET_QUOTA = `
  my ($device, $uid, $kib) = @ARGV;
  my $number = \`uname -m\` =~ /aarch64/ ? 60 : 179;
  my $limits = pack('Q8 L x4', $kib, $kib, 0, 0, 0, 0, 0, 0, 1);
  syscall($number, 0x800008 << 8, $device, $uid + 0, $limits) == 0 or die "quotactl: $!";`;
const MAIL_UID = String(process.getuid?.());

test('[N-14] a quota of the export: full though there is space; reading and deleting go on; it ends', async () => {
  const [image, disk, mount] = ['/run/disks/quota', '/mnt/srv/quota', '/mnt/c3/quota'];
  const address = '10.99.0.0/24:/mnt/srv/quota';
  const device = await asRoot(
    'bash',
    '-c',
    `set -e
    modprobe -d /mnt/kernel quota_v2
    truncate -s 16M ${image}
    mkfs.ext4 -q -F -m 0 -O quota -E quotatype=usrquota ${image}
    mkdir -p ${disk} ${mount}
    mount -o loop,usrquota ${image} ${disk}
    chown mail:mail ${disk}
    exportfs -o rw,sync,no_subtree_check,root_squash,fsid=9 ${address}
    nsenter --net=/run/netns/c3 mount -t nfs4 \
      -o vers=4.2,hard,noatime,nosharecache,lookupcache=positive,clientaddr=10.99.0.13 \
      10.99.0.1:/quota ${mount}
    findmnt -n -o SOURCE ${disk}`,
  );
  const allow = (kib: number): Promise<string> =>
    asRoot('perl', '-e', SET_QUOTA, device.trim(), MAIL_UID, String(kib));
  const { volume, maildir, deliver, becomes, close } = await openVolume('quota', mount);
  try {
    expect([await deliver(), volume.writable]).toEqual(['stored', 'yes']);
    await allow(1);
    expect(await deliver()).toBe('volume-full');
    expect([volume.writable, volume.up]).toEqual(['full', true]);
    expect(volume.space?.freeBytes).toBeGreaterThan(5_000_000);
    const entries = await volume.list(maildir);
    expect(entries).toHaveLength(1);
    expect(await volume.remove({ maildir, entries })).toEqual([undefined]);
    await allow(0); // None.
    await becomes('yes');
    expect(await deliver()).toBe('stored');
  } finally {
    close();
    await asRoot('umount', '-l', mount);
    await asRoot('exportfs', '-u', address);
    await asRoot('exportfs', '-f');
    await asRoot('umount', '-l', disk);
  }
}, 120_000);
