#!/bin/bash
# doctor-directory.sh SUFFIX URL…: a line for each thing that is wrong with this directory server.
suffix=$1
shift
export LDAPTLS_CACERT=/etc/ldap/tls/ca.pem
systemctl is-active -q slapd || echo 'slapd does not run: journalctl -u slapd -n 50'
state() {
  ldapsearch -x -o ldif-wrap=no -o nettimeout=5 -l 5 -LLL -H "$1" -D "cn=frontend,$suffix" \
    -y <(printf %s "$PASSWORD") -s base -b "$suffix" contextCSN 2>/dev/null | grep '^contextCSN' | sort
}
# Replicas are behind for a moment after each change: asked until they agree, for ten seconds.
for _ in 1 2 3 4 5; do
  wrong=
  for url in "$@"; do
    answer=$(state "$url")
    [ -n "$answer" ] || wrong="$url does not answer as cn=frontend, seen from here"
    [ -z "${first-}" ] || [ -n "$wrong" ] || [ "$answer" = "$first" ] || wrong="$url is not in step with the first server"
    first=${first-$answer}
  done
  [ -n "$wrong" ] || break
  unset first
  sleep 2
done
[ -z "$wrong" ] || echo "$wrong"
used=$(df --output=pcent /var/lib/ldap | tail -1 | tr -dc 0-9)
[ "$used" -lt 90 ] || echo "the disk of /var/lib/ldap is ${used} % full"
openssl x509 -in /etc/ldap/tls/directory.pem -noout -checkend 1209600 > /dev/null ||
  echo 'its certificate ends within two weeks: site.yml --tags tls'
exit 0
