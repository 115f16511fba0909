#!/bin/sh
# doctor-monitoring.sh READY-URL: a line for each thing that is wrong with this Prometheus.
systemctl is-active -q prometheus || echo 'prometheus does not run: journalctl -u prometheus -n 50'
[ "$(curl -s -o /dev/null -m 10 -w '%{http_code}' "$1")" = 200 ] || echo "Prometheus is not ready, asked at $1"
for file in /etc/prometheus/mailfarm-rules/*.yml; do
  promtool check rules "$file" > /dev/null 2>&1 || echo "its rules are wrong: promtool check rules $file"
done
exit 0
