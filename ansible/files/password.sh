#!/bin/bash
# password.sh CN SUFFIX URL: the entry has PASSWORD, written as cn=admin with the first
# of ADMINS that is taken.
set -eu
export LDAPTLS_CACERT=/etc/ldap/tls/ca.pem
who=$1 suffix=$2 url=$3
change() {
  printf 'dn: %s,%s\nchangetype: modify\nreplace: userPassword\n' "$who" "$suffix"
  printf 'userPassword:: %s\n' "$(slappasswd -n -o module-path=/usr/lib/ldap -o module-load=argon2.la \
    -h '{ARGON2}' -T <(printf %s "$PASSWORD") | base64 -w0)"
}
ldif=$(change)
while IFS= read -r admin; do
  if said=$(ldapwhoami -x -H "$url" -D "cn=admin,$suffix" -y <(printf %s "$admin") 2>&1); then
    ldapmodify -x -H "$url" -D "cn=admin,$suffix" -y <(printf %s "$admin") <<< "$ldif"
    exit 0
  fi
done <<< "$ADMINS"
echo "none of the passwords of cn=admin is taken by $url: $said" >&2
exit 1
