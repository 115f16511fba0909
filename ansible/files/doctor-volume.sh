#!/bin/sh
# A line for each thing that is wrong with this file server.
systemctl is-active -q nfs-server || echo 'nfs-server does not run: journalctl -u nfs-server -n 50'
[ "$(cat /proc/sys/fs/leases-enable)" = 0 ] || echo 'hands out delegations: sysctl -p /etc/sysctl.d/90-mailfarm.conf'
! systemctl is-active -q rpcbind.socket || echo 'rpcbind runs, and NFS 4 needs none: systemctl mask --now rpcbind.socket'
case $(cat /proc/fs/nfsd/versions 2>/dev/null) in
  *+3*|*+4.0*) echo 'serves NFS 3 or 4.0, which lose sight of changes: /etc/nfs.conf.d/mailfarm.conf, restart nfs-server' ;;
esac
exportfs -s | while read -r path options; do
  case $options in *no_root_squash*) echo "$path is exported without root_squash" ;; esac
  case $options in *async*) echo "$path is exported async: what was acknowledged is lost with the power" ;; esac
  case $options in *mountpoint*) mountpoint -q "$path" || echo "$path: its disk is not mounted: e2fsck -p /dev/disk/by-label/${path#/srv/}, then systemctl start srv-${path#/srv/}.mount" ;; esac
  used=$(df --output=pcent "$path" | tail -1 | tr -dc 0-9)
  [ "$used" -lt 90 ] || echo "$path is $used % full: add-volume.yml, then drain-volume.yml"
  [ "$(stat -c %u "$path")" != 0 ] || echo "$path belongs to root: it has to belong to the service user"
done | sort -u
exit 0
