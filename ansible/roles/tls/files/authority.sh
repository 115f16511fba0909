#!/bin/sh
# authority.sh FOLDER NAME SUBJECT-ALT-NAMES
# A certificate NAME.pem with its key NAME.key in FOLDER, signed by ca.pem there, which is made where
# it is missing. One that has the same names and thirty days left stays. Says "made" when it made one.
set -eu
umask 077
folder=$1 name=$2 names=$3
mkdir -p "$folder"
cd "$folder"
exec 9>.lock
flock 9
if [ ! -e ca.pem ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -sha256 \
    -subj "/CN=Authority of the farm" -addext 'basicConstraints=critical,CA:TRUE' \
    -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout ca.key -out ca.pem 2>/dev/null
fi
if [ -e "$name.pem" ] && [ "$(cat "$name.names" 2>/dev/null)" = "$names" ] &&
  openssl x509 -in "$name.pem" -checkend 2592000 >/dev/null; then
  exit 0
fi
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
  -addext "subjectAltName=$names" -addext 'extendedKeyUsage=serverAuth,clientAuth' \
  -keyout "$name.key.new" -out "$name.csr" 2>/dev/null
openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -days 398 -sha256 \
  -copy_extensions copy -out "$name.pem.new" 2>/dev/null
rm -f "$name.names"
mv "$name.key.new" "$name.key"
mv "$name.pem.new" "$name.pem"
printf '%s' "$names" > "$name.names"
rm -f "$name.csr"
echo made
