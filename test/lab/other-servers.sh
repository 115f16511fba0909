#!/bin/bash
# Run as root inside the laboratory. `start`: file systems beside ext4 exported by the kernel's
# server, and NFS-Ganesha at 10.99.0.2 in a network namespace of its own; each mounted by every
# client at /mnt/cN/NAME. `stop`: all of it away again.
set -e
system=/mnt/servers/system
loader=$(echo $system/lib/*-linux-gnu/ld-linux-*.so.2)
libraries=$(dirname "$loader"):$(echo $system/usr/lib/*-linux-gnu):$system/usr/lib/ganesha
# A program with the libraries that it was built against.
program() { "$loader" --inhibit-cache --library-path "$libraries" "$@"; }
inside=10.99.0.0/24
volumes=(xfs btrfs tmpfs ganesha)

make_disk() {
  truncate -s "$2" "/run/disks/$1"
  mkdir "/mnt/srv/$1"
  case $1 in
    xfs) program $system/sbin/mkfs.xfs -q "/run/disks/$1" ;;
    btrfs) program $system/sbin/mkfs.btrfs -q "/run/disks/$1" ;;
    tmpfs) ;;
    *) mkfs.ext4 -q -F -N 20000 -m 0 -E lazy_itable_init=1 "/run/disks/$1" ;;
  esac
  if [ "$1" = tmpfs ]; then
    mount -t tmpfs -o "size=$2" tmpfs "/mnt/srv/$1"
  else
    mount -o loop "/run/disks/$1" "/mnt/srv/$1"
  fi
  rm -rf "/mnt/srv/$1/lost+found"
  chown mail:mail "/mnt/srv/$1"
  chmod 755 "/mnt/srv/$1"
}

start_ganesha() {
  ip netns add s2
  ip link add lab0s2 type veth peer name eth0 netns s2
  ip link set lab0s2 master lab0 up
  ip -n s2 link set lo up
  ip -n s2 address add 10.99.0.2/24 dev eth0
  ip -n s2 link set eth0 up
  mkdir -p /run/ganesha
  cat > /run/ganesha/conf <<EOF
NFS_CORE_PARAM {
  Protocols = 4;
  Bind_addr = 10.99.0.2;
  Plugins_Dir = "$system/usr/lib/ganesha";
  Enable_NLM = false;
  Enable_RQUOTA = false;
}
NFSv4 {
  Minor_Versions = 1, 2;
  Grace_Period = 5;
  Lease_Lifetime = 10;
  Delegations = false;
  Only_Numeric_Owners = true;
  RecoveryRoot = "/run/ganesha/recovery";
}
EXPORT {
  Export_Id = 1;
  Path = /mnt/srv/ganesha;
  Pseudo = /ganesha;
  Access_Type = RW;
  Squash = root_squash;
  SecType = sys;
  FSAL { Name = VFS; }
}
EOF
  mkdir -p /run/ganesha/recovery
  nsenter --net=/run/netns/s2 "$loader" --inhibit-cache --library-path "$libraries" \
    $system/usr/bin/ganesha.nfsd -F -f /run/ganesha/conf -L /tmp/out/ganesha.log \
    -p /run/ganesha/pid -N EVENT > /tmp/out/ganesha.out 2>&1 &
  local tries=0
  until nsenter --net=/run/netns/s2 bash -c 'exec 3<> /dev/tcp/10.99.0.2/2049' 2> /dev/null; do
    tries=$((tries + 1))
    if [ $tries -gt 150 ]; then
      tail -n 30 /tmp/out/ganesha.out /tmp/out/ganesha.log
      exit 1
    fi
    sleep 0.2
  done
}

mount_all() {
  for n in 1 2 3; do
    for name in "${volumes[@]}"; do
      local server=10.99.0.1 version=4.1
      [ "$name" = ganesha ] && server=10.99.0.2 version=4.2
      mkdir -p "/mnt/c$n/$name"
      nsenter "--net=/run/netns/c$n" timeout 60 mount -t nfs4 \
        -o "vers=$version,hard,noatime,nosharecache,lookupcache=positive,clientaddr=10.99.0.1$n" \
        "$server:/$name" "/mnt/c$n/$name"
    done
  done
}

# Clients of Linux 7 ask for delegations of directories (GET_DIR_DELEGATION). Ganesha 4.3 does not
# know the call and answers NFS4ERR_OP_ILLEGAL, which these clients make EREMOTEIO of: off, as an
# operator would have it (nfs.directory_delegations=N).
ask_for_delegations() {
  for each in /sys/module/nfs*/parameters/directory_delegations; do
    if [ -e "$each" ]; then echo "$1" > "$each"; fi
  done
}

start() {
  ask_for_delegations N
  make_disk xfs 320M
  make_disk btrfs 256M
  make_disk tmpfs 128M
  make_disk ganesha 256M
  local id=10
  for name in xfs btrfs tmpfs; do
    id=$((id + 1))
    exportfs -o "rw,sync,no_subtree_check,root_squash,fsid=$id" "$inside:/mnt/srv/$name"
  done
  start_ganesha
  mount_all
}

stop() {
  ask_for_delegations Y
  for n in 1 2 3; do
    for name in "${volumes[@]}"; do umount -l "/mnt/c$n/$name" || true; done
  done
  for name in xfs btrfs tmpfs; do exportfs -u "$inside:/mnt/srv/$name" || true; done
  exportfs -f
  if [ -f /run/ganesha/pid ]; then kill "$(cat /run/ganesha/pid)" || true; fi
}

"$1"
