#!/bin/bash
# The first process of each machine's kernel. The laboratory's own host's files are the root,
# read-only; what is written goes to tmpfs and ends with the kernel, but for the disks of a filer.
# On the kernel's command line: lab_agent, lab_host, lab_boot, lab_address, lab_run, lab_kernel, lab_disks
# (in the order of the devices), lab_mounts (volume=address,…).
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
lab=$(dirname "$(readlink -f "$0")")
tree=$(dirname "$(dirname "$(dirname "$lab")")")
fail() {
  echo "$lab_host: $*"
  dmesg | tail -n 20
  echo o > /proc/sysrq-trigger
  sleep 60
}
step() { "$@" || fail "failed: $*"; }

mount -t proc proc /proc
mount -t sysfs sysfs /sys
step mount -t tmpfs tmpfs /run
step mount -t tmpfs -o mode=1777 tmpfs /tmp
step mount -t tmpfs tmpfs /mnt
step mount -t tmpfs tmpfs /var/lib/nfs
mount -t devpts devpts /dev/pts
ln -sfn /proc/self/fd /dev/fd
# Node's io_uring rings corrupt the page table of this kernel.
echo 2 > /proc/sys/kernel/io_uring_disabled
mkdir -p /mnt/host /mnt/kernel /mnt/tree
step mount -t hostfs -o "$lab_run" none /mnt/host
step mount -t hostfs -o "ro,$lab_kernel" none /mnt/kernel
step mount -t hostfs -o "ro,$tree" none /mnt/tree

# NFS tells servers and clients by the host's name: before all that speaks NFS.
echo "$lab_host" > /proc/sys/kernel/hostname
ip link set lo up
step ip address add "$lab_address/24" dev vec0
step ip link set vec0 up

serve() {
  for module in sunrpc nfsd ext4; do step modprobe -d /mnt/kernel "$module"; done
  mkdir -p /mnt/srv /run/rpc_pipefs
  step mount -t tmpfs -o mode=755 tmpfs /mnt/srv
  local letters=abcdef number=0
  for name in ${lab_disks//,/ }; do
    local where=/mnt/srv/$name
    [ "$name" = state ] && where=/var/lib/nfs
    mkdir -p "$where"
    step mount -t ext4 "/dev/ubd${letters:number:1}" "$where"
    rmdir "$where/lost+found" 2> /dev/null
    [ "$name" = state ] || chown mail:mail "$where"
    number=$((number + 1))
  done
  # nfsdcld remembers the clients on the state disk, so that they can reclaim after a power cut.
  mkdir -p /var/lib/nfs/nfsdcld /var/lib/nfs/v4recovery
  : > /var/lib/nfs/etab
  : > /var/lib/nfs/rmtab
  step mount -t rpc_pipefs rpc_pipefs /run/rpc_pipefs
  step mount -t nfsd nfsd /proc/fs/nfsd
  # Delegations spare calls, but those of a host that died hold up the others for a whole lease.
  echo 0 > /proc/sys/fs/leases-enable
  echo 10 > /proc/fs/nfsd/nfsv4leasetime
  echo 10 > /proc/fs/nfsd/nfsv4gracetime
  step nfsdcld -p /run/rpc_pipefs -s /var/lib/nfs/nfsdcld
  local id=0 options=rw,sync,no_subtree_check,root_squash
  step exportfs -o "$options,fsid=0" 10.99.0.0/24:/mnt/srv
  for name in ${lab_disks//,/ }; do
    [ "$name" = state ] && continue
    id=$((id + 1))
    step exportfs -o "$options,fsid=$id" "10.99.0.0/24:/mnt/srv/$name"
  done
  step rpc.mountd -N 3
  step rpc.nfsd -N 3 -V 4.2 4
}

[ -n "$lab_disks" ] && serve
if [ -n "$lab_mounts" ]; then
  for module in sunrpc nfsv4; do step modprobe -d /mnt/kernel "$module"; done
  mkdir -p /run/rpc_pipefs
  for each in ${lab_mounts//,/ }; do mkdir -p "/mnt/${each%%=*}"; done
  # As fstab's `bg`: a file server that is away keeps nobody from starting.
  /mnt/tree/test/lab/machines/mount-all.sh hard "$lab_mounts" &
fi

cd /mnt/tree || fail 'no tree'
export NO_COLOR=1 HOME=/tmp UV_USE_IO_URING=0 NODE_COMPILE_CACHE=/tmp/compiled
node=$(echo /mnt/tree/node_modules/node-linux-*/bin/node)
mkdir -m 1777 /tmp/compiled
"$node" "$lab_agent" "$lab_host" "$lab_boot"
fail 'its agent ended'
