#!/bin/bash
# Mounts volumes on this machine: $1 options beside those of every farm, $2 volume=address,…; tries
# again until each server answers.
for each in ${2//,/ }; do
  (
    volume=${each%%=*}
    while ! mount -t nfs4 -o "vers=4.2,noatime,lookupcache=positive,$1" \
      "${each##*=}:/$volume" "/mnt/$volume"; do sleep 0.5; done
  ) &
done
wait
