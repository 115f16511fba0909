#!/bin/bash
# The first process of the laboratory's kernel. The machine's own files are the root, read-only; what
# is written goes to tmpfs and ends with the kernel, but for the report in lab_run.
# Set on the kernel's command line: lab_run (a folder of the machine), lab_kernel, lab_servers,
# lab_peers, lab_control, lab_args.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
lab=$(dirname "$(readlink -f "$0")")
tree=$(dirname "$(dirname "$lab")")
off() {
  sync
  echo o > /proc/sysrq-trigger
  sleep 60
}
fail() {
  echo "lab: $*"
  dmesg | tail -n 20
  off
}
step() { "$@" || fail "failed: $*"; }

mount -t proc proc /proc
mount -t sysfs sysfs /sys
step mount -t tmpfs tmpfs /run
step mount -t tmpfs -o mode=1777 tmpfs /tmp
step mount -t tmpfs tmpfs /mnt
step mount -t tmpfs tmpfs /var/lib/nfs
ln -sfn /proc/self/fd /dev/fd
# Terminals, for programs that want one.
mkdir -p /dev/pts
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
# Node's io_uring rings corrupt the page table of this kernel.
echo 2 > /proc/sys/kernel/io_uring_disabled
# The tree and the kernel's folder may lie below what was just covered; /mnt/host is for reports.
mkdir -p /mnt/host /mnt/kernel /mnt/servers /mnt/tree /mnt/srv /mnt/mail1 /mnt/mail2 /tmp/out
chmod 1777 /tmp/out
step mount -t hostfs -o "$lab_run" none /mnt/host
step mount -t hostfs -o "ro,$lab_kernel" none /mnt/kernel
[ -n "$lab_servers" ] && step mount -t hostfs -o "ro,$lab_servers" none /mnt/servers
[ -n "$lab_peers" ] && mkdir -p /mnt/peers && step mount -t hostfs -o "ro,$lab_peers" none /mnt/peers
step mount -t hostfs -o "ro,$tree" none /mnt/tree
for module in sunrpc nfsd nfsv4 loop ext4 veth bridge; do
  step modprobe -d /mnt/kernel "$module"
done

# A network: the server on the bridge, each client in a namespace of its own.
ip link set lo up
step ip link add lab0 type bridge forward_delay 0
step ip address add 10.99.0.1/24 dev lab0
step ip link set lab0 up
for n in 1 2 3; do
  ip netns add "c$n"
  ip link add "lab0c$n" type veth peer name eth0 netns "c$n"
  ip link set "lab0c$n" master lab0 up
  ip -n "c$n" link set lo up
  ip -n "c$n" address add "10.99.0.1$n/24" dev eth0
  step ip -n "c$n" link set eth0 up
  # A host's name towards the server: without it all three would be one client, with one state.
  step ip netns exec "c$n" sh -c "echo c$n > /sys/fs/nfs/net/nfs_client/identifier"
done

# The server's disks: mail1 is roomy, mail2 fills quickly; both belong to the service user.
step mount -t tmpfs tmpfs /mnt/srv
mkdir /run/disks
step mount -t tmpfs tmpfs /run/disks
disk() {
  truncate -s "$2" "/run/disks/$1"
  step mkfs.ext4 -q -F -N "$3" -m 0 -E lazy_itable_init=1 "/run/disks/$1"
  mkdir "/mnt/srv/$1"
  step mount -o loop "/run/disks/$1" "/mnt/srv/$1"
  rmdir "/mnt/srv/$1/lost+found"
  chown mail:mail "/mnt/srv/$1"
}
disk mail1 1G 60000
disk mail2 16M 2000
chmod 755 /mnt/srv

# The server. nfsdcld remembers the clients, so that grace ends when all of them are back.
mkdir -p /run/rpc_pipefs /var/lib/nfs/nfsdcld /var/lib/nfs/v4recovery
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
step mount -t rpc_pipefs rpc_pipefs /run/rpc_pipefs
step mount -t nfsd nfsd /proc/fs/nfsd
# Delegations spare calls, but those of a host that died hold up the others for a whole lease.
echo 0 > /proc/sys/fs/leases-enable
echo 10 > /proc/fs/nfsd/nfsv4leasetime
echo 10 > /proc/fs/nfsd/nfsv4gracetime
step nfsdcld -p /run/rpc_pipefs -s /var/lib/nfs/nfsdcld
step exportfs -o rw,sync,no_subtree_check,root_squash,fsid=0 10.99.0.0/24:/mnt/srv
step exportfs -o rw,sync,no_subtree_check,root_squash,fsid=1 10.99.0.0/24:/mnt/srv/mail1
step exportfs -o rw,sync,no_subtree_check,root_squash,fsid=2 10.99.0.0/24:/mnt/srv/mail2
step rpc.mountd -N 3
step rpc.nfsd -N 3 -V 4.2 4

# Clients mount as hosts of a farm do.
for n in 1 2 3; do
  for volume in mail1 mail2; do
    mkdir -p "/mnt/c$n/$volume"
    step nsenter "--net=/run/netns/c$n" mount -t nfs4 \
      -o vers=4.2,hard,noatime,nosharecache,lookupcache=positive,clientaddr="10.99.0.1$n" \
      "10.99.0.1:/$volume" "/mnt/c$n/$volume"
  done
done
echo "lab: up after $(cut -d ' ' -f 1 /proc/uptime) s, Linux $(uname -r)"

cd /mnt/tree || fail 'no tree'
export NO_COLOR=1 HOME=/tmp UV_USE_IO_URING=0 NODE_COMPILE_CACHE=/tmp/compiled
node=$(echo /mnt/tree/node_modules/node-linux-*/bin/node)
mkdir -m 1777 /tmp/compiled # Of root and of the service user: else nobody but root keeps any.
"$node" "$lab_control" &
setpriv --reuid mail --regid mail --clear-groups "$node" test/lab/warm.ts &
# shellcheck disable=SC2086
setpriv --reuid mail --regid mail --clear-groups \
  "$node" node_modules/vitest/vitest.mjs run --config test/lab/vitest.config.ts \
  --configLoader runner ${lab_args//,/ } 2>&1 | cat
echo "lab: tests ended with ${PIPESTATUS[0]}"
dmesg > /tmp/out/dmesg
cp /tmp/out/* /mnt/host/
off
