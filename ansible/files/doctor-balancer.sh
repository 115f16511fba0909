#!/bin/sh
# doctor-balancer.sh ADDRESS…: a line for each thing that is wrong with this balancer, and for each service
# address that nobody has.
systemctl is-active -q haproxy || echo 'haproxy does not run: journalctl -u haproxy -n 50'
systemctl is-active -q keepalived || echo 'keepalived does not run: journalctl -u keepalived -n 50'
farm-balancer show 2>/dev/null | awk '$2 != "UP" { print "the front end " $1 " is " $2 " here" }'
for address in "$@"; do
  case $address in *:*) to="[$address]" ;; *) to=$address ;; esac
  socat -u /dev/null "TCP:$to:80,connect-timeout=3" 2>/dev/null ||
    echo "nobody answers at the service address $address, seen from here: journalctl -u keepalived on each balancer"
done
exit 0
