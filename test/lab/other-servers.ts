/**
 * Other file servers and file systems than the kernel's own NFS server on ext4: NFS-Ganesha, a
 * server in user space, and what makes XFS and btrfs, with the C library that they were built
 * against. Packages of Debian, fetched by apt (which checks signatures), unpacked below the cache;
 * nothing of it is installed or runs on the machine itself, only inside the laboratory's kernel.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { mirror } from '../harness/peers-root.ts';
import { runOrThrow } from '../harness/process.ts';
import { KEYRING } from './needs.ts';

const SUITE = 'bookworm';
const PROGRAMS = ['nfs-ganesha', 'nfs-ganesha-vfs', 'xfsprogs', 'btrfs-progs'];
/** All that they load, down to the C library. */
const LIBRARIES = [
  'libacl1',
  'libblkid1',
  'libbsd0',
  'libc6',
  'libcap2',
  'libcom-err2',
  'libdbus-1-3',
  'libgcc-s1',
  'libgcrypt20',
  'libgpg-error0',
  'libgssapi-krb5-2',
  'libinih1',
  'libk5crypto3',
  'libkeyutils1',
  'libkrb5-3',
  'libkrb5support0',
  'liblz4-1',
  'liblzma5',
  'liblzo2-2',
  'libmd0',
  'libnfsidmap1',
  'libntirpc4.3',
  'libssl3',
  'libstdc++6',
  'libsystemd0',
  'libudev1',
  'liburcu8',
  'libuuid1',
  'libwbclient0',
  'libzstd1',
  'zlib1g',
];

/** $1 a new folder, $2 the suite, $3 the mirror, then packages: apt with settings of its own. */
const FETCH = `
set -e
cd "$1"; suite=$2; mirror=$3; here=$1
shift 3
mkdir -p lists/partial archives/partial none
echo "deb [signed-by=${KEYRING}] $mirror $suite main" > sources.list
cat > apt.conf <<EOF
Dir::State "$here"; Dir::State::status "/dev/null"; Dir::Cache "$here";
Dir::Etc::sourcelist "$here/sources.list"; Dir::Etc::sourceparts "$here/none";
Dir::Etc::preferences "$here/none/x"; Dir::Etc::preferencesparts "$here/none";
Acquire::Languages "none"; APT::Sandbox::User "";
EOF
export APT_CONFIG="$here/apt.conf"
apt-get -q update
apt-get -q download "$@"
mkdir debs
mv ./*.deb debs
for package in debs/*.deb; do dpkg -x "$package" system; done
mv system/usr/lib/*-linux-gnu/ganesha/libfsal*.so system/usr/lib/ganesha/
rm -rf lists archives none debs ./*.bin sources.list apt.conf system/usr/share
`;

const recipe = createHash('sha256')
  .update(JSON.stringify([SUITE, PROGRAMS, LIBRARIES, FETCH]))
  .digest('hex')
  .slice(0, 12);
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mailfarm');
const folder = join(cache, `servers-${recipe}`);

/** Finds or makes the folder with all of it. @throws Error with what apt said */
export async function obtainServers(say: (line: string) => void): Promise<string> {
  if (existsSync(folder)) return folder;
  say(`fetching NFS-Ganesha and tools of other file systems, of Debian ${SUITE}`);
  const making = `${folder}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  try {
    const what = [making, SUITE, await mirror(), ...PROGRAMS, ...LIBRARIES];
    await runOrThrow(['bash', '-c', FETCH, 'fetch', ...what], { ms: 300_000 });
    renameSync(making, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error; // Someone else was first: fine.
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return folder;
}
