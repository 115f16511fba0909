#!/bin/sh
# doctor-backup.sh TIMER=PLACE…: a line for each PLACE whose newest copy is older than it should be. A timer that
# is new has made none yet.
now=$(date +%s)
for pair in "$@"; do
  timer=${pair%%=*} place=${pair#*=}
  unit=$(systemctl show -P FragmentPath "$timer")
  systemctl is-active -q "$timer" || { echo "no copies are made: systemctl enable --now $timer"; continue; }
  name=$(find "$place" -mindepth 1 -maxdepth 1 -name '[0-9]*T[0-9]*Z*' -printf '%f\n' 2>/dev/null | sort | tail -n 1)
  if [ -n "$name" ]; then
    made=$(date -u -d "$(printf %s "$name" | sed 's/^\(.*\)T\(..\)\(..\)\(..\)Z.*$/\1 \2:\3:\4/')" +%s)
    text="the newest copy in $place is of $name"
  else
    made=$(stat -c %Y "$unit") text="there is no copy in $place"
  fi
  [ $((now - made)) -lt 108000 ] || echo "$text: journalctl -u ${timer%.timer} says why; systemctl start ${timer%.timer} makes one"
done
exit 0
