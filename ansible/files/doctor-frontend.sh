#!/bin/sh
# doctor-frontend.sh USER READY-URL: a line for each thing that is wrong with this front end.
user=$1 ready=$2
if [ -e /etc/mailfarm/drained ]; then
  echo 'was taken out of service; drain-frontend.yml -e back=true brings it back'
  exit 0
fi
systemctl is-active -q mailfarm || echo 'mailfarm does not run: journalctl -u mailfarm -n 50'
systemctl is-enabled -q mailfarm || echo 'mailfarm does not start at boot: systemctl enable mailfarm'
answer=$(curl -s -m 10 "$ready")
case $answer in
  *'"ready":true'*'"reasons":[]'*) ;;
  '') echo 'its health does not answer' ;;
  *) echo "says of itself: $answer" ;;
esac
for command in check doctor; do
  runuser -u "$user" -- mailfarm $command > /run/mailfarm-doctor 2>&1 ||
    sed "/^ *$/d; s/^/mailfarm $command: /" /run/mailfarm-doctor
done
rm -f /run/mailfarm-doctor
# What is mounted stays as it was when the inventory says another server, or other options.
for unit in /etc/systemd/system/*.mount; do
  grep -q '^Type=nfs' "$unit" 2>/dev/null || continue
  name=$(basename "$unit" .mount)
  seen=$(findmnt --kernel -n -o SOURCE --mountpoint "/$name") || continue
  options=,$(findmnt --kernel -n -o OPTIONS --mountpoint "/$name"),
  wanted=$(sed -n 's/^What=//p' "$unit")
  differs=
  [ "$seen" = "$wanted" ] || differs="; from $seen, not $wanted"
  for option in $(sed -n 's/^Options=//p' "$unit" | sed 's/lookupcache=positive/lookupcache=pos/' | tr , ' '); do
    case $option,$options in
      rsize=*|wsize=*|*,*",$option,"*) ;;
      hard,*,soft*|*=*,*",${option%%=*}="*) differs="$differs; not $option" ;;
    esac
  done
  [ -z "$differs" ] || echo "/$name is mounted otherwise than the inventory says (${differs#; }): drain-frontend.yml, systemctl restart $name.mount, drain-frontend.yml -e back=true"
done
[ -z "$(find /var/lib/mailfarm /etc/mailfarm -type d -perm -o+w 2>/dev/null)" ] ||
  echo 'others may write into /etc/mailfarm or /var/lib/mailfarm: chmod o-w'
# Its name is no help: Node calls its main thread MainThread.
ps -o user= -p "$(paste -sd, /sys/fs/cgroup/system.slice/mailfarm.service/cgroup.procs 2>/dev/null)" 2>/dev/null |
  grep -q '^root' && echo 'mail runs as root: User= of mailfarm.service'
[ "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)" != no ] ||
  chronyc -n tracking 2>/dev/null | grep -q '^Leap status *: Normal' ||
  [ -z "$(chronyc -n sources 2>/dev/null | grep '^\^')" ] || echo 'its clock follows no server: chronyc sources'
exit 0
